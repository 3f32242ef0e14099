//! What an operation says it has done: the truth, in numbers.

use std::time::Duration;

use crate::{Problems, Snapshot, SnapshotId};

/// New, changed and unchanged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Not in the snapshot before.
    pub new: u64,
    /// In it, and different.
    pub changed: u64,
    /// In it, and the same.
    pub unchanged: u64,
}

impl Counts {
    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.new + self.changed + self.unchanged
    }
}

/// What a backup did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackupReport {
    /// The snapshot that was made; `None` in a dry run.
    pub snapshot: Option<SnapshotId>,
    /// The snapshot it was compared with.
    pub parent: Option<SnapshotId>,
    /// Files.
    pub files: Counts,
    /// Folders.
    pub dirs: Counts,
    /// Everything else: links, devices, pipes.
    pub others: Counts,
    /// Bytes of all files of the snapshot.
    pub bytes_processed: u64,
    /// Bytes that were not in the repository yet, before compression.
    pub bytes_added: u64,
    /// What they take in the repository.
    pub bytes_stored: u64,
    /// Paths that could not be saved. When there is one, the backup is finished with errors, never a plain success.
    pub problems: Problems,
    /// How long it took.
    pub duration: Duration,
}

/// What a restore did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RestoreReport {
    /// The snapshot that was restored.
    pub snapshot: Option<SnapshotId>,
    /// Files written, whole or in part.
    pub files_restored: u64,
    /// Files that were right already, or were to be left.
    pub files_skipped: u64,
    /// Folders, links and the rest.
    pub others_restored: u64,
    /// Entries removed because the snapshot has them not.
    pub deleted: u64,
    /// Bytes written.
    pub bytes_restored: u64,
    /// Files read again and found right.
    pub files_verified: u64,
    /// Paths that could not be restored, or not wholly.
    pub problems: Problems,
    /// How long it took.
    pub duration: Duration,
}

/// What a comparison found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompareReport {
    /// Files whose content is what was saved.
    pub same: u64,
    /// Files whose content is another or could not be compared, those that are not there included.
    pub problems: Problems,
}

/// What was forgotten.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ForgetReport {
    /// Snapshots that stay, each with the rules that keep it.
    pub kept: Vec<(Snapshot, Vec<String>)>,
    /// Snapshots that are gone (or would be, in a dry run).
    pub removed: Vec<Snapshot>,
}

/// What a prune did.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct PruneReport {
    /// Bytes of blobs that are needed.
    pub bytes_used: u64,
    /// Bytes of blobs that were not needed, before.
    pub bytes_unused: u64,
    /// Packs before.
    pub packs_before: u64,
    /// Packs removed because nothing in them was needed.
    pub packs_removed: u64,
    /// Packs whose needed part was written anew.
    pub packs_repacked: u64,
    /// Bytes written anew.
    pub bytes_repacked: u64,
    /// Bytes the repository is smaller by.
    pub bytes_freed: u64,
    /// Bytes of unneeded blobs that stay because removing them does not pay.
    pub bytes_left_unused: u64,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing; nothing is lost.
    Hint,
    /// Something cannot be restored, or soon could not.
    Error,
}

/// One thing a check found.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// How bad.
    pub severity: Severity,
    /// The object it is about, such as `pack 1a2b…` or `snapshot 3c4d…`.
    pub object: String,
    /// What is wrong with it, and what to do.
    pub message: String,
}

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckReport {
    /// Snapshots looked at.
    pub snapshots: u64,
    /// Packs known.
    pub packs: u64,
    /// Packs read whole.
    pub packs_read: u64,
    /// Bytes read for that.
    pub bytes_read: u64,
    /// What is wrong; the first thousand.
    pub findings: Vec<Finding>,
    /// How many errors there were in all.
    pub errors: u64,
}

impl CheckReport {
    /// How many findings are kept.
    pub const KEPT: usize = 1000;

    /// Adds a finding; the first [`CheckReport::KEPT`] are kept, all errors counted.
    pub fn push(&mut self, finding: Finding) {
        if finding.severity == Severity::Error {
            self.errors += 1;
        }
        if self.findings.len() < Self::KEPT {
            self.findings.push(finding);
        }
    }
}

/// What a repair did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RepairReport {
    /// What was done, a sentence each.
    pub actions: Vec<String>,
    /// Snapshots written again.
    pub snapshots_rewritten: u64,
    /// What could not be mended, a sentence each.
    pub left: Vec<String>,
}
