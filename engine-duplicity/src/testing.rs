//! A storage in memory and a repository on it, for the tests of this crate.

use std::collections::BTreeMap;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use engine_api::{
    BackupReport, BackupRequest, BlobStore, Body, Capabilities, Key, ObjectMeta, Overwrite, PutMode, RestoreReport,
    RestoreRequest, Selection, Silent, SnapshotFilter, SnapshotRef, Space, StoreError, StoreErrorKind, Timestamp,
};
use fstree::testing::{CompareOptions, compare};

use crate::error::Result;
use crate::{BackupMode, DuplicityEngine, Settings};

/// A storage in memory that fails from one of its calls on.
pub struct Memory {
    pub objects: Mutex<BTreeMap<Key, Vec<u8>>>,
    capabilities: Capabilities,
    calls: AtomicU64,
    dead_from: AtomicU64,
    meddler: Mutex<Option<([&'static str; 2], Meddler)>>,
    meeting: Option<Meeting>,
}

/// Reads of ranges that are answered only when so many are under way.
struct Meeting {
    most: usize,
    /// Those that began, of all.
    began: Mutex<usize>,
    changed: Condvar,
}

/// What somebody else does meanwhile.
type Meddler = Box<dyn FnOnce() + Send>;

impl Memory {
    pub fn new() -> Self {
        Self {
            objects: Mutex::default(),
            capabilities: Capabilities::minimal().with_exclusive_create(true),
            calls: AtomicU64::new(0),
            dead_from: AtomicU64::new(u64::MAX),
            meddler: Mutex::default(),
            meeting: None,
        }
    }

    /// As if it were far away, with a server that answers no read of a range before so many more were sent as are left
    /// of `operations`; it waits 20 s at the most.
    pub fn far(operations: usize) -> Self {
        let mut memory = Self::new();
        memory.capabilities = memory.capabilities.with_concurrency(operations);
        memory.meeting = Some(Meeting {
            most: operations,
            began: Mutex::default(),
            changed: Condvar::new(),
        });
        memory
    }

    /// Does that once, just before a call that is one of `operation` on an object whose name holds `part`.
    pub fn before(&self, operation: &'static str, part: &'static str, meddler: impl FnOnce() + Send + 'static) {
        *self.meddler.lock().unwrap() = Some(([operation, part], Box::new(meddler)));
    }

    /// Fails from the n-th call from now on.
    pub fn die_in(&self, n: u64) {
        self.dead_from
            .store(self.calls.load(Ordering::SeqCst) + n, Ordering::SeqCst);
    }

    /// Works again.
    pub fn live(&self) {
        self.dead_from.store(u64::MAX, Ordering::SeqCst);
    }

    pub fn names(&self) -> Vec<String> {
        self.objects.lock().unwrap().keys().map(ToString::to_string).collect()
    }

    /// Removes the objects whose names hold `part`.
    pub fn lose(&self, part: &str) {
        self.objects
            .lock()
            .unwrap()
            .retain(|key, _| !key.to_string().contains(part));
    }

    fn pass(&self, operation: &'static str, key: &str) -> Result<(), StoreError> {
        let is_now = |[name, part]: &[&str; 2]| *name == operation && key.contains(part);
        let meddler = self.meddler.lock().unwrap().take_if(|(when, _)| is_now(when));
        if let Some((_, meddler)) = meddler {
            meddler();
        }
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        if call >= self.dead_from.load(Ordering::SeqCst) {
            return Err(error(operation, key, StoreErrorKind::Vanished));
        }
        Ok(())
    }

    fn read<T>(&self, key: &Key, read: impl FnOnce(&[u8]) -> Option<T>) -> Result<T, StoreError> {
        let name = key.to_string();
        self.pass("read", &name)?;
        let objects = self.objects.lock().unwrap();
        let bytes = objects
            .get(key)
            .ok_or_else(|| error("read", &name, StoreErrorKind::NotFound))?;
        read(bytes).ok_or_else(|| error("read", &name, StoreErrorKind::Truncated))
    }
}

impl Meeting {
    fn attend(&self) {
        let mut began = self.began.lock().unwrap();
        *began += 1;
        self.changed.notify_all();
        let whole = began.div_ceil(self.most) * self.most;
        let wait = |began: &mut usize| *began < whole;
        let (began, timeout) = self
            .changed
            .wait_timeout_while(began, Duration::from_secs(20), wait)
            .unwrap();
        assert!(!timeout.timed_out(), "only {began} reads at the same time");
    }
}

fn error(operation: &'static str, object: &str, kind: StoreErrorKind) -> StoreError {
    StoreError {
        operation,
        object: object.to_owned(),
        location: "memory".to_owned(),
        kind,
        source: "in a test".into(),
    }
}

impl BlobStore for Memory {
    fn location(&self) -> &str {
        "memory"
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn put(&self, key: &Key, body: Body<'_>, mode: PutMode) -> Result<(), StoreError> {
        let name = key.to_string();
        self.pass("write", &name)?;
        let mut bytes = Vec::new();
        body.reader().read_to_end(&mut bytes).unwrap();
        let mut objects = self.objects.lock().unwrap();
        if mode == PutMode::Create && objects.contains_key(key) {
            return Err(error("write", &name, StoreErrorKind::AlreadyExists));
        }
        objects.insert(key.clone(), bytes);
        Ok(())
    }

    fn get(&self, key: &Key) -> Result<Vec<u8>, StoreError> {
        self.read(key, |bytes| Some(bytes.to_vec()))
    }

    fn get_range(&self, key: &Key, offset: u64, buffer: &mut [u8]) -> Result<(), StoreError> {
        let begin = usize::try_from(offset).unwrap();
        if let Some(meeting) = &self.meeting {
            meeting.attend();
        }
        self.read(key, |bytes| {
            buffer.copy_from_slice(bytes.get(begin..begin + buffer.len())?);
            Some(())
        })
    }

    fn list(&self, _: &str, each: &mut dyn FnMut(ObjectMeta) -> ControlFlow<()>) -> Result<(), StoreError> {
        self.pass("list", "the folder")?;
        let all: Vec<ObjectMeta> = self
            .objects
            .lock()
            .unwrap()
            .iter()
            .map(|(key, bytes)| ObjectMeta {
                key: key.clone(),
                size: bytes.len() as u64,
            })
            .collect();
        for object in all {
            if each(object).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn remove(&self, key: &Key) -> Result<(), StoreError> {
        let name = key.to_string();
        self.pass("remove", &name)?;
        let removed = self.objects.lock().unwrap().remove(key);
        removed
            .map(drop)
            .ok_or_else(|| error("remove", &name, StoreErrorKind::NotFound))
    }

    fn stat(&self, key: &Key) -> Result<ObjectMeta, StoreError> {
        let size = self.read(key, |bytes| Some(bytes.len() as u64))?;
        Ok(ObjectMeta { key: key.clone(), size })
    }

    fn space(&self) -> Result<Option<Space>, StoreError> {
        Ok(None)
    }
}

/// A tree, a storage and an archive folder.
pub struct Bench {
    dir: tempfile::TempDir,
    pub memory: Arc<Memory>,
    pub settings: Settings,
    pub mode: BackupMode,
    /// The next set's time, in seconds.
    pub clock: i64,
}

impl Bench {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("source");
        std::fs::create_dir(&source).unwrap();
        let settings = Settings {
            source,
            archive: Some(dir.path().join("archive")),
            archive_name: "name".to_owned(),
            volume_size: 1 << 20,
            ..Settings::default()
        };
        Self {
            dir,
            memory: Arc::new(Memory::new()),
            settings,
            mode: BackupMode::Incremental,
            clock: Timestamp::now().seconds + 10,
        }
    }

    pub fn source(&self) -> PathBuf {
        self.settings.source.clone()
    }

    pub fn archive(&self) -> PathBuf {
        self.dir.path().join("archive/name")
    }

    pub fn engine(&self) -> DuplicityEngine {
        let settings = Settings {
            mode: self.mode,
            ..self.settings.clone()
        };
        let blobs: Arc<dyn BlobStore> = self.memory.clone();
        DuplicityEngine::open(blobs, settings).unwrap()
    }

    /// The same repository as another machine has it.
    pub fn elsewhere(&self) -> DuplicityEngine {
        let settings = Settings {
            archive: Some(self.dir.path().join("elsewhere")),
            ..self.settings.clone()
        };
        let blobs: Arc<dyn BlobStore> = self.memory.clone();
        DuplicityEngine::open(blobs, settings).unwrap()
    }

    pub fn request(&self) -> BackupRequest {
        use std::os::unix::ffi::OsStringExt;
        BackupRequest {
            selection: Selection {
                includes: vec![self.source().into_os_string().into_vec()],
                ..Selection::default()
            },
            host: "host".to_owned(),
            tags: vec!["tag".to_owned()],
            time: Some(Timestamp {
                seconds: self.clock,
                nanos: 0,
            }),
            parent: None,
            force_read: false,
            dry_run: false,
            estimate: false,
        }
    }

    /// Makes a backup; the clock moves on.
    pub fn backup(&mut self) -> Result<BackupReport> {
        let request = self.request();
        self.clock += 10;
        crate::backup::run(&self.engine(), &request, &Silent)
    }

    /// Restores a state; gives the folder in which the source's content is.
    pub fn restore(&self, snapshot: SnapshotRef) -> (PathBuf, RestoreReport) {
        let target = self.dir.path().join(format!("restored-{}", self.clock));
        let _ = std::fs::remove_dir_all(&target);
        let request = RestoreRequest {
            snapshot,
            filter: SnapshotFilter::default(),
            paths: Vec::new(),
            target: target.clone(),
            overwrite: Overwrite::Always,
            delete_extra: false,
            numeric_owners: false,
            sparse: false,
            verify: false,
            dry_run: false,
        };
        let report = crate::restore::run(&self.engine(), &request, &Silent).unwrap();
        let source = self.source();
        (target.join(source.strip_prefix("/").unwrap()), report)
    }

    /// Fails unless the newest state is what the tree is now.
    pub fn assert_latest_is_the_tree(&self, what: &str) {
        let (restored, report) = self.restore(SnapshotRef::Latest);
        assert!(report.problems.is_empty(), "{what}: {:?}", report.problems);
        assert_equal(&self.source(), &restored, what);
    }
}

/// Fails when two trees differ.
pub fn assert_equal(first: &Path, second: &Path, what: &str) {
    let differences = compare(first, second, CompareOptions::default()).unwrap();
    assert!(differences.is_empty(), "{what}: {differences:#?}");
}
