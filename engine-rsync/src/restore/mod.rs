//! Restore: a snapshot becomes files again.
//!
//! The planner goes through the snapshot's records, makes folders, links and the like at once, decides for each file what
//! is to be written, and hands files over to workers in small batches. A folder gets its metadata when nothing more is
//! put into it. Content that passes through here is compared with its digest on the way.

mod copy;
mod counters;
mod existing;
mod folder;
mod job;
mod planner;
mod select;
mod verify;
mod worker;

use std::time::Instant;

use crossbeam_channel::bounded;
use engine_api::{
    CompareReport, CompareRequest, Event, FileStore, Overwrite, Phase, Problem, Progress, RestoreReport, RestoreRequest,
};
use fstree::{Target, TargetOptions};

use crate::error::{Error, Result, is_out_of_reach};
use crate::manifest::ManifestError;
use crate::parallel::READERS;
use crate::permits::Permits;
use crate::snapshots::Stored;
use crate::{RsyncEngine, snapshots};
use counters::Counters;
use select::Selected;

/// Batches that are planned and not begun yet.
const AHEAD: usize = 64;
/// The same where each is one file.
const AHEAD_FAR: usize = 256;

/// What all threads of a restore share.
struct Context<'a> {
    store: &'a dyn FileStore,
    stored: Stored,
    target: Target,
    /// The same folder, where what has holes is put.
    sparse: Target,
    overwrite: Overwrite,
    delete_extra: bool,
    dry_run: bool,
    selected: Selected,
    progress: &'a dyn Progress,
    counters: Counters<'a>,
    /// For files that are not read at once.
    readers: Permits,
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

    /// Whether the place is not on this machine.
    fn is_far(&self) -> bool {
        self.store.capabilities().local_path.is_none()
    }

    /// Across a network many files at once hide the way there; on this machine more threads than cores only meet at locks.
    fn threads(&self) -> usize {
        let place = self.store.capabilities();
        let most = if self.is_far() { usize::MAX } else { here() };
        place.concurrency.clamp(1, most)
    }

    /// What was restored is compared with digests, on this machine; without them with what is stored.
    fn verifiers(&self) -> usize {
        if self.stored.manifest.is_some() {
            here()
        } else {
            self.threads()
        }
    }
}

/// As many threads as work on this machine pays.
fn here() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from) + 1
}

/// Makes a restore.
pub fn run(engine: &RsyncEngine, request: &RestoreRequest, progress: &dyn Progress) -> Result<RestoreReport> {
    let clock = Instant::now();
    let mut stored = snapshots::resolve(engine, &request.snapshot, &request.filter)?;
    let counters = Counters::new(progress);
    prove_manifest(&mut stored, &counters)?;
    let selected = Selected::new(&request.paths, &stored, request.delete_extra)?;
    selected.check_exist(engine.store(), &stored)?;
    let mut empty = None;
    let (target, sparse) = open_target(request, &mut empty)?;
    let context = Context {
        store: engine.store(),
        stored,
        target,
        sparse,
        overwrite: request.overwrite,
        delete_extra: request.delete_extra,
        dry_run: request.dry_run,
        selected,
        progress,
        counters,
        readers: Permits::new(READERS),
    };
    progress.event(Event::Phase {
        phase: Phase::Restoring,
        total: None,
    });
    tell_totals(&context);
    write(&context)?;
    if request.verify && !request.dry_run {
        progress.event(Event::Phase {
            phase: Phase::Verifying,
            total: None,
        });
        verify::run(&context)?;
    }
    let Context { stored, counters, .. } = context;
    let mut report = counters.into_report();
    report.snapshot = Some(stored.snapshot.id);
    report.duration = clock.elapsed();
    Ok(report)
}

/// Compares the files of a snapshot with those at a target.
pub fn compare(engine: &RsyncEngine, request: &CompareRequest, progress: &dyn Progress) -> Result<CompareReport> {
    let mut stored = snapshots::by_id(engine, &request.snapshot)?;
    let counters = Counters::new(progress);
    prove_manifest(&mut stored, &counters)?;
    let selected = Selected::new(&request.paths, &stored, false)?;
    selected.check_exist(engine.store(), &stored)?;
    let options = TargetOptions {
        create: false,
        ..TargetOptions::default()
    };
    let context = Context {
        store: engine.store(),
        stored,
        target: Target::open(&request.target, options)?,
        sparse: Target::open(&request.target, options)?,
        overwrite: Overwrite::Never,
        delete_extra: false,
        dry_run: true,
        selected,
        progress,
        counters,
        readers: Permits::new(READERS),
    };
    progress.event(Event::Phase {
        phase: Phase::Verifying,
        total: None,
    });
    verify::run(&context)?;
    let found = context.counters.into_report();
    let mut report = CompareReport::default();
    (report.same, report.problems) = (found.files_verified, found.problems);
    Ok(report)
}

/// A manifest that is damaged anywhere is not used at all: what the place has is restored then.
fn prove_manifest(stored: &mut Stored, counters: &Counters<'_>) -> Result<()> {
    let Some(manifest) = &stored.manifest else {
        return Ok(());
    };
    match manifest.prove() {
        Ok(()) => {}
        Err(ManifestError::Store(error)) if is_out_of_reach(&error) => return Err(error.into()),
        Err(error) => {
            let cause = Error::manifest(stored.name(), error).chain();
            counters.problem(Problem {
                path: stored.name().into(),
                action: "use what was saved of owners, attributes and digests",
                cause: format!("{cause}; the tree is restored as it is stored"),
            });
            stored.manifest = None;
        }
    }
    Ok(())
}

/// The folder to restore into. A dry run makes none: where there is none, it compares with an empty one.
fn open_target(request: &RestoreRequest, empty: &mut Option<tempfile::TempDir>) -> Result<(Target, Target)> {
    let options = TargetOptions {
        create: !request.dry_run,
        sparse: request.sparse,
        numeric_ids: request.numeric_owners,
        ..TargetOptions::default()
    };
    let folder = if request.dry_run && !request.target.exists() {
        let folder = tempfile::tempdir().map_err(|error| Error::Usage(format!("cannot make a folder: {error}")))?;
        empty.insert(folder).path()
    } else {
        &request.target
    };
    let target = Target::open(folder, options)?;
    let sparse = Target::open(
        folder,
        TargetOptions {
            sparse: true,
            ..options
        },
    )?;
    Ok((target, sparse))
}

fn tell_totals(context: &Context<'_>) {
    if let (Some(manifest), true) = (&context.stored.manifest, context.selected.is_all()) {
        let totals = manifest.totals();
        context.progress.event(Event::Scanned {
            files: totals.files,
            bytes: totals.bytes,
            done: true,
        });
    }
}

/// Plans on this thread, writes on others.
fn write(context: &Context<'_>) -> Result<()> {
    let (sender, batches) = bounded(if context.is_far() { AHEAD_FAR } else { AHEAD });
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..context.threads())
            .map(|_| {
                let batches = batches.clone();
                scope.spawn(move || worker::run(context, &batches))
            })
            .collect();
        // When every worker has failed, the planner must not wait for one.
        drop(batches);
        let planned = planner::run(context, sender);
        let failed = |_| Err(Error::Interrupted);
        let worked = workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(failed))
            .fold(Ok(()), Result::and);
        // A planner that nobody listens to any more fails too; why is what the worker says.
        worked.and(planned)
    })
}
