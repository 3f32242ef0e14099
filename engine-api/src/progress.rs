//! What an operation tells while it runs: events for a terminal, a log, JSON lines or a web page.

use std::path::{Path, PathBuf};

/// What an operation is busy with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Phase {
    /// Connecting, reading keys.
    Opening,
    /// Waiting for somebody else's lock.
    WaitingForLock,
    /// Reading the index of what is stored.
    LoadingIndex,
    /// Saving files.
    BackingUp,
    /// Writing files.
    Restoring,
    /// Reading restored files again.
    Verifying,
    /// Looking for what is still needed.
    FindingUsed,
    /// Writing what is still needed to new packs.
    Repacking,
    /// Writing the new index.
    WritingIndex,
    /// Removing what is not needed.
    Removing,
    /// Looking at the structure.
    CheckingStructure,
    /// Reading stored data and comparing it with its hashes.
    CheckingData,
}

/// How an entry compares with the snapshot before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It was not there.
    New,
    /// It was there and differs.
    Changed,
    /// It is the same.
    Unchanged,
}

/// Something that went wrong with one path while the rest went on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The path.
    pub path: PathBuf,
    /// What was being done: `open`, `read`, `list`, `set the owner`, …
    pub action: &'static str,
    /// The cause in words.
    pub cause: String,
}

/// One thing that happened.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A phase began; `total` counts its items (packs, snapshots, bytes as the phase has them), where known.
    Phase {
        /// Which.
        phase: Phase,
        /// How much of it there is.
        total: Option<u64>,
    },
    /// More of the current phase's items are done.
    Advanced(u64),
    /// What the scan has found up to now; `done` when that is all.
    Scanned {
        /// Files found.
        files: u64,
        /// Their bytes.
        bytes: u64,
        /// Whether the scan is over.
        done: bool,
    },
    /// Work on this path began.
    Started(&'a Path),
    /// So many bytes of content were dealt with.
    Bytes(u64),
    /// An entry is done.
    Finished {
        /// Which.
        path: &'a Path,
        /// What it was.
        kind: crate::EntryKind,
        /// How it compares with the snapshot before.
        change: Change,
        /// Its bytes.
        size: u64,
    },
    /// A path could not be dealt with; the rest goes on.
    Problem(&'a Problem),
    /// Something worth saying that is no problem: a socket skipped, a stale lock removed.
    Notice(&'a str),
}

/// A listener; it is called from many threads and must return at once.
pub trait Progress: Send + Sync {
    /// Takes note of an event.
    fn event(&self, event: Event<'_>);

    /// Whether the operation should stop at the next safe point and return an error of kind
    /// [`Interrupted`](crate::ErrorKind::Interrupted).
    fn cancelled(&self) -> bool;
}

/// Listens to nothing and never cancels.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _event: Event<'_>) {}

    fn cancelled(&self) -> bool {
        false
    }
}

/// The problems of a run: all counted, the first [`Problems::KEPT`] kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems {
    /// How many there were.
    pub count: u64,
    /// The first of them.
    pub first: Vec<Problem>,
}

impl Problems {
    /// How many are kept; the rest are only counted, so that memory stays bounded.
    pub const KEPT: usize = 1000;

    /// Adds one.
    pub fn push(&mut self, problem: Problem) {
        self.count += 1;
        if self.first.len() < Self::KEPT {
            self.first.push(problem);
        }
    }

    /// Whether there were none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}
