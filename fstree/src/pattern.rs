//! The pattern language of include and exclude lists, the same for every engine.
//!
//! A pattern that begins with `/` is anchored at the root; any other matches at any depth. `*` stands for any run of
//! bytes within one component, `?` for one byte, `[a-z]` for one of a set and `[!a-z]` for one outside it; `**` stands
//! for any run of bytes, slashes too, also glued to text, and `**` as a whole component for any number of folders, none
//! included. A slash at the end means folders only. A pattern that matches a folder takes in all below it. Names are
//! bytes: nothing has to be UTF-8, and nothing takes longer than its length.

mod automaton;
mod list;
mod parse;
mod scanner;

use std::sync::{Arc, Mutex, PoisonError};

use automaton::Automaton;
pub(crate) use automaton::Verdict;
pub use list::{has_wildcards, literal, parse_list};
pub(crate) use scanner::{Place, Scanner};

use crate::Error;

/// Patterns, ready to be compared with paths; may be shared by many threads.
#[derive(Debug)]
pub struct Matcher {
    automaton: Arc<Automaton>,
    scanner: Mutex<Scanner>,
}

impl Matcher {
    /// Makes a matcher of patterns as [`parse_list`] returns them.
    ///
    /// # Errors
    /// [`Error::Pattern`] when one is empty or holds a NUL byte, or all together are longer than 128 KiB.
    pub fn compile(patterns: &[Vec<u8>]) -> Result<Self, Error> {
        Self::build(patterns, false)
    }

    /// The same, where ASCII letters match whatever their case.
    ///
    /// # Errors
    /// As [`Matcher::compile`].
    pub fn compile_ignoring_case(patterns: &[Vec<u8>]) -> Result<Self, Error> {
        Self::build(patterns, true)
    }

    fn build(patterns: &[Vec<u8>], ignore_case: bool) -> Result<Self, Error> {
        let parsed = patterns
            .iter()
            .map(|pattern| parse::parse(pattern, ignore_case))
            .collect::<Result<Vec<_>, _>>()?;
        let automaton = Arc::new(Automaton::build(&parsed)?);
        Ok(Self {
            scanner: Mutex::new(Scanner::new(Arc::clone(&automaton))),
            automaton,
        })
    }

    /// Whether a pattern matches this very path, which is absolute.
    #[must_use]
    pub fn matches(&self, path: &[u8], is_dir: bool) -> bool {
        self.with(|scanner| {
            let place = scanner.start();
            scanner
                .walk(&place, path, |_| false)
                .is_some_and(|verdict| verdict.applies_to(is_dir))
        })
    }

    /// Whether a pattern matches this absolute path or a folder above it.
    #[must_use]
    pub fn covers(&self, path: &[u8], is_dir: bool) -> bool {
        self.with(|scanner| {
            let place = scanner.start();
            match scanner.walk(&place, path, |folder| folder.applies_to(true)) {
                Some(verdict) => verdict.applies_to(is_dir),
                None => true,
            }
        })
    }

    /// A scanner of one's own, to go down a tree with.
    pub(crate) fn scanner(&self) -> Scanner {
        Scanner::new(Arc::clone(&self.automaton))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Scanner) -> T) -> T {
        work(&mut self.scanner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests;
