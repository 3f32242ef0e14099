//! Restore: the state of a set becomes files again.
//!
//! One pass over the volumes of the full set and of its increments brings every path in order. Folders, links and the
//! like are made at once; the content of files goes to a few threads that write. A folder gets its metadata when nothing
//! more is put into it and all that was to be written before is written.

mod counters;
mod driver;
mod existing;
mod extra;
mod file;
mod folders;
mod linked;
mod pool;
mod select;
mod verify;

use std::path::PathBuf;
use std::time::Instant;

use engine_api::{CompareReport, CompareRequest, Event, Overwrite, Phase, Progress, RestoreReport, RestoreRequest};
use fstree::{Target, TargetOptions};

use crate::DuplicityEngine;
use crate::chain::Set;
use crate::error::{Error, Result};
use crate::manifests::{self, Signatures};
use crate::snapshots::{self, Found};
use crate::source::{SetPlan, Source, Wanted};
use counters::Counters;
pub(crate) use select::{not_found, wanted};
pub(crate) use verify::differs;

/// What all threads of a restore share.
struct Context<'a> {
    target: Target,
    /// The folder that was saved.
    base: PathBuf,
    wanted: &'a Wanted,
    overwrite: Overwrite,
    delete_extra: bool,
    dry_run: bool,
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
pub(crate) fn run(
    engine: &DuplicityEngine,
    request: &RestoreRequest,
    progress: &dyn Progress,
) -> Result<RestoreReport> {
    let clock = Instant::now();
    let found = snapshots::resolve(engine, &request.snapshot, &request.filter)?;
    let base = manifests::saved_folder(&found.manifest);
    let wanted = wanted(&base, &request.paths, &found)?;
    progress.event(Event::Phase {
        phase: Phase::LoadingIndex,
        total: None,
    });
    let plans = plans(engine, &found, &wanted)?;
    let signatures = Signatures::of(engine, found.sets.clone());
    let source = Source::of(engine, progress, &signatures);
    let mut empty = None;
    let context = Context {
        target: open_target(engine, request, &mut empty)?,
        base,
        wanted: &wanted,
        overwrite: request.overwrite,
        delete_extra: request.delete_extra,
        dry_run: request.dry_run,
        progress,
        counters: Counters::new(progress),
    };
    progress.event(Event::Phase {
        phase: Phase::Restoring,
        total: None,
    });
    tell_totals(&found, &wanted, progress);
    driver::run(&context, source, &plans, &found)?;
    if request.verify && !request.dry_run {
        progress.event(Event::Phase {
            phase: Phase::Verifying,
            total: None,
        });
        verify::run(&context, source, plans)?;
    }
    let mut report = context.counters.into_report();
    report.snapshot = Some(found.snapshot.id);
    report.duration = clock.elapsed();
    Ok(report)
}

/// Compares the files of a set's state with those at a target.
pub(crate) fn compare(
    engine: &DuplicityEngine,
    request: &CompareRequest,
    progress: &dyn Progress,
) -> Result<CompareReport> {
    let found = snapshots::by_id(engine, &request.snapshot)?;
    let base = manifests::saved_folder(&found.manifest);
    let wanted = wanted(&base, &request.paths, &found)?;
    let plans = plans(engine, &found, &wanted)?;
    let signatures = Signatures::of(engine, found.sets.clone());
    let options = TargetOptions {
        create: false,
        ..TargetOptions::default()
    };
    let context = Context {
        target: Target::open(&request.target, options)?,
        base,
        wanted: &wanted,
        overwrite: Overwrite::Never,
        delete_extra: false,
        dry_run: true,
        progress,
        counters: Counters::new(progress),
    };
    progress.event(Event::Phase {
        phase: Phase::Verifying,
        total: None,
    });
    verify::run(&context, Source::of(engine, progress, &signatures), plans)?;
    let found = context.counters.into_report();
    let mut report = CompareReport::default();
    (report.same, report.problems) = (found.files_verified, found.problems);
    Ok(report)
}

/// What is to be read of each set up to the one that was found.
pub(crate) fn plans(engine: &DuplicityEngine, found: &Found, wanted: &Wanted) -> Result<Vec<SetPlan>> {
    // The last one's is known.
    let before: Vec<&Set> = found.sets.iter().rev().skip(1).rev().collect();
    let manifests = manifests::load_all(engine, &before);
    let manifests = manifests.into_iter().chain([Ok(found.manifest.clone())]);
    let plan = |(set, manifest): (&Set, Result<_>)| manifests::plan(set, manifest?, wanted);
    found.sets.iter().zip(manifests).map(plan).collect()
}

/// The folder to restore into. A dry run makes none: where there is none, it compares with an empty one.
fn open_target(
    engine: &DuplicityEngine,
    request: &RestoreRequest,
    empty: &mut Option<tempfile::TempDir>,
) -> Result<Target> {
    let options = TargetOptions {
        create: !request.dry_run,
        sparse: request.sparse,
        numeric_ids: request.numeric_owners,
        ..TargetOptions::default()
    };
    if request.dry_run && !request.target.exists() {
        let folder = tempfile::tempdir_in(engine.temp()).map_err(Error::local("make a folder in", engine.temp()))?;
        return Ok(Target::open(empty.insert(folder).path(), options)?);
    }
    Ok(Target::open(&request.target, options)?)
}

fn tell_totals(found: &Found, wanted: &Wanted, progress: &dyn Progress) {
    let snapshot = &found.snapshot;
    if let (Some(files), Some(bytes), true) = (snapshot.files, snapshot.bytes, wanted.is_all()) {
        progress.event(Event::Scanned {
            files,
            bytes,
            done: true,
        });
    }
}

#[cfg(test)]
mod tests;
