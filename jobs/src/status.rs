//! How a run ended, as a number that other programs read.

use engine_api::ErrorKind;

/// How an operation ended. The numbers are restic's own where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// All is well.
    Success,
    /// It failed.
    Failed,
    /// It was asked for wrongly, or the configuration is wrong.
    Usage,
    /// It is finished, and some files could not be read or written.
    Incomplete,
    /// There is no repository.
    NoRepository,
    /// Somebody else has the lock.
    Locked,
    /// The password opens no key.
    WrongPassword,
    /// The user or the system asked it to stop.
    Interrupted,
}

impl Status {
    /// Every one of them.
    pub const ALL: [Self; 8] = [
        Self::Success,
        Self::Failed,
        Self::Usage,
        Self::Incomplete,
        Self::NoRepository,
        Self::Locked,
        Self::WrongPassword,
        Self::Interrupted,
    ];

    /// The exit code, also kept in the status file of a job.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Incomplete => 3,
            Self::NoRepository => 10,
            Self::Locked => 11,
            Self::WrongPassword => 12,
            Self::Interrupted => 130,
        }
    }

    /// Its name, as JSON output has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::Incomplete => "incomplete",
            Self::NoRepository => "no_repository",
            Self::Locked => "locked",
            Self::WrongPassword => "wrong_password",
            Self::Interrupted => "interrupted",
        }
    }
}

impl From<ErrorKind> for Status {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Usage => Self::Usage,
            ErrorKind::NoRepository => Self::NoRepository,
            ErrorKind::Locked => Self::Locked,
            ErrorKind::WrongPassword => Self::WrongPassword,
            ErrorKind::Interrupted => Self::Interrupted,
            _ => Self::Failed,
        }
    }
}
