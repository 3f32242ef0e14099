//! Restore: a snapshot becomes files again.
//!
//! The planner walks the snapshot's listings, makes folders, links and the like at once, decides for each file what is
//! to be written, and gathers files into batches. A batch is executed pack by pack: each needed piece is read once and
//! each blob written to every place that wants it, by as many threads as pay. A folder gets its metadata when the batch
//! is done after which nothing more is put into it. So memory is bounded by a batch, not by the snapshot.

mod batch;
mod blobs;
mod counters;
mod execute;
mod existing;
mod planner;
mod select;
mod verify;

use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::bounded;
use engine_api::{CompareReport, CompareRequest, Event, Overwrite, Phase, Progress, RestoreReport, RestoreRequest};
use fstree::{Target, TargetOptions};

use crate::engine::ResticEngine;
use crate::error::{Error, Result};
use crate::index::Index;
use crate::lock::Lock;
use crate::repository::Repository;
use crate::snapshots::{self, Stored};
use counters::Counters;
use select::Selected;

/// What all threads of a restore share.
struct Context<'a> {
    repository: &'a Repository,
    index: Arc<Index>,
    target: Target,
    overwrite: Overwrite,
    delete_extra: bool,
    dry_run: bool,
    selected: Selected,
    progress: &'a dyn Progress,
    counters: Counters<'a>,
}

impl Context<'_> {
    /// Fails when the user wants to stop.
    fn go_on(&self) -> Result<()> {
        if self.progress.cancelled() {
            Err(Error::Interrupted)
        } else {
            Ok(())
        }
    }
}

/// Makes a restore.
pub fn run(engine: &ResticEngine, request: &RestoreRequest, progress: &dyn Progress) -> Result<RestoreReport> {
    let clock = Instant::now();
    let repository = engine.repository();
    let _lock = Lock::for_reading(&repository, progress)?;
    let stored = snapshots::resolve(&repository, &request.snapshot, &request.filter)?;
    progress.event(Event::Phase {
        phase: Phase::LoadingIndex,
        total: None,
    });
    let index = engine.index(&repository)?;
    let selected = Selected::new(&request.paths, &stored.snapshot.paths);
    selected.check_exist(&repository, &index, &stored)?;
    let mut empty = None;
    let context = Context {
        repository: &repository,
        index,
        target: open_target(request, &mut empty)?,
        overwrite: request.overwrite,
        delete_extra: request.delete_extra,
        dry_run: request.dry_run,
        selected,
        progress,
        counters: Counters::new(progress),
    };
    progress.event(Event::Phase {
        phase: Phase::Restoring,
        total: None,
    });
    tell_totals(&context, &stored);
    write(&context, &stored)?;
    if request.verify && !request.dry_run {
        progress.event(Event::Phase {
            phase: Phase::Verifying,
            total: None,
        });
        verify::run(&context, &stored)?;
    }
    let mut report = context.counters.into_report();
    report.snapshot = Some(stored.snapshot.id);
    report.duration = clock.elapsed();
    Ok(report)
}

/// Compares the files of a snapshot with those at a target.
pub fn compare(engine: &ResticEngine, request: &CompareRequest, progress: &dyn Progress) -> Result<CompareReport> {
    let repository = engine.repository();
    let _lock = Lock::for_reading(&repository, progress)?;
    let stored = snapshots::by_id(&repository, &request.snapshot)?;
    let index = engine.index(&repository)?;
    let selected = Selected::new(&request.paths, &stored.snapshot.paths);
    selected.check_exist(&repository, &index, &stored)?;
    let options = TargetOptions {
        create: false,
        ..TargetOptions::default()
    };
    let context = Context {
        repository: &repository,
        index,
        target: Target::open(&request.target, options)?,
        overwrite: Overwrite::Never,
        delete_extra: false,
        dry_run: true,
        selected,
        progress,
        counters: Counters::new(progress),
    };
    progress.event(Event::Phase {
        phase: Phase::Verifying,
        total: None,
    });
    verify::run(&context, &stored)?;
    let found = context.counters.into_report();
    let mut report = CompareReport::default();
    (report.same, report.problems) = (found.files_verified, found.problems);
    Ok(report)
}

/// The folder to restore into. A dry run makes none: where there is none, it compares with an empty one.
fn open_target(request: &RestoreRequest, empty: &mut Option<tempfile::TempDir>) -> Result<Target> {
    let options = TargetOptions {
        create: !request.dry_run,
        sparse: request.sparse,
        numeric_ids: request.numeric_owners,
        ..TargetOptions::default()
    };
    if request.dry_run && !request.target.exists() {
        let folder = tempfile::tempdir().map_err(|error| Error::Usage(format!("cannot make a folder: {error}")))?;
        return Ok(Target::open(empty.insert(folder).path(), options)?);
    }
    Ok(Target::open(&request.target, options)?)
}

fn tell_totals(context: &Context<'_>, stored: &Stored) {
    if let (Some(files), Some(bytes), true) = (stored.snapshot.files, stored.snapshot.bytes, context.selected.is_all())
    {
        context.progress.event(Event::Scanned {
            files,
            bytes,
            done: true,
        });
    }
}

/// Plans on this thread and executes on another; the batch after the next is not begun before the next is.
fn write(context: &Context<'_>, stored: &Stored) -> Result<()> {
    let (sender, batches) = bounded(0);
    std::thread::scope(|scope| {
        let executor = scope.spawn(move || {
            let mut outcome = Ok(());
            for batch in batches {
                if outcome.is_ok() {
                    outcome = execute::run(context, batch);
                }
            }
            outcome
        });
        let planned = planner::run(context, stored, sender);
        let executed = executor.join().unwrap_or(Err(Error::Interrupted));
        planned.and(executed)
    })
}
