//! Actions: the administrator's own programs, run beside a backup with limits of time and of output.

mod child;
mod folder;

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) use child::{Call, Environment, run};
pub(crate) use folder::{Found, in_folder};

/// How an action ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It ended by itself, with this exit code.
    Exit(i32),
    /// A signal ended it.
    Signal(i32),
    /// It took too long and was stopped.
    TimedOut(Duration),
    /// The run was asked to stop, and so was the action.
    Cancelled,
    /// It could not be started.
    NotStarted(String),
    /// It is a file that may not be executed, and was left out.
    NotExecutable,
}

impl Ending {
    /// Whether it did what it is there for; one that was left out did not fail.
    #[must_use]
    pub fn success(&self) -> bool {
        matches!(self, Self::Exit(0) | Self::NotExecutable)
    }

    /// The exit code as a shell would have it: 124 for one that took too long, 126 for one that could not be started.
    #[must_use]
    pub fn code(&self) -> i32 {
        match self {
            Self::Exit(code) => *code,
            Self::Signal(number) => 128 + number,
            Self::TimedOut(_) => 124,
            Self::Cancelled => 130,
            Self::NotStarted(_) => 126,
            Self::NotExecutable => 0,
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit(0) => f.write_str("success"),
            Self::Exit(code) => write!(f, "exit code {code}"),
            Self::Signal(number) => write!(f, "ended by signal {number}"),
            Self::TimedOut(limit) => write!(f, "stopped after {} seconds", limit.as_secs_f64()),
            Self::Cancelled => f.write_str("stopped with the backup"),
            Self::NotStarted(cause) => write!(f, "could not be started: {cause}"),
            Self::NotExecutable => f.write_str("not executable, left out"),
        }
    }
}

/// What became of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionReport {
    /// Its file name.
    pub name: String,
    /// Where it is; the name again for what the program does itself.
    pub path: PathBuf,
    /// How it ended.
    pub ending: Ending,
    /// How long it took.
    pub elapsed: Duration,
}

/// The words that an action is called with.
pub(crate) type Words = Vec<OsString>;

#[cfg(test)]
mod tests;
