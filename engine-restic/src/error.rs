use std::path::PathBuf;

use engine_api::{ErrorKind, Failure, StoreError, StoreErrorKind};

/// What can go wrong in a restic repository.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No repository where one was expected.
    #[error("there is no repository in {location}")]
    NoRepository {
        /// The place.
        location: String,
    },
    /// A repository where none was expected.
    #[error("there is a repository in {location} already")]
    RepositoryExists {
        /// The place.
        location: String,
    },
    /// Made by a later program.
    #[error("the repository in {location} has format version {version}; this program knows versions 1 and 2")]
    UnsupportedVersion {
        /// The place.
        location: String,
        /// What its config says.
        version: u32,
    },
    /// No key opens with the password.
    #[error("the password opens none of the {tried} keys of the repository in {location}")]
    WrongPassword {
        /// The place.
        location: String,
        /// How many keys were tried.
        tried: usize,
    },
    /// A key that is in use, or the last one, was to be removed.
    #[error("key {id} cannot be removed: {why}")]
    KeyInUse {
        /// Which.
        id: String,
        /// Why not.
        why: &'static str,
    },
    /// Something stored does not decrypt, does not match its name or makes no sense.
    #[error("{object} is damaged: {why}")]
    Damaged {
        /// Such as `pack 1a2b…`.
        object: String,
        /// What is wrong with it.
        why: String,
    },
    /// A blob that something refers to is in no pack of the index.
    #[error("{object} is missing from the repository")]
    Missing {
        /// Such as `tree 1a2b…`.
        object: String,
    },
    /// Somebody else works on the repository.
    #[error("the repository is locked {how} by process {pid} of {user} on {host} since {since}")]
    Locked {
        /// `exclusively` or `by a backup or restore`.
        how: &'static str,
        /// Holder's process.
        pid: u32,
        /// Holder's user.
        user: String,
        /// Holder's machine.
        host: String,
        /// When the lock was made or refreshed.
        since: String,
    },
    /// Our own lock could not be refreshed in time, so somebody may believe us dead.
    #[error("the lock of this run was lost (removed by somebody, or not refreshed in time)")]
    LockLost,
    /// Nothing fits the name.
    #[error("no snapshot fits `{name}`")]
    SnapshotNotFound {
        /// What was asked for.
        name: String,
    },
    /// Several fit.
    #[error("`{name}` fits {count} snapshots")]
    SnapshotAmbiguous {
        /// What was asked for.
        name: String,
        /// How many.
        count: usize,
    },
    /// A path that the snapshot has not.
    #[error("{} is not in snapshot {snapshot}", path.display())]
    PathNotFound {
        /// What was asked for.
        path: PathBuf,
        /// Where.
        snapshot: String,
    },
    /// A path that is not what it must be.
    #[error("{} is not a regular file in snapshot {snapshot}", path.display())]
    NotAFile {
        /// What was asked for.
        path: PathBuf,
        /// Where.
        snapshot: String,
    },
    /// A request that makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The file tree could not be walked or written at all.
    #[error(transparent)]
    Tree(#[from] fstree::Error),
    /// The user or the system asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// The system gave no random numbers.
    #[error("the system's random number generator failed")]
    Random(#[source] getrandom::Error),
}

/// The result of an operation on a restic repository.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn damaged(object: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Damaged {
            object: object.into(),
            why: why.into(),
        }
    }

    /// Whether it says that something stored is lost or spoiled, rather than that it cannot be reached now.
    pub(crate) const fn is_loss(&self) -> bool {
        match self {
            Self::Damaged { .. } | Self::Missing { .. } => true,
            Self::Store(error) => matches!(error.kind, StoreErrorKind::NotFound | StoreErrorKind::Truncated),
            _ => false,
        }
    }

    /// Whether the fault is with one object, so that there is sense in going on with the others.
    pub(crate) const fn is_of_one_object(&self) -> bool {
        match self {
            Self::Store(error) => matches!(
                error.kind,
                StoreErrorKind::NotFound | StoreErrorKind::Truncated | StoreErrorKind::Other
            ),
            error => error.is_loss(),
        }
    }

    /// The message followed by its causes, on one line.
    pub(crate) fn chain(self) -> String {
        engine_api::Error::from(self).chain()
    }

    /// Whether the storage said that the object is not there.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Store(error) if error.kind == StoreErrorKind::NotFound)
    }
}

impl Failure for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Store(error) => error.kind(),
            Self::NoRepository { .. } => ErrorKind::NoRepository,
            Self::UnsupportedVersion { .. } | Self::Damaged { .. } | Self::Missing { .. } => ErrorKind::Damaged,
            Self::WrongPassword { .. } => ErrorKind::WrongPassword,
            Self::Locked { .. } => ErrorKind::Locked,
            Self::Interrupted => ErrorKind::Interrupted,
            Self::RepositoryExists { .. }
            | Self::KeyInUse { .. }
            | Self::SnapshotNotFound { .. }
            | Self::SnapshotAmbiguous { .. }
            | Self::PathNotFound { .. }
            | Self::NotAFile { .. }
            | Self::Usage(_) => ErrorKind::Usage,
            Self::Tree(error) => error.kind(),
            Self::LockLost | Self::Random(_) => ErrorKind::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Store(error) => return error.hint(),
            Self::Tree(error) => return error.hint(),
            Self::NoRepository { .. } => "check the path; a first backup makes the repository",
            Self::RepositoryExists { .. } => "choose an empty folder, or use the repository that is there",
            Self::UnsupportedVersion { .. } => "use a newer version of Holdfast",
            Self::WrongPassword { .. } => {
                "check the password file of the backup; without a password of one of its keys nothing in a repository can be read"
            }
            Self::Damaged { .. } | Self::Missing { .. } => {
                "run `holdfast check --read-data` for a list of what is damaged, then `holdfast repair snapshots`"
            }
            Self::Locked { .. } => "wait for it to end; if that process is gone, `holdfast unlock` removes its lock",
            Self::LockLost => "run the command again; the repository is good",
            Self::SnapshotNotFound { .. } | Self::SnapshotAmbiguous { .. } => "`holdfast snapshots` lists them",
            Self::PathNotFound { .. } | Self::NotAFile { .. } => "`holdfast find` and `holdfast ls` show what is there",
            Self::KeyInUse { .. } => "add another key first and open the repository with that",
            Self::Usage(_) | Self::Interrupted | Self::Random(_) => return None,
        };
        Some(hint.to_owned())
    }
}
