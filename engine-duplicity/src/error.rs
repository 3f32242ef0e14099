use std::io;
use std::path::PathBuf;

use engine_api::{ErrorKind, Failure, StoreError, StoreErrorKind};

/// What can go wrong in a duplicity repository.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No complete set where one was expected.
    #[error("there is no complete backup in {location}")]
    NoBackup {
        /// The place.
        location: String,
    },
    /// Something stored does not match its hash or makes no sense.
    #[error("{object} is damaged: {why}")]
    Damaged {
        /// The stored file's name, or the path in it.
        object: String,
        /// What is wrong with it.
        why: String,
    },
    /// A file that the repository must have and has not.
    #[error("{object} is missing from the repository")]
    Missing {
        /// The file's name.
        object: String,
    },
    /// Two chains cover the same time.
    #[error("the chains of {first} and {second} overlap in time")]
    Overlap {
        /// The first set of the one.
        first: String,
        /// The first set of the other.
        second: String,
    },
    /// The passphrase or key does not open a stored file.
    #[error("{object} cannot be decrypted: {why}")]
    WrongPassphrase {
        /// The stored file's name.
        object: String,
        /// What the attempt said.
        why: String,
    },
    /// Another process works with the archive folder.
    #[error("the archive folder {} is in use by another process", folder.display())]
    Locked {
        /// Which.
        folder: PathBuf,
    },
    /// Another machine seems to be writing to the repository, or has just done so.
    #[error("{what} of another run lies in {location}")]
    OtherWriter {
        /// Its set.
        what: String,
        /// The place.
        location: String,
    },
    /// A file that this run stored a moment ago, and that is there no longer as it was stored.
    #[error("{object} has gone from {location} before its backup was complete")]
    Removed {
        /// Its name, or its set and number.
        object: String,
        /// The place.
        location: String,
    },
    /// The clock stands before the last backup.
    #[error("the clock says {now}, but the last backup is of {last}")]
    ClockWentBack {
        /// Now.
        now: String,
        /// The last set.
        last: String,
    },
    /// Nothing fits the name.
    #[error("no backup fits `{name}`")]
    SetNotFound {
        /// What was asked for.
        name: String,
    },
    /// Several fit.
    #[error("`{name}` fits {count} backups")]
    SetAmbiguous {
        /// What was asked for.
        name: String,
        /// How many.
        count: usize,
    },
    /// A time before the first backup.
    #[error("the first backup is of {first}, after {asked}")]
    BeforeFirst {
        /// The time that was asked for.
        asked: String,
        /// The first set.
        first: String,
    },
    /// A path that the set has not.
    #[error("{} is not in backup {set}", path.display())]
    PathNotFound {
        /// What was asked for.
        path: PathBuf,
        /// Where.
        set: String,
    },
    /// A path that is not what it must be.
    #[error("{} is not a regular file in backup {set}", path.display())]
    NotAFile {
        /// What was asked for.
        path: PathBuf,
        /// Where.
        set: String,
    },
    /// A request that makes no sense.
    #[error("{0}")]
    Usage(String),
    /// A file of this machine (archive folder, temporary file) could not be used.
    #[error("cannot {action} {}", path.display())]
    Local {
        /// A verb: `write`, `read`, `lock`, …
        action: &'static str,
        /// Which.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The file tree could not be walked or written at all.
    #[error(transparent)]
    Tree(#[from] fstree::Error),
    /// A run that was interrupted cannot be gone on with where it stopped; it is begun anew then.
    #[error("the interrupted backup cannot go on, because {why}")]
    Unresumable {
        /// Why not.
        why: &'static str,
    },
    /// A backup that was interrupted, and that something else would do away with.
    #[error("{set} was interrupted, and what is stored of it would be lost")]
    Unfinished {
        /// Its set.
        set: String,
    },
    /// The user or the system asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// The result of an operation on a duplicity repository.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn damaged(object: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Damaged {
            object: object.into(),
            why: why.into(),
        }
    }

    pub(crate) const fn resume(why: &'static str) -> Self {
        Self::Unresumable { why }
    }

    /// Makes an error of a failed use of a local file.
    pub(crate) fn local(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Local { action, path, source }
    }

    /// Whether it says that something stored is lost or spoiled, rather than that it cannot be reached now.
    pub(crate) const fn is_loss(&self) -> bool {
        match self {
            Self::Damaged { .. } | Self::Missing { .. } => true,
            Self::Store(error) => matches!(error.kind, StoreErrorKind::NotFound | StoreErrorKind::Truncated),
            _ => false,
        }
    }

    /// The message followed by its causes, on one line.
    pub(crate) fn chain(self) -> String {
        engine_api::Error::from(self).chain()
    }
}

impl Failure for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Store(error) => error.kind(),
            Self::NoBackup { .. } => ErrorKind::NoRepository,
            Self::Damaged { .. } | Self::Missing { .. } | Self::Overlap { .. } => ErrorKind::Damaged,
            Self::WrongPassphrase { .. } => ErrorKind::WrongPassword,
            Self::Locked { .. } | Self::OtherWriter { .. } => ErrorKind::Locked,
            Self::SetNotFound { .. }
            | Self::SetAmbiguous { .. }
            | Self::BeforeFirst { .. }
            | Self::PathNotFound { .. }
            | Self::NotAFile { .. }
            | Self::Usage(_) => ErrorKind::Usage,
            Self::Tree(error) => error.kind(),
            Self::Interrupted => ErrorKind::Interrupted,
            Self::ClockWentBack { .. }
            | Self::Unresumable { .. }
            | Self::Unfinished { .. }
            | Self::Removed { .. }
            | Self::Local { .. } => ErrorKind::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Store(error) => return error.hint(),
            Self::Tree(error) => return error.hint(),
            Self::NoBackup { .. } => "check the destination; a first backup makes the repository",
            Self::Damaged { .. } | Self::Missing { .. } => {
                "run `holdfast check --read-data` for a list of what is damaged and what can still be restored"
            }
            Self::Overlap { .. } => "name the backup to use by its id; `holdfast snapshots` lists them",
            Self::WrongPassphrase { .. } => {
                "check the passphrase of the backup; an older chain may have had another one"
            }
            Self::Locked { .. } => "wait until the other backup or restore has ended",
            Self::OtherWriter { .. } => {
                "let one machine only write to a destination; if that run is dead, `holdfast prune` removes what it left"
            }
            Self::Removed { .. } => {
                "let one machine only write to a destination and prune it; the next backup begins this one anew"
            }
            Self::ClockWentBack { .. } => "set the clock of this machine right",
            Self::Unfinished { .. } => "run the backup, which goes on with it, and then try again",
            Self::SetNotFound { .. } | Self::SetAmbiguous { .. } | Self::BeforeFirst { .. } => {
                "`holdfast snapshots` lists them"
            }
            Self::PathNotFound { .. } | Self::NotAFile { .. } => "`holdfast find` and `holdfast ls` show what is there",
            Self::Local { .. } => "check that there is room and that this user may write there",
            Self::Usage(_) | Self::Unresumable { .. } | Self::Interrupted => return None,
        };
        Some(hint.to_owned())
    }
}
