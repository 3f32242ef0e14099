//! The duplicity engine on a local repository, with the settings of the suite.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine_api::{
    BackupReport, BackupRequest, BlobStore, CheckReport, CheckRequest, Engine, Entry, ReadData, RestoreReport,
    RestoreRequest, Result, Selection, Silent, Snapshot, SnapshotFilter, SnapshotId, SnapshotRef, Timestamp,
};
use engine_duplicity::{BackupMode, DuplicityEngine, Settings, SyntheticReport, SyntheticRequest};
use tempfile::TempDir;

use super::history::{Side, Step};
use super::real::NAME;
use crate::holdfast::{local, restore_to};
use crate::tree::below;

/// Holdfast on one repository, with an archive folder of its own.
pub struct Holdfast {
    target: PathBuf,
    home: TempDir,
    /// What the engine is opened with; the source and the mode are set for each operation.
    pub settings: Settings,
    /// The machine's name in the sets.
    pub host: String,
}

/// This machine's name, as the original writes it.
#[must_use]
pub fn host() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    name.split('.').next().unwrap_or_default().to_owned()
}

/// The moment so many seconds after 1970.
#[must_use]
pub const fn seconds(seconds: i64) -> Timestamp {
    Timestamp { seconds, nanos: 0 }
}

impl Holdfast {
    /// The repository in `target` by the defaults, gzipped and with private records, in volumes of a mebibyte.
    #[must_use]
    pub fn new(target: &Path) -> Self {
        let home = tempfile::tempdir().unwrap();
        let settings = Settings {
            full_if_older: None,
            volume_size: 1 << 20,
            archive: Some(home.path().join("archive")),
            archive_name: NAME.to_owned(),
            allow_source_mismatch: false,
            ..Settings::default()
        };
        Self {
            target: target.to_owned(),
            home,
            settings,
            host: host(),
        }
    }

    /// The same with some settings changed.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// The folder with this repository's signatures and manifests.
    #[must_use]
    pub fn cache(&self) -> PathBuf {
        self.settings.archive.as_ref().unwrap().join(NAME)
    }

    /// A folder for whatever the test needs.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The engine on the repository, for what was saved from `source`.
    #[must_use]
    pub fn engine(&self, source: &Path) -> DuplicityEngine {
        self.engine_on(local(&self.target), Step::Incremental, source)
    }

    /// The engine on `store`.
    #[must_use]
    pub fn engine_on(&self, store: Arc<dyn BlobStore>, step: Step, source: &Path) -> DuplicityEngine {
        let settings = Settings {
            source: source.to_owned(),
            mode: match step {
                Step::Full => BackupMode::Full,
                Step::Incremental => BackupMode::Incremental,
            },
            ..self.settings.clone()
        };
        DuplicityEngine::open(store, settings).unwrap_or_else(|error| panic!("open: {error}"))
    }

    /// The request for a set of `source` at `time`.
    #[must_use]
    pub fn request(&self, source: &Path, time: i64) -> BackupRequest {
        BackupRequest {
            selection: Selection {
                includes: vec![source.as_os_str().as_bytes().to_vec()],
                ..Selection::default()
            },
            host: self.host.clone(),
            tags: Vec::new(),
            time: Some(seconds(time)),
            parent: None,
            force_read: false,
            dry_run: false,
            estimate: false,
        }
    }

    /// Makes a set, whatever comes of it.
    ///
    /// # Errors
    /// What the engine says.
    pub fn try_save(&self, step: Step, source: &Path, time: i64) -> Result<BackupReport> {
        self.try_save_on(local(&self.target), step, source, time)
    }

    /// Makes a set in `store`, whatever comes of it.
    ///
    /// # Errors
    /// What the engine says.
    pub fn try_save_on(&self, store: Arc<dyn BlobStore>, step: Step, source: &Path, time: i64) -> Result<BackupReport> {
        self.engine_on(store, step, source)
            .backup(&self.request(source, time), &Silent)
    }

    /// Makes a set.
    ///
    /// # Panics
    /// When it fails or finishes with problems.
    pub fn save(&self, step: Step, source: &Path, time: i64) -> BackupReport {
        let report = self
            .try_save(step, source, time)
            .unwrap_or_else(|error| panic!("backup: {}", error.chain()));
        assert!(report.problems.is_empty(), "{:?}", report.problems);
        report
    }

    /// Makes a full set of what is stored.
    ///
    /// # Panics
    /// When it fails.
    pub fn synthetic_full(&self, source: &Path) -> SyntheticReport {
        self.engine(source)
            .synthetic_full(SyntheticRequest::default(), &Silent)
            .unwrap_or_else(|error| panic!("synthetic full: {}", error.chain()))
    }

    /// Restores what `request` asks for, whatever comes of it.
    ///
    /// # Errors
    /// What the engine says.
    pub fn try_restore(&self, source: &Path, request: &RestoreRequest) -> Result<RestoreReport> {
        self.engine(source).restore(request, &Silent)
    }

    /// All sets that can be restored, oldest first.
    #[must_use]
    pub fn snapshots(&self, source: &Path) -> Vec<Snapshot> {
        let engine = self.engine(source);
        engine.snapshots(&SnapshotFilter::default(), &Silent).unwrap()
    }

    /// Their times in seconds.
    #[must_use]
    pub fn times(&self, source: &Path) -> Vec<i64> {
        let snapshots = self.snapshots(source);
        snapshots.iter().map(|snapshot| snapshot.time.seconds).collect()
    }

    /// The listing of one set.
    #[must_use]
    pub fn entries(&self, source: &Path, set: &SnapshotId) -> Vec<Entry> {
        let mut entries = Vec::new();
        self.engine(source)
            .entries(set, None, &mut |entry| {
                entries.push(entry);
                std::ops::ControlFlow::Continue(())
            })
            .unwrap_or_else(|error| panic!("entries: {}", error.chain()));
        entries
    }

    /// Checks everything and reads all data, and returns what was found.
    ///
    /// # Errors
    /// What the engine says.
    pub fn check_result(&self, source: &Path) -> Result<CheckReport> {
        self.engine(source)
            .check(&CheckRequest { read: ReadData::All }, &Silent)
    }

    /// The same, when the check itself could be made.
    #[must_use]
    pub fn check_report(&self, source: &Path) -> CheckReport {
        self.check_result(source)
            .unwrap_or_else(|error| panic!("check: {}", error.chain()))
    }

    /// Checks everything and reads all data.
    ///
    /// # Panics
    /// When anything is wrong.
    pub fn check(&self, source: &Path) {
        let report = self.check_report(source);
        assert_eq!(report.errors, 0, "{:?}", report.findings);
    }
}

impl Side for Holdfast {
    fn backup(&self, step: Step, source: &Path, time: i64) {
        self.save(step, source, time);
    }

    fn restore(&self, time: Option<i64>, source: &Path, target: &Path) -> PathBuf {
        let snapshot = time.map_or(SnapshotRef::Latest, |time| SnapshotRef::At(seconds(time)));
        let report = self
            .try_restore(source, &restore_to(snapshot, target))
            .unwrap_or_else(|error| panic!("restore: {}", error.chain()));
        assert!(report.problems.is_empty(), "{:?}", report.problems);
        below(target, source)
    }
}
