//! The walk over a selection.

use engine_api::{Problem, Selection};

use crate::{Error, Found};

/// How a walk reads ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalkOptions {
    /// Threads that read ahead; with 0 everything is read when it is asked for.
    pub threads: usize,
}

impl Default for WalkOptions {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            threads: cores.clamp(1, 4),
        }
    }
}

/// One step of a walk.
#[derive(Debug, Clone)]
pub enum Step {
    /// A folder; its children follow, then [`Step::Leave`].
    Enter(Found),
    /// Anything that is not a folder.
    Item(Found),
    /// The innermost entered folder is done.
    Leave,
    /// A path that could not be read; the walk goes on.
    Problem(Problem),
    /// Something worth saying that is no problem: an include that matches nothing, a mount point left out.
    Notice(String),
}

/// The entries that a selection means, depth first in byte order of the path components.
///
/// The root itself is not delivered. The folders above an include are, with only what leads to an include in them.
pub struct Walk {}

impl Walk {
    /// Starts a walk: wildcards in the includes are expanded now.
    ///
    /// # Errors
    /// When the selection has no include, or one of its patterns cannot be used.
    pub fn new(selection: &Selection, options: WalkOptions) -> Result<Self, Error> {
        let _ = (selection, options);
        Ok(Self {})
    }
}

impl Iterator for Walk {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        None
    }
}

/// Counts the files of a selection and their bytes by the rules of [`Walk`], for a progress bar: `found` is told the
/// sums so far now and then, and at the end.
///
/// # Errors
/// As [`Walk::new`].
pub fn estimate(
    selection: &Selection,
    cancelled: &dyn Fn() -> bool,
    found: &mut dyn FnMut(u64, u64),
) -> Result<(), Error> {
    let _ = (selection, cancelled, found);
    Ok(())
}
