//! What an operation has done up to now, counted from events of many threads.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use engine_api::{Event, Phase};

/// The counters of the phase that is going on.
#[derive(Debug, Default)]
pub struct Meter {
    files: AtomicU64,
    bytes: AtomicU64,
    items: AtomicU64,
    problems: AtomicU64,
    found: Mutex<Found>,
    phase: Mutex<Option<(Phase, Option<u64>)>>,
    path: Mutex<PathBuf>,
    /// Whether the path has been looked at since it was set: only then is the next one worth copying.
    path_seen: AtomicBool,
}

/// What the scan has found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Found {
    pub files: u64,
    pub bytes: u64,
    pub done: bool,
}

/// The counters at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    pub phase: Option<Phase>,
    pub files: u64,
    pub bytes: u64,
    pub items: u64,
    pub problems: u64,
    /// What the phase said of its size, in items or bytes.
    pub total: Option<u64>,
    pub found: Found,
    pub path: PathBuf,
}

impl Meter {
    /// Takes note of an event; says whether a new phase began.
    pub fn event(&self, event: &Event<'_>) -> bool {
        match event {
            Event::Phase { phase, total } => return self.begin(*phase, *total),
            Event::Advanced(items) => drop(self.items.fetch_add(*items, Ordering::Relaxed)),
            Event::Bytes(bytes) => drop(self.bytes.fetch_add(*bytes, Ordering::Relaxed)),
            Event::Finished { kind, .. } if *kind == engine_api::EntryKind::File => {
                self.files.fetch_add(1, Ordering::Relaxed);
            }
            Event::Scanned { files, bytes, done } => {
                let (files, bytes, done) = (*files, *bytes, *done);
                *lock(&self.found) = Found { files, bytes, done };
            }
            Event::Started(path) => self.at(path),
            Event::Problem(_) => drop(self.problems.fetch_add(1, Ordering::Relaxed)),
            _ => {}
        }
        false
    }

    fn begin(&self, phase: Phase, total: Option<u64>) -> bool {
        let mut current = lock(&self.phase);
        let new = current.is_none_or(|(before, _)| before != phase);
        *current = Some((phase, total));
        if new {
            for counter in [&self.files, &self.bytes, &self.items] {
                counter.store(0, Ordering::Relaxed);
            }
            lock(&self.path).clear();
        }
        new
    }

    fn at(&self, path: &Path) {
        if self.path_seen.swap(false, Ordering::Relaxed)
            && let Ok(mut current) = self.path.try_lock()
        {
            path.clone_into(&mut current);
        }
    }

    /// The counters now.
    pub fn read(&self) -> Reading {
        let phase = *lock(&self.phase);
        let path = lock(&self.path).clone();
        self.path_seen.store(true, Ordering::Relaxed);
        let phase_now = phase.map(|(phase, _)| phase);
        let (bytes, items) = (self.bytes.load(Ordering::Relaxed), self.items.load(Ordering::Relaxed));
        // Its items are bytes.
        let verifying = phase_now == Some(Phase::Verifying);
        let (bytes, items) = if verifying { (bytes + items, 0) } else { (bytes, items) };
        Reading {
            phase: phase_now,
            files: self.files.load(Ordering::Relaxed),
            bytes,
            items,
            problems: self.problems.load(Ordering::Relaxed),
            total: phase.and_then(|(_, total)| total),
            found: *lock(&self.found),
            path,
        }
    }
}

impl Reading {
    /// Whether the phase goes over the files that the scan has found.
    pub fn is_over_files(&self) -> bool {
        matches!(self.phase, Some(Phase::BackingUp | Phase::Restoring | Phase::Verifying))
    }

    /// Done and all of it, in bytes or items, where the size is known.
    pub fn share(&self) -> Option<(u64, u64)> {
        let (done, total) = match self.phase {
            _ if self.is_over_files() && self.found.done => (self.bytes, self.found.bytes),
            _ if self.items > 0 => (self.items, self.total?),
            _ => (self.bytes, self.total?),
        };
        // Files grow while they are read.
        Some((done.min(total), total))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
