//! What a backup counts, and tells its listener.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use engine_api::{BackupReport, Change, Counts, EntryKind, Event, Problem, Problems, Progress};

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

    fn counts(&self) -> Counts {
        Counts {
            new: self.new.load(Ordering::Relaxed),
            changed: self.changed.load(Ordering::Relaxed),
            unchanged: self.unchanged.load(Ordering::Relaxed),
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
    stored: AtomicU64,
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
            stored: AtomicU64::new(0),
            problems: Mutex::default(),
            progress,
        }
    }

    /// An entry is dealt with.
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

    /// So many bytes of content or deltas went into volumes.
    pub fn added(&self, bytes: u64) {
        self.added.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So many bytes went to the storage.
    pub fn stored(&self, bytes: u64) {
        self.stored.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A path could not be dealt with, or not wholly.
    pub fn problem(&self, problem: Problem) {
        self.progress.event(Event::Problem(&problem));
        self.problems
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(problem);
    }

    /// What was counted up to now.
    pub fn report(&self) -> BackupReport {
        let mut report = BackupReport::default();
        report.files = self.files.counts();
        report.dirs = self.dirs.counts();
        report.others = self.others.counts();
        report.bytes_processed = self.bytes.load(Ordering::Relaxed);
        report.bytes_added = self.added.load(Ordering::Relaxed);
        report.bytes_stored = self.stored.load(Ordering::Relaxed);
        report.problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner).clone();
        report
    }
}
