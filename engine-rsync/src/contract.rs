//! The contract of all engines, operation by operation; each is a module of its own.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use engine_api::{
    BackupReport, BackupRequest, CheckReport, CheckRequest, CompareReport, CompareRequest, Description, DiffEntry,
    Engine, EngineKind, Entry, Event, FileContent, FindRequest, ForgetReport, ForgetRequest, Found, Progress,
    PruneReport, PruneRequest, RepairReport, RepairRequest, RestoreReport, RestoreRequest, Result, Snapshot,
    SnapshotFilter, SnapshotId, SnapshotRef, Version,
};

use crate::{
    RsyncEngine, backup, check, content, diff, entries, find, forget, prune, repair, restore, snapshots, versions,
};

/// What this engine is.
const DESCRIPTION: Description = Description {
    name: "rsync",
    kind: EngineKind::HardLinks,
    compression: false,
    deduplication: false,
    encryption: false,
    integrity: true,
    needs_files: true,
};

/// How often a backup goes on after the connection to its place was lost in the middle of a file.
const TRIES: u32 = 3;

impl Engine for RsyncEngine {
    fn describe(&self) -> &'static Description {
        &DESCRIPTION
    }

    fn backup(&self, request: &BackupRequest, progress: &dyn Progress) -> Result<BackupReport> {
        for _ in 1..TRIES {
            match backup::run(self, request, progress) {
                Err(error) if error.was_cut_off() && !progress.cancelled() => {
                    let notice = format!("{}; going on where it stopped", error.chain());
                    progress.event(Event::Notice(&notice));
                }
                other => return Ok(other?),
            }
        }
        Ok(backup::run(self, request, progress)?)
    }

    fn snapshots(&self, filter: &SnapshotFilter, progress: &dyn Progress) -> Result<Vec<Snapshot>> {
        let stored = snapshots::list(self, filter, progress)?;
        Ok(stored.into_iter().map(|stored| stored.snapshot).collect())
    }

    fn resolve(&self, which: &SnapshotRef, filter: &SnapshotFilter) -> Result<Snapshot> {
        Ok(snapshots::resolve(self, which, filter)?.snapshot)
    }

    fn entries(
        &self,
        snapshot: &SnapshotId,
        under: Option<&Path>,
        each: &mut dyn FnMut(Entry) -> ControlFlow<()>,
    ) -> Result<()> {
        Ok(entries::run(self, snapshot, under, each)?)
    }

    fn open(&self, snapshot: &SnapshotId, path: &Path) -> Result<Box<dyn FileContent + '_>> {
        Ok(content::open(self, snapshot, path)?)
    }

    fn restore(&self, request: &RestoreRequest, progress: &dyn Progress) -> Result<RestoreReport> {
        Ok(restore::run(self, request, progress)?)
    }

    fn compare(&self, request: &CompareRequest, progress: &dyn Progress) -> Result<CompareReport> {
        Ok(restore::compare(self, request, progress)?)
    }

    fn versions(
        &self,
        path: &Path,
        filter: &SnapshotFilter,
        progress: &dyn Progress,
        each: &mut dyn FnMut(Version) -> ControlFlow<()>,
    ) -> Result<()> {
        Ok(versions::run(self, path, filter, progress, each)?)
    }

    fn forget(&self, request: &ForgetRequest, progress: &dyn Progress) -> Result<ForgetReport> {
        Ok(forget::run(self, request, progress)?)
    }

    fn prune(&self, request: &PruneRequest, progress: &dyn Progress) -> Result<PruneReport> {
        Ok(prune::run(self, request, progress)?)
    }

    fn check(&self, request: &CheckRequest, progress: &dyn Progress) -> Result<CheckReport> {
        Ok(check::run(self, request, progress)?)
    }

    fn repair(&self, request: &RepairRequest, progress: &dyn Progress) -> Result<RepairReport> {
        Ok(repair::run(self, request, progress)?)
    }

    fn find(&self, request: &FindRequest, each: &mut dyn FnMut(Found) -> ControlFlow<()>) -> Result<()> {
        Ok(find::run(self, request, each)?)
    }

    fn diff(
        &self,
        first: &SnapshotId,
        second: &SnapshotId,
        under: Option<&PathBuf>,
        each: &mut dyn FnMut(DiffEntry) -> ControlFlow<()>,
    ) -> Result<()> {
        Ok(diff::run(self, first, second, under, each)?)
    }
}
