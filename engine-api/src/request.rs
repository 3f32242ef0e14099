//! What a caller asks of an engine: plain data, checked by whoever uses it.

use std::path::PathBuf;

use crate::retention::{GroupBy, Keep};
use crate::{EntryKind, ReadData, SnapshotFilter, SnapshotId, SnapshotRef, Timestamp};

/// Which paths are saved. The pattern language is `fstree`'s and the same for every engine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Absolute paths, or absolute patterns that are expanded when the walk begins.
    pub includes: Vec<Vec<u8>>,
    /// Patterns; an exclude always beats an include.
    pub excludes: Vec<Vec<u8>>,
    /// Whether a folder that holds a valid `CACHEDIR.TAG` is saved without its content.
    pub exclude_caches: bool,
    /// Whether other filesystems mounted below an include are left out.
    pub one_file_system: bool,
}

/// A backup to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupRequest {
    /// What to save.
    pub selection: Selection,
    /// The machine's name in the snapshot.
    pub host: String,
    /// Labels of the snapshot.
    pub tags: Vec<String>,
    /// The snapshot's time; the moment the backup begins when `None`.
    pub time: Option<Timestamp>,
    /// Compare with this snapshot; the engine picks one when `None`.
    pub parent: Option<SnapshotRef>,
    /// Read every file even if it looks unchanged.
    pub force_read: bool,
    /// Do everything but write.
    pub dry_run: bool,
    /// Count files and bytes first, so that a listener can show the time left.
    pub estimate: bool,
}

/// What to do with a file that is at the target already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overwrite {
    /// Write it anew whatever it is.
    Always,
    /// Leave it when size and mtime are right, else compare its content and write what differs.
    #[default]
    IfChanged,
    /// Write it only when the snapshot's is newer.
    IfNewer,
    /// Leave it.
    Never,
}

/// A restore to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreRequest {
    /// Which state.
    pub snapshot: SnapshotRef,
    /// Among which snapshots that is looked for.
    pub filter: SnapshotFilter,
    /// Absolute paths in the snapshot, each with all below it; empty means everything.
    pub paths: Vec<PathBuf>,
    /// The folder under which the absolute paths are put; `/` restores in place.
    pub target: PathBuf,
    /// What to do with what is there.
    pub overwrite: Overwrite,
    /// Remove what the snapshot has not, below the restored folders.
    pub delete_extra: bool,
    /// Take owners by their number; otherwise by name, and by number where this system has not that name.
    pub numeric_owners: bool,
    /// Write runs of zeros as holes.
    pub sparse: bool,
    /// Read everything again afterwards and compare.
    pub verify: bool,
    /// Do everything but write.
    pub dry_run: bool,
}

/// A comparison of a snapshot's files with those that lie somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompareRequest {
    /// Which state.
    pub snapshot: SnapshotId,
    /// Absolute paths in the snapshot, each with all below it; empty means everything.
    pub paths: Vec<PathBuf>,
    /// The folder under which the absolute paths are; `/` is where they came from.
    pub target: PathBuf,
}

/// Snapshots to forget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForgetRequest {
    /// Among which.
    pub filter: SnapshotFilter,
    /// What makes a group that is decided on its own.
    pub group_by: GroupBy,
    /// What to keep of each group.
    pub keep: Keep,
    /// Forget exactly these instead of applying `keep`.
    pub ids: Vec<String>,
    /// Only say what would be forgotten.
    pub dry_run: bool,
}

/// Unneeded data to remove.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct PruneRequest {
    /// How much unneeded data may stay, as a share of the repository (0.05 is 5 %), where removing it does not pay.
    pub max_unused: f64,
    /// How many bytes may be written anew at the most.
    pub max_repack: Option<u64>,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// A check to make.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CheckRequest {
    /// How much data to read.
    pub read: ReadData,
}

/// A repair to make.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RepairRequest {
    /// Build the index again from what is stored.
    pub index: bool,
    /// Write snapshots that lost data again, with what is left of them. To know what is lost, all stored data is read, and
    /// the index is mended first.
    pub snapshots: bool,
    /// Also forget the damaged snapshots that were written again.
    pub forget: bool,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// Where a path is looked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FindRequest {
    /// Among which snapshots.
    pub filter: SnapshotFilter,
    /// Patterns in `fstree`'s language; an entry that one of them matches is found.
    pub patterns: Vec<Vec<u8>>,
    /// Whether case is ignored.
    pub ignore_case: bool,
}

/// One hit of a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// In which snapshot.
    pub snapshot: SnapshotId,
    /// What.
    pub entry: crate::Entry,
}

/// How an entry differs between two snapshots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DiffKind {
    /// Only in the second.
    Added,
    /// Only in the first.
    Removed,
    /// The content differs.
    Content,
    /// Only metadata differs.
    Metadata,
    /// It is something else now.
    Type,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiffEntry {
    /// How.
    pub kind: DiffKind,
    /// Where.
    pub path: PathBuf,
    /// What it was, or is where it was not.
    pub entry: EntryKind,
    /// Size before, in bytes.
    pub size_before: u64,
    /// Size after, in bytes.
    pub size_after: u64,
}
