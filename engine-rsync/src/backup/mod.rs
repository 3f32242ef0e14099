//! Backup: a walk over the source becomes a tree at the destination, and its manifest.
//!
//! One thread follows the walk, with the snapshot before beside it, and deals out batches: the entries of one folder. The
//! workers link what is unchanged and copy what is not; a folder is made by whoever needs it first and gets its
//! metadata from whoever finishes its last entry. What they have done goes in the order of the walk into the manifest. When
//! all is there it is synced, then the manifest appears, then the tree under its name, then `latest` moves.

mod batch;
mod before;
mod copy;
mod counters;
mod estimate;
mod existing;
mod file;
mod follow;
mod groups;
mod keeps;
mod ledger;
mod level;
mod other;
mod plan;
mod pool;
mod prepare;
mod publish;
mod stored;

use std::sync::mpsc;
use std::time::Instant;

use engine_api::{BackupReport, BackupRequest, Event, FileStore, Phase, Progress};
use fstree::{Names, Walk, WalkOptions};

use crate::RsyncEngine;
use crate::error::{Error, Result};
use crate::lock::Lock;
use crate::permits::Permits;
use crate::room::RoomyStore;
use before::Base;
use counters::Counters;
use groups::Groups;
use keeps::Keeps;
use ledger::Ledger;

/// Bytes of files that are read and not written yet, where the place is far away.
const READ_AHEAD: usize = 24 << 20;

/// What all threads of a backup share.
struct Context<'a> {
    store: &'a dyn FileStore,
    keeps: Keeps,
    base: Option<&'a Base>,
    names: Names,
    groups: Groups,
    ledger: Ledger<'a>,
    counters: Counters<'a>,
    progress: &'a dyn Progress,
    lock: Option<&'a Lock>,
    force_read: bool,
    dry_run: bool,
    /// The place is not on this machine: every question takes the way there and back.
    is_far: bool,
    /// For what is read of files until it is written.
    permits: Permits,
    /// Whether the folder that is built may hold something from an earlier run.
    resumes: bool,
}

/// Makes a backup.
pub fn run(engine: &RsyncEngine, request: &BackupRequest, progress: &dyn Progress) -> Result<BackupReport> {
    let clock = Instant::now();
    let mut report = if request.dry_run {
        dry(engine, request, progress)?
    } else {
        wet(engine, request, progress)?
    };
    report.duration = clock.elapsed();
    Ok(report)
}

fn dry(engine: &RsyncEngine, request: &BackupRequest, progress: &dyn Progress) -> Result<BackupReport> {
    let base = plan::base(engine, engine.store(), request)?;
    let context = Context::new(engine.store(), base.as_ref(), request, progress);
    let walk = start(engine.store(), request, progress)?;
    walk_all(&context, walk, None, request)?;
    let mut report = context.counters.into_report();
    report.parent = base.as_ref().map(Base::id);
    Ok(report)
}

fn wet(engine: &RsyncEngine, request: &BackupRequest, progress: &dyn Progress) -> Result<BackupReport> {
    let (lock, plan) = prepare::run(engine, request, progress)?;
    let roomy = plan.roomy(engine);
    let store: &dyn FileStore = match &roomy {
        Some(roomy) => roomy,
        None => engine.store(),
    };
    let walk = start(store, request, progress)?;
    let (begun, beginning) = mpsc::sync_channel(1);
    let context = Context {
        lock: Some(&lock),
        resumes: plan.resumes,
        ledger: Ledger::new(Some(beginning), is_far(store)),
        ..Context::new(store, plan.base.as_ref(), request, progress)
    };
    let (paths, plan_made) = (walk.includes().to_vec(), &plan);
    let walked = std::thread::scope(|scope| {
        // The walk need not wait for either.
        scope.spawn(|| store.syncs_all());
        scope.spawn(move || {
            let manifest = plan_made.begin_manifest(store, engine, request, &paths);
            let _ = begun.send(manifest.map(Box::new));
        });
        walk_all(&context, walk, Some(&plan.building), request)
    });
    let mut removed = tell_removed(roomy.as_ref(), progress);
    walked?;
    let Context { ledger, counters, .. } = context;
    let mut report = counters.into_report();
    if report.files.total() + report.dirs.total() + report.others.total() == 0 {
        return Err(Error::Usage(
            "nothing to back up: none of the paths to save exists".to_owned(),
        ));
    }
    report.parent = plan.base.as_ref().map(Base::id);
    publish::run(store, &plan, ledger, &report, &lock)?;
    report.snapshot = Some(engine_api::SnapshotId(plan.name.clone()));
    removed.extend(tell_removed(roomy.as_ref(), progress));
    let mut all = plan.snapshots;
    all.retain(|(_, name)| !removed.contains(name));
    crate::forget::after_backup(engine, all, &plan.name, &lock, progress)?;
    Ok(report)
}

fn is_far(store: &dyn FileStore) -> bool {
    store.capabilities().local_path.is_none()
}

/// Tells which snapshots had to make room since this was told last.
fn tell_removed(roomy: Option<&RoomyStore>, progress: &dyn Progress) -> Vec<String> {
    let removed = roomy.map(RoomyStore::take_removed).unwrap_or_default();
    for name in &removed {
        progress.event(Event::Notice(&format!(
            "the destination was full: snapshot {name} was removed"
        )));
    }
    removed
}

impl<'a> Context<'a> {
    fn new(
        store: &'a dyn FileStore,
        base: Option<&'a Base>,
        request: &BackupRequest,
        progress: &'a dyn Progress,
    ) -> Self {
        let is_far = is_far(store);
        Self {
            store,
            keeps: Keeps::of(store.capabilities()),
            base,
            names: Names::new(),
            groups: Groups::default(),
            ledger: Ledger::new(None, is_far),
            counters: Counters::new(progress),
            progress,
            lock: None,
            force_read: request.force_read,
            dry_run: request.dry_run,
            is_far,
            // Here there are few threads, each with its buffers; elsewhere there are many.
            permits: Permits::new(if is_far { READ_AHEAD } else { usize::MAX }),
            resumes: false,
        }
    }

    /// Fails when the run has to stop.
    fn check(&self) -> Result<()> {
        if self.progress.cancelled() {
            return Err(Error::Interrupted);
        }
        self.lock.map_or(Ok(()), Lock::check)
    }
}

fn walk_all(
    context: &Context<'_>,
    walk: Walk,
    building: Option<&engine_api::Folder>,
    request: &BackupRequest,
) -> Result<()> {
    context.progress.event(Event::Phase {
        phase: Phase::BackingUp,
        total: None,
    });
    std::thread::scope(|scope| {
        let estimate = request
            .estimate
            .then(|| estimate::Estimate::start(scope, &request.selection, context.progress));
        let done = pool::run(context, |pool| follow::follow(context, pool, walk, building));
        drop(estimate);
        done
    })
}

/// Starts the walk; the destination is left out of it.
fn start(store: &dyn FileStore, request: &BackupRequest, progress: &dyn Progress) -> Result<Walk> {
    let mut selection = request.selection.clone();
    if let Some(path) = &store.capabilities().local_path {
        let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.clone());
        let path = std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str());
        selection.excludes.push(fstree::pattern::literal(path));
    }
    for lacking in Keeps::of(store.capabilities()).lacking() {
        progress.event(Event::Notice(&format!(
            "{} keeps no {lacking}; the manifest does",
            store.location()
        )));
    }
    Ok(Walk::new(&selection, WalkOptions::default())?)
}

#[cfg(test)]
mod tests;
