//! What a restore counts, and tells its listener.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use engine_api::{Change, EntryKind, Event, Problem, Problems, Progress, RestoreReport};

/// The counters of a running restore; every thread adds to them.
pub struct Counters<'a> {
    files_restored: AtomicU64,
    files_skipped: AtomicU64,
    others: AtomicU64,
    deleted: AtomicU64,
    bytes: AtomicU64,
    verified: AtomicU64,
    problems: Mutex<Problems>,
    progress: &'a dyn Progress,
}

impl<'a> Counters<'a> {
    pub fn new(progress: &'a dyn Progress) -> Self {
        Self {
            files_restored: 0.into(),
            files_skipped: 0.into(),
            others: 0.into(),
            deleted: 0.into(),
            bytes: 0.into(),
            verified: 0.into(),
            problems: Mutex::default(),
            progress,
        }
    }

    /// An entry is at the target; `change` tells whether it was so before.
    pub fn finished(&self, path: &Path, kind: EntryKind, change: Change, size: u64) {
        let counter = match (kind, change) {
            (EntryKind::File, Change::Unchanged) => &self.files_skipped,
            (EntryKind::File, _) => &self.files_restored,
            _ => &self.others,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        self.progress.event(Event::Finished {
            path,
            kind,
            change,
            size,
        });
    }

    /// So many bytes were written, or found right.
    pub fn bytes(&self, written: u64, right: u64) {
        self.bytes.fetch_add(written, Ordering::Relaxed);
        self.progress.event(Event::Bytes(written + right));
    }

    /// Entries that the snapshot has not were removed.
    pub fn deleted(&self, count: u64) {
        self.deleted.fetch_add(count, Ordering::Relaxed);
    }

    /// A file was read again and is right.
    pub fn verified(&self) {
        self.verified.fetch_add(1, Ordering::Relaxed);
    }

    /// A path could not be restored, or not wholly.
    pub fn problem(&self, problem: Problem) {
        self.progress.event(Event::Problem(&problem));
        self.problems
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(problem);
    }

    /// The same for several.
    pub fn problems(&self, problems: Vec<Problem>) {
        problems.into_iter().for_each(|problem| self.problem(problem));
    }

    /// The same for a failed system call or storage operation.
    pub fn failed(&self, path: &Path, action: &'static str, cause: &dyn std::fmt::Display) {
        self.problem(Problem {
            path: path.to_owned(),
            action,
            cause: cause.to_string(),
        });
    }

    pub fn into_report(self) -> RestoreReport {
        let mut report = RestoreReport::default();
        report.files_restored = self.files_restored.into_inner();
        report.files_skipped = self.files_skipped.into_inner();
        report.others_restored = self.others.into_inner();
        report.deleted = self.deleted.into_inner();
        report.bytes_restored = self.bytes.into_inner();
        report.files_verified = self.verified.into_inner();
        report.problems = self.problems.into_inner().unwrap_or_else(PoisonError::into_inner);
        report
    }
}
