//! Backup: a walk becomes listings and chunks, and at the end a snapshot.
//!
//! One thread, the assembler, follows the walk and compares each entry with the snapshot before; what is unchanged it
//! takes over at once. Files to be read go to a pool of workers, each of which cuts, hashes, compresses and seals; a
//! large file's chunks are shared among all of them. A folder's listing is stored when its last entry is ready,
//! whoever is ready last. Packs leave on threads of their own.

mod assembler;
mod before;
mod counters;
mod estimate;
mod file;
mod folder;
mod node;
mod pool;
mod snapshot;
mod window;

use std::sync::Arc;
use std::time::Instant;

use engine_api::{BackupReport, BackupRequest, Event, Phase, Progress, Timestamp};
use fstree::{Names, Walk, WalkOptions};

use crate::chunker::Scanner;
use crate::engine::ResticEngine;
use crate::error::{Error, Result};
use crate::index::{self, Index};
use crate::lock::{Lock, Mode};
use crate::repository::{BlobSaver, Repository};
use crate::snapshots::Stored;
use counters::Counters;
use window::Window;

/// What all threads of a backup share.
struct Context<'a> {
    repository: &'a Arc<Repository>,
    index: Arc<Index>,
    saver: BlobSaver,
    scanner: Scanner,
    names: Names,
    force_read: bool,
    progress: &'a dyn Progress,
    counters: Counters<'a>,
    window: Window,
}

/// What a backup is made from, fixed before it begins.
struct Plan {
    started: Timestamp,
    /// What is compared with.
    parent: Option<Stored>,
    index: Arc<Index>,
    lock: Arc<Lock>,
}

/// Makes a backup.
pub fn run(engine: &ResticEngine, request: &BackupRequest, progress: &dyn Progress) -> Result<BackupReport> {
    let clock = Instant::now();
    let repository = engine.repository();
    let plan = plan(&repository, request, progress)?;
    let outcome = execute(&repository, request, &plan, progress)?;
    engine.drop_index();
    let mut report = snapshot::finish(&repository, request, &plan, outcome)?;
    report.duration = clock.elapsed();
    Ok(report)
}

fn plan(repository: &Arc<Repository>, request: &BackupRequest, progress: &dyn Progress) -> Result<Plan> {
    let lock = Arc::new(Lock::take(repository, Mode::Shared, progress)?);
    let started = Timestamp::now();
    // Snapshots before the index: what a snapshot needs is in the index before the snapshot is there.
    let parent = before::choose_parent(repository, request)?;
    progress.event(Event::Phase {
        phase: Phase::LoadingIndex,
        total: None,
    });
    let (index, _) = index::load(repository)?;
    Ok(Plan {
        started,
        parent,
        index: Arc::new(index),
        lock,
    })
}

/// What was found and stored, before there is a snapshot of it.
struct Outcome {
    tree: crate::Id,
    paths: Vec<std::path::PathBuf>,
    report: BackupReport,
    totals: crate::repository::SaveTotals,
}

fn execute(
    repository: &Arc<Repository>,
    request: &BackupRequest,
    plan: &Plan,
    progress: &dyn Progress,
) -> Result<Outcome> {
    let walk = Walk::new(&request.selection, WalkOptions::default())?;
    let paths = walk.includes().to_vec();
    progress.event(Event::Phase {
        phase: Phase::BackingUp,
        total: None,
    });
    let gate = (!request.dry_run).then(|| Arc::clone(&plan.lock));
    let context = Context {
        repository,
        index: Arc::clone(&plan.index),
        saver: BlobSaver::new(Arc::clone(repository), Arc::clone(&plan.index), gate),
        scanner: Scanner::new(repository.config().chunker_polynomial)?,
        names: Names::new(),
        force_read: request.force_read,
        progress,
        counters: Counters::new(progress),
        window: Window::default(),
    };
    let tree = std::thread::scope(|scope| {
        let estimate = request
            .estimate
            .then(|| estimate::Estimate::start(scope, &request.selection, progress));
        let tree = pool::run(&context, |pool| {
            assembler::assemble(&context, pool, walk, plan.parent.as_ref())
        });
        drop(estimate);
        tree
    })?;
    let Context { saver, counters, .. } = context;
    let report = counters.into_report();
    if report.files.total() + report.dirs.total() + report.others.total() == 0 {
        return Err(Error::Usage(
            "nothing to back up: none of the paths to save exists".to_owned(),
        ));
    }
    Ok(Outcome {
        tree,
        paths,
        report,
        totals: saver.finish()?,
    })
}
