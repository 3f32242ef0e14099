//! The names of jobs.

use std::fmt;

use crate::error::{Error, Result};

/// The key of a job in the `backups` database; it is safe as a part of a file name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobName(String);

impl JobName {
    /// Checks the name: letters, digits, `_`, `-`, `.` and `@` of ASCII, beginning with a letter, a digit or `_`, at
    /// most 100 of them.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn new(name: &str) -> Result<Self> {
        let first = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let other = |c: char| first(c) || matches!(c, '-' | '.' | '@');
        if name.len() <= 100 && name.starts_with(first) && name.chars().all(other) {
            return Ok(Self(name.to_owned()));
        }
        Err(Error::JobName { name: name.to_owned() })
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
