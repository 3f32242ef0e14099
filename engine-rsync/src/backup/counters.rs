//! What a backup counts, and tells its listener.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use engine_api::{BackupReport, Change, Counts, EntryKind, Event, Problem, Problems, Progress};

use crate::parallel::lock;

#[derive(Default)]
struct Tally {
    new: AtomicU64,
    changed: AtomicU64,
    unchanged: AtomicU64,
}

impl Tally {
    fn add(&self, change: Change) {
        let counter = match change {
            Change::New => &self.new,
            Change::Changed => &self.changed,
            Change::Unchanged => &self.unchanged,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn into_counts(self) -> Counts {
        Counts {
            new: self.new.into_inner(),
            changed: self.changed.into_inner(),
            unchanged: self.unchanged.into_inner(),
        }
    }
}

/// The counters of a running backup; every thread adds to them.
pub struct Counters<'a> {
    files: Tally,
    dirs: Tally,
    others: Tally,
    bytes: AtomicU64,
    added: AtomicU64,
    problems: Mutex<Problems>,
    progress: &'a dyn Progress,
}

impl<'a> Counters<'a> {
    pub fn new(progress: &'a dyn Progress) -> Self {
        Self {
            files: Tally::default(),
            dirs: Tally::default(),
            others: Tally::default(),
            bytes: AtomicU64::new(0),
            added: AtomicU64::new(0),
            problems: Mutex::default(),
            progress,
        }
    }

    /// An entry is in the snapshot.
    pub fn finished(&self, path: &Path, kind: EntryKind, change: Change, size: u64) {
        let tally = match kind {
            EntryKind::File => &self.files,
            EntryKind::Dir => &self.dirs,
            _ => &self.others,
        };
        tally.add(change);
        self.bytes.fetch_add(size, Ordering::Relaxed);
        self.progress.event(Event::Finished {
            path,
            kind,
            change,
            size,
        });
    }

    /// So many bytes were written to the destination.
    pub fn added(&self, bytes: u64) {
        self.added.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A path could not be dealt with, or not wholly.
    pub fn problem(&self, problem: Problem) {
        self.progress.event(Event::Problem(&problem));
        lock(&self.problems).push(problem);
    }

    /// The counts, as a report.
    pub fn into_report(self) -> BackupReport {
        let mut report = BackupReport::default();
        report.files = self.files.into_counts();
        report.dirs = self.dirs.into_counts();
        report.others = self.others.into_counts();
        report.bytes_processed = self.bytes.into_inner();
        report.bytes_added = self.added.into_inner();
        report.bytes_stored = report.bytes_added;
        report.problems = self
            .problems
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        report
    }
}
