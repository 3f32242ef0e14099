//! Snapshots: a state of some paths at one moment, and how a user names one.

use std::fmt;
use std::path::PathBuf;

use crate::{Entry, Timestamp};

/// The engine's own name for a snapshot: restic's hexadecimal id, duplicity's set time, rsync's folder name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct SnapshotId(pub String);

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is known of a snapshot without reading its tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The engine's name for it.
    pub id: SnapshotId,
    /// The same, short enough for a table.
    pub short_id: String,
    /// When it was made.
    pub time: Timestamp,
    /// The machine.
    pub host: String,
    /// The user who made it.
    pub user: String,
    /// The paths that were saved.
    pub paths: Vec<PathBuf>,
    /// Labels; NethServer's backups carry the name of their record.
    pub tags: Vec<String>,
    /// The program that made it, where it says so.
    pub program: Option<String>,
    /// Files in it, where the snapshot says so.
    pub files: Option<u64>,
    /// Bytes of all files in it, where the snapshot says so.
    pub bytes: Option<u64>,
    /// Bytes its backup added to the repository as they are stored, where the snapshot says so.
    pub bytes_added: Option<u64>,
    /// What kind of snapshot it is, where the engine makes several: `full` or `increment`.
    pub detail: Option<String>,
}

/// The state of one path in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// In which snapshot.
    pub snapshot: Snapshot,
    /// What was there; `None` when nothing was.
    pub entry: Option<Entry>,
    /// Stands for the content: two versions in one repository that have the same have the same content. `None` where the
    /// engine cannot tell without reading it.
    pub content: Option<Vec<u8>>,
}

/// How a user names one snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotRef {
    /// The newest that the filter lets through.
    Latest,
    /// The newest that was made at that moment or before.
    At(Timestamp),
    /// The engine's name, or a prefix of it that is unique.
    Id(String),
}

/// Which snapshots are meant; an empty filter means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SnapshotFilter {
    /// Only of this machine.
    pub host: Option<String>,
    /// Only those that carry every one of these.
    pub tags: Vec<String>,
    /// Only those that saved every one of these paths.
    pub paths: Vec<PathBuf>,
}

impl SnapshotFilter {
    /// Whether `snapshot` is meant.
    #[must_use]
    pub fn matches(&self, snapshot: &Snapshot) -> bool {
        self.host.as_ref().is_none_or(|host| *host == snapshot.host)
            && self.tags.iter().all(|tag| snapshot.tags.contains(tag))
            && self.paths.iter().all(|path| snapshot.paths.contains(path))
    }
}
