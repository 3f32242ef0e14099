//! Backup: the walk and the state before, side by side, become volumes, a signature file and at last a manifest.
//!
//! One thread compares; workers read the files that may have changed, small ones several at a time; one thread puts all
//! in order and cuts it into segments; workers compress those; one thread fills volumes with them, and one stores a
//! volume while the next is filled. What waits between them is bounded in number and bytes.

mod assemble;
mod compare;
mod counters;
mod entry;
mod file;
mod finish;
mod hashing;
mod journal;
mod message;
mod pipeline;
mod plan;
mod segment;
mod settle;
mod spool;
mod synthetic;
mod volume;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{SendTimeoutError, Sender};
use engine_api::{BackupReport, BackupRequest, BlobStore, Event, Key, Phase, Progress};
use fstree::{Names, Walk, WalkOptions};

use crate::archive::Archive;
use crate::budget::Budget;
use crate::engine::DuplicityEngine;
use crate::error::{Error, Result};
use crate::format::{Container, FileName, SetId, SetTime, TreePath};
use crate::settings::{BackupMode, Settings};
use compare::Comparer;
use counters::Counters;
use plan::{Basis, Plan, Resume};
use segment::Mark;
pub use synthetic::{SyntheticReport, SyntheticRequest};

/// Bytes of content that wait in memory at the most.
const WAITING: u64 = 24 << 20;
/// Bytes of a segment, about; less where volumes are small.
const SEGMENT: u64 = 1 << 20;
/// How often who waits for another thread looks whether one has failed.
const LOOK_UP: Duration = Duration::from_millis(100);

/// What all threads of a backup share.
struct Context<'a> {
    settings: &'a Settings,
    blobs: &'a dyn BlobStore,
    temp: &'a Path,
    container: Container,
    set: SetId,
    /// The folder that paths are below.
    base: &'a Path,
    /// When the state before was begun to be saved.
    began: Option<SetTime>,
    force_read: bool,
    dry_run: bool,
    /// Paths whose content in the chain is damaged: they are saved whole again.
    damaged: &'a BTreeSet<TreePath>,
    /// Where an interrupted run is gone on with.
    resume: Option<&'a Mark>,
    segment_len: usize,
    names: Names,
    progress: &'a dyn Progress,
    counters: Counters<'a>,
    budget: Budget,
    failure: Mutex<Option<Error>>,
    has_failed: AtomicBool,
}

impl<'a> Context<'a> {
    /// For a run of `plan` whose paths are below `base`.
    fn new(
        engine: &'a DuplicityEngine,
        plan: &'a Plan,
        base: &'a Path,
        dry_run: bool,
        progress: &'a dyn Progress,
    ) -> Self {
        let settings = engine.settings();
        let segment_len = SEGMENT.min(settings.volume_size / 8);
        Self {
            settings,
            blobs: engine.blobs().as_ref(),
            temp: engine.temp(),
            container: engine.container(),
            set: plan.set,
            base,
            began: plan.basis.as_ref().map(Basis::began),
            force_read: false,
            dry_run,
            damaged: &plan.damaged,
            resume: plan.resume.as_ref().and_then(Resume::mark),
            segment_len: usize::try_from(segment_len).unwrap_or(1 << 20),
            names: Names::new(),
            progress,
            counters: Counters::new(progress),
            budget: Budget::new(WAITING),
            failure: Mutex::new(None),
            has_failed: AtomicBool::new(false),
        }
    }
}

impl Context<'_> {
    /// Whether some thread has failed.
    fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Relaxed)
    }

    /// Fails when some thread has.
    fn failed(&self) -> Result<()> {
        if self.has_failed() {
            Err(Error::Interrupted)
        } else {
            Ok(())
        }
    }

    /// Hands something to another thread, and gives up when one has failed: whoever was to take it may be gone, with the other
    /// end still lying in a queue that nobody empties.
    fn hand<T>(&self, to: &Sender<T>, mut thing: T) -> Result<()> {
        loop {
            match to.send_timeout(thing, LOOK_UP) {
                Ok(()) => return Ok(()),
                Err(SendTimeoutError::Timeout(back)) => thing = back,
                Err(SendTimeoutError::Disconnected(_)) => return Err(Error::Interrupted),
            }
            self.failed()?;
        }
    }

    /// Notes how a thread ended; the first failure that says more than that it was stopped is the one that counts.
    fn note<T>(&self, result: Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
                // Threads that wait for one that failed learn of it before it can say why.
                if matches!(*failure, None | Some(Error::Interrupted)) {
                    *failure = Some(error);
                }
                self.has_failed.store(true, Ordering::Relaxed);
                None
            }
        }
    }

    /// The failure that was noted first.
    fn take_failure(&self) -> Option<Error> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether the run that is gone on with has dealt with the path: what changed there since is for the next set.
    fn is_done(&self, path: &TreePath) -> bool {
        let Some(mark) = self.resume else { return false };
        mark.complete.as_ref().is_some_and(|complete| path <= complete)
            || mark.cut.as_ref().is_some_and(|cut| *path < cut.path)
    }

    /// The key of a file of the set.
    fn key(&self, name: &FileName) -> Result<Key> {
        key(name, self.settings)
    }
}

/// The key of a file by the prefixes of the settings.
fn key(name: &FileName, settings: &Settings) -> Result<Key> {
    Key::new(name.write(&settings.prefixes)).map_err(|error| Error::Usage(error.to_string()))
}

/// Makes a backup.
pub fn run(engine: &DuplicityEngine, request: &BackupRequest, progress: &dyn Progress) -> Result<BackupReport> {
    let clock = Instant::now();
    progress.event(Event::Phase {
        phase: Phase::LoadingIndex,
        total: None,
    });
    let archive = Archive::open(engine)?;
    let mode = engine.settings().mode;
    let mut plan = plan::make(engine, &archive, request, mode, progress)?;
    let mut resumed: Option<BackupReport> = None;
    let mut report = loop {
        match execute(engine, &archive, request, &plan, progress) {
            // Nothing of the run that was to be gone on with was used up: an earlier place may do.
            Err(Error::Unresumable { why }) => {
                plan.step_back(why, engine, &archive, progress)?;
                // Nothing of it is left: what is made instead is a set of now, not of the time of that run.
                if plan.resume.is_none() {
                    plan = plan::make(engine, &archive, request, mode, progress)?;
                }
            }
            // What changed before the place where the run had stopped is in no set yet: another one brings it.
            Ok(report) if plan.resume.is_some() => {
                let mode = if plan.set.is_full() {
                    BackupMode::Incremental
                } else {
                    mode
                };
                plan = plan::make(engine, &archive, request, mode, progress)?;
                resumed = Some(report);
            }
            other => break other.inspect_err(|error| drop_damaged(&archive, error))?,
        }
    };
    if let Some(resumed) = resumed {
        report.bytes_added += resumed.bytes_added;
        report.bytes_stored += resumed.bytes_stored;
    }
    report.duration = clock.elapsed();
    Ok(report)
}

/// A signature file of this machine that proves damaged goes, so that the next run fetches it again.
fn drop_damaged(archive: &Archive, error: &Error) {
    if let Error::Damaged { object, .. } = error
        && !object.contains('/')
        && object.contains("sigtar")
    {
        // The error that is being reported matters more.
        let _ = crate::archive::remove(&archive.dir().join(object));
    }
}

fn execute(
    engine: &DuplicityEngine,
    archive: &Archive,
    request: &BackupRequest,
    plan: &Plan,
    progress: &dyn Progress,
) -> Result<BackupReport> {
    let settings = engine.settings();
    let walk = Walk::new(&request.selection, WalkOptions::default())?;
    plan::check_includes(&walk, settings)?;
    let bytes = |path: &PathBuf| path.as_os_str().as_encoded_bytes().to_vec();
    let paths = walk.includes().iter().map(bytes).collect();
    progress.event(Event::Phase {
        phase: Phase::BackingUp,
        total: None,
    });
    let context = Context {
        force_read: request.force_read,
        ..Context::new(engine, plan, &settings.source, request.dry_run, progress)
    };
    let made = std::thread::scope(|scope| {
        let estimate = request
            .estimate
            .then(|| crate::estimate::Estimate::start(scope, &request.selection, progress));
        let made = plan.state(context.temp).and_then(|state| {
            let compare = |pending, files| Comparer::new(&context, state, pending, files).run(walk);
            pipeline::run(&context, archive, plan, compare)
        });
        drop(estimate);
        made
    })?;
    finish::run(&context, engine, archive, plan, made, paths)
}

#[cfg(test)]
mod tests;
