//! The synthetic full: the state that a chain brings becomes a full set of its own, made of what is stored, and the source
//! is not read.
//!
//! The volumes of the chain are read in one merged pass, as a restore reads them. Each path goes through the same threads
//! as in a backup that reads a tree, and the set is stored in the same order, so that it does not exist before its manifest
//! does; one that was interrupted is gone on with or cleared away as a backup's is. What the chain does not hold whole,
//! proved by its digest and its signature, is an error: then no set is made.
//!
//! Its time is a second after the set's whose state it holds: it says nothing of what came later.

mod plan;
mod stream;

use std::time::{Duration, Instant};

use engine_api::{BackupReport, Event, Phase, Progress, SnapshotId};

use self::plan::{Decision, Made};
use self::stream::Stream;
use super::plan::Plan;
use super::{Context, drop_damaged, finish, pipeline, settle};
use crate::archive::Archive;
use crate::engine::DuplicityEngine;
use crate::error::{Error, Result};
use crate::manifests::{self, Signatures};
use crate::sigtar::State;
use crate::source::Source;

/// A synthetic full set to make.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SyntheticRequest {
    /// Read and prove everything, and write nothing.
    pub dry_run: bool,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SyntheticReport {
    /// The set that was made; `None` in a dry run, and where the last set is a full one already.
    pub snapshot: Option<SnapshotId>,
    /// The set whose state it holds: the last one before.
    pub state_of: SnapshotId,
    /// How many sets that state was put together from; 1 where there was nothing to do.
    pub sets: usize,
    /// Files of the state.
    pub files: u64,
    /// Folders.
    pub dirs: u64,
    /// Everything else: links, devices, pipes.
    pub others: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Bytes of the volumes that were read.
    pub bytes_read: u64,
    /// Bytes that the new set takes.
    pub bytes_stored: u64,
    /// How long it took.
    pub duration: Duration,
}

impl DuplicityEngine {
    /// Makes a full set of the state that the latest chain brings, without reading the source; it begins a new chain, and
    /// the old one stays as it is. Where the last set is a full one already, nothing is done.
    ///
    /// # Errors
    /// When there is no set, two chains overlap, another run goes on, or anything of the state is lost or damaged: then
    /// no set is made, and the error names what it is.
    pub fn synthetic_full(
        &self,
        request: SyntheticRequest,
        progress: &dyn Progress,
    ) -> engine_api::Result<SyntheticReport> {
        Ok(run(self, request, progress)?)
    }
}

fn run(engine: &DuplicityEngine, request: SyntheticRequest, progress: &dyn Progress) -> Result<SyntheticReport> {
    let clock = Instant::now();
    progress.event(Event::Phase {
        phase: Phase::LoadingIndex,
        total: None,
    });
    let archive = Archive::open(engine)?;
    let (mut plan, made) = match plan::decide(engine, &archive, request.dry_run, progress)? {
        Decision::Make(plan, made) => (*plan, made),
        Decision::Nothing { last } => return Ok(SyntheticReport::of(last, 1)),
    };
    let report = loop {
        match execute(engine, &archive, request, &plan, &made, progress) {
            Err(Error::Unresumable { why }) => plan.step_back(why, engine, &archive, progress)?,
            other => break other,
        }
    };
    let report = report.inspect_err(|error| {
        drop_damaged(&archive, error);
        // It will not be whole the next time either.
        if error.is_loss() && !request.dry_run {
            let _ = settle::discard(engine, &archive, plan.set);
        }
    })?;
    Ok(SyntheticReport {
        snapshot: report.snapshot,
        files: report.files.total(),
        dirs: report.dirs.total(),
        others: report.others.total(),
        bytes: report.bytes_processed,
        bytes_read: made.volume_bytes(),
        bytes_stored: report.bytes_stored,
        duration: clock.elapsed(),
        ..SyntheticReport::of(made.state_of(), made.found.sets.len())
    })
}

impl SyntheticReport {
    fn of(state_of: SnapshotId, sets: usize) -> Self {
        Self {
            snapshot: None,
            state_of,
            sets,
            files: 0,
            dirs: 0,
            others: 0,
            bytes: 0,
            bytes_read: 0,
            bytes_stored: 0,
            duration: Duration::ZERO,
        }
    }
}

fn execute(
    engine: &DuplicityEngine,
    archive: &Archive,
    request: SyntheticRequest,
    plan: &Plan,
    made: &Made,
    progress: &dyn Progress,
) -> Result<BackupReport> {
    let base = manifests::saved_folder(&made.found.manifest);
    made.tell(progress);
    let context = Context::new(engine, plan, &base, request.dry_run, progress);
    let signed = State::of_files(&made.signatures, engine.temp())?;
    let lost = Signatures::of(engine, made.found.sets.clone());
    let source = Source::of(engine, progress, &lost);
    let volumes = made.volumes.clone();
    let produced = pipeline::run(&context, archive, plan, |pending, _| {
        Stream::new(&context, signed, pending).run(source, volumes)
    })?;
    let paths = made.found.manifest.notes.paths.clone();
    finish::run(&context, engine, archive, plan, produced, paths)
}

#[cfg(test)]
mod tests;
