//! The restic engine on a local directory, with the settings of the suites.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine_api::retention::{Count, GroupBy, Keep};
use engine_api::{
    BackupReport, BackupRequest, BlobStore, CheckReport, CheckRequest, Engine, ForgetReport, ForgetRequest, Overwrite,
    PruneReport, PruneRequest, ReadData, RepairReport, RepairRequest, RestoreReport, RestoreRequest, Result, Selection,
    Silent, Snapshot, SnapshotFilter, SnapshotRef,
};
use engine_restic::{Password, ResticEngine, Settings};

use crate::restic::PASSWORD;

/// The machine's name in every snapshot of the suites.
pub const HOST: &str = "suite";

/// A repository as Holdfast sees it.
pub struct Repository {
    /// The engine itself, for what has no short form here.
    pub engine: ResticEngine,
}

/// The local directory `dir` as a storage.
#[must_use]
pub fn local(dir: &Path) -> Arc<dyn BlobStore> {
    backends::local::open(dir, true).unwrap().blobs
}

/// Settings with `password` and this machine's own name in the locks, as other programs need it to tell stale ones.
#[must_use]
pub fn settings(password: &str) -> Settings {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    Settings {
        host: name,
        user: "suite".to_owned(),
        ..Settings::new(Password::new(password.to_owned()))
    }
}

impl Repository {
    /// Makes a repository in `dir`.
    #[must_use]
    pub fn init(dir: &Path) -> Self {
        let engine = ResticEngine::init(local(dir), settings(PASSWORD)).unwrap();
        Self { engine }
    }

    /// Opens the repository in `dir`.
    #[must_use]
    pub fn open(dir: &Path) -> Self {
        Self::on(local(dir)).unwrap()
    }

    /// Opens the repository in `store`.
    ///
    /// # Errors
    /// What the engine says.
    pub fn on(store: Arc<dyn BlobStore>) -> engine_restic::Result<Self> {
        let engine = ResticEngine::open(store, settings(PASSWORD))?;
        Ok(Self { engine })
    }

    /// Saves `paths`.
    ///
    /// # Panics
    /// When it fails or finishes with problems.
    pub fn backup(&self, paths: &[&Path]) -> BackupReport {
        let report = self
            .try_backup(paths)
            .unwrap_or_else(|error| panic!("backup: {}", error.chain()));
        assert!(report.problems.is_empty(), "{:?}", report.problems);
        report
    }

    /// Saves `paths`, whatever comes of it.
    ///
    /// # Errors
    /// What the engine says.
    pub fn try_backup(&self, paths: &[&Path]) -> Result<BackupReport> {
        self.engine.backup(&backup_of(paths), &Silent)
    }

    /// Restores `snapshot` to `target`.
    ///
    /// # Panics
    /// When it fails or finishes with problems.
    pub fn restore(&self, snapshot: SnapshotRef, target: &Path) -> RestoreReport {
        let report = self
            .engine
            .restore(&restore_to(snapshot, target), &Silent)
            .unwrap_or_else(|error| panic!("restore: {}", error.chain()));
        assert!(report.problems.is_empty(), "{:?}", report.problems);
        report
    }

    /// All snapshots, oldest first.
    #[must_use]
    pub fn snapshots(&self) -> Vec<Snapshot> {
        self.engine.snapshots(&SnapshotFilter::default(), &Silent).unwrap()
    }

    /// Keeps the newest `count` snapshots.
    ///
    /// # Errors
    /// What the engine says.
    pub fn keep_last(&self, count: u32) -> Result<ForgetReport> {
        self.engine.forget(&keep_last(count), &Silent)
    }

    /// Removes everything that is not needed.
    ///
    /// # Errors
    /// What the engine says.
    pub fn prune(&self) -> Result<PruneReport> {
        self.engine.prune(&prune_all(), &Silent)
    }

    /// Checks everything and reads all data, and returns what was found.
    ///
    /// # Errors
    /// What the engine says.
    pub fn check_report(&self) -> Result<CheckReport> {
        self.engine.check(&CheckRequest { read: ReadData::All }, &Silent)
    }

    /// Checks everything and reads all data.
    ///
    /// # Panics
    /// When anything is wrong.
    pub fn check(&self) {
        let report = self
            .check_report()
            .unwrap_or_else(|error| panic!("check: {}", error.chain()));
        assert_eq!(report.errors, 0, "{:?}", report.findings);
    }

    /// Mends the index and the snapshots, and drops the damaged ones.
    ///
    /// # Errors
    /// What the engine says.
    pub fn repair(&self) -> Result<RepairReport> {
        self.engine.repair(&repair_all(), &Silent)
    }
}

/// A backup of `paths`, with nothing left out.
#[must_use]
pub fn backup_of(paths: &[&Path]) -> BackupRequest {
    BackupRequest {
        selection: Selection {
            includes: paths.iter().map(|path| path.as_os_str().as_bytes().to_vec()).collect(),
            ..Selection::default()
        },
        host: HOST.to_owned(),
        tags: Vec::new(),
        time: None,
        parent: None,
        force_read: false,
        dry_run: false,
        estimate: false,
    }
}

/// A restore of everything to an empty `target`.
#[must_use]
pub fn restore_to(snapshot: SnapshotRef, target: &Path) -> RestoreRequest {
    RestoreRequest {
        snapshot,
        filter: SnapshotFilter::default(),
        paths: Vec::<PathBuf>::new(),
        target: target.to_owned(),
        overwrite: Overwrite::default(),
        delete_extra: false,
        numeric_owners: false,
        sparse: true,
        verify: false,
        dry_run: false,
    }
}

/// A policy over all snapshots together.
#[must_use]
pub fn keep_last(count: u32) -> ForgetRequest {
    ForgetRequest {
        filter: SnapshotFilter::default(),
        group_by: GroupBy {
            host: false,
            paths: false,
            tags: false,
        },
        keep: Keep {
            last: Count::Last(count),
            ..Keep::default()
        },
        ids: Vec::new(),
        dry_run: false,
    }
}

/// A prune that leaves nothing unneeded.
#[must_use]
pub fn prune_all() -> PruneRequest {
    PruneRequest {
        max_unused: 0.0,
        max_repack: None,
        dry_run: false,
    }
}

/// A repair of everything.
#[must_use]
pub fn repair_all() -> RepairRequest {
    RepairRequest {
        index: true,
        snapshots: true,
        forget: true,
        dry_run: false,
    }
}
