use std::path::PathBuf;

use engine_api::{ErrorKind, Failure, StoreError};

use crate::manifest::ManifestError;

/// What can go wrong with hard-linked snapshots.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file tree could not be walked or written at all.
    #[error(transparent)]
    Tree(#[from] fstree::Error),
    /// The manifest of a snapshot is of no use.
    #[error("cannot use the manifest of snapshot {snapshot}")]
    Manifest {
        /// Whose.
        snapshot: String,
        /// Why.
        source: ManifestError,
    },
    /// One entry of a snapshot cannot be read at the place; the others may be.
    #[error("cannot read {} of a snapshot", path.display())]
    Unreadable {
        /// As it was on the machine that was saved.
        path: PathBuf,
        /// What the storage says.
        source: StoreError,
    },
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
    /// The place does not say that it is one for backups.
    #[error(
        "{location} has no backup.marker, so it may not be the place that is meant, such as a disk that is not mounted"
    )]
    NoMarker {
        /// The place.
        location: String,
    },
    /// The place cannot hold what this engine makes.
    #[error("{location} has no {lacks}, which hard-linked snapshots need")]
    Incapable {
        /// The place.
        location: String,
        /// What it cannot do.
        lacks: String,
    },
    /// Somebody else works there.
    #[error("{location} is locked by process {pid} on {host} since {since}")]
    Locked {
        /// The place.
        location: String,
        /// Holder's process.
        pid: u32,
        /// Holder's machine.
        host: String,
        /// When the lock was taken.
        since: String,
    },
    /// Our own lock was taken away, so somebody may believe us dead.
    #[error("the lock of this run was lost (removed by somebody, or not renewed in time)")]
    LockLost,
    /// A request that makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The user or the system asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// Whether the storage as a whole cannot be reached any more, so that there is no sense in going on with other entries.
pub(crate) const fn is_out_of_reach(error: &StoreError) -> bool {
    use engine_api::StoreErrorKind::{Connection, Timeout, Unauthenticated, Vanished};
    matches!(error.kind, Connection | Timeout | Unauthenticated | Vanished)
}

/// The result of an operation on hard-linked snapshots.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// What a failure of the manifest of `snapshot` means: the place's own errors stay what they are.
    pub(crate) fn manifest(snapshot: &str, source: ManifestError) -> Self {
        match source {
            ManifestError::Store(error) => Self::Store(error),
            source => Self::Manifest {
                snapshot: snapshot.to_owned(),
                source,
            },
        }
    }

    /// Whether the connection to the place was lost, which may be there again.
    pub(crate) fn was_cut_off(&self) -> bool {
        use engine_api::StoreErrorKind::{Connection, Timeout};
        matches!(self, Self::Store(error) if !error.is_permanent() && matches!(error.kind, Connection | Timeout))
    }

    /// The message followed by its causes, on one line.
    pub(crate) fn chain(self) -> String {
        engine_api::Error::from(self).chain()
    }
}

impl Failure for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Store(error) | Self::Unreadable { source: error, .. } => error.kind(),
            Self::Tree(error) => error.kind(),
            Self::Manifest { .. } => ErrorKind::Damaged,
            Self::SnapshotNotFound { .. }
            | Self::SnapshotAmbiguous { .. }
            | Self::PathNotFound { .. }
            | Self::NotAFile { .. }
            | Self::NoMarker { .. }
            | Self::Incapable { .. }
            | Self::Usage(_) => ErrorKind::Usage,
            Self::Locked { .. } => ErrorKind::Locked,
            Self::LockLost => ErrorKind::Failed,
            Self::Interrupted => ErrorKind::Interrupted,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Store(error) | Self::Unreadable { source: error, .. } => return error.hint(),
            Self::Tree(error) => return error.hint(),
            Self::Manifest { .. } => {
                "the snapshot's tree can be read all the same: `holdfast repair index` makes a new manifest from it"
            }
            Self::SnapshotNotFound { .. } | Self::SnapshotAmbiguous { .. } => "`holdfast snapshots` lists them",
            Self::PathNotFound { .. } | Self::NotAFile { .. } => "`holdfast find` and `holdfast ls` show what is there",
            Self::NoMarker { .. } => {
                "check that the disk or share is mounted; to make this the place, create an empty file backup.marker in it"
            }
            Self::Incapable { .. } => {
                "use a filesystem such as ext4, XFS or Btrfs there, or the restic or duplicity engine, which need none of it"
            }
            Self::Locked { .. } => "wait for it to end; a lock that is not renewed is taken over after half an hour",
            Self::LockLost => "run the command again; the snapshots are good",
            Self::Usage(_) | Self::Interrupted => return None,
        };
        Some(hint.to_owned())
    }
}
