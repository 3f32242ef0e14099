use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine_api::{
    BackupRequest, CheckRequest, Engine, EntryKind, PruneReport, PruneRequest, ReadData, RepairReport, RepairRequest,
    Selection, Silent, SnapshotFilter, SnapshotId,
};
use tempfile::TempDir;

use super::Memory;
use super::restic::PASSWORD;
use crate::{Id, Password, ResticEngine, Settings};

/// Files by path with the digests of their content.
pub type Files = BTreeMap<PathBuf, Id>;

/// A repository in memory, with what every snapshot must hold.
pub struct Model {
    pub store: Arc<Memory>,
    pub engine: ResticEngine,
    pub tree: TempDir,
    pub saved: BTreeMap<SnapshotId, Files>,
    /// Every snapshot there ever was, oldest first.
    pub ids: Vec<SnapshotId>,
}

impl Model {
    /// An empty repository and an empty folder to save.
    pub fn new() -> Self {
        let store = Arc::new(Memory::new());
        let engine = ResticEngine::init(store.clone(), settings()).unwrap();
        Self {
            store,
            engine,
            tree: tempfile::tempdir().unwrap(),
            saved: BTreeMap::new(),
            ids: Vec::new(),
        }
    }

    /// The repository as it is in another storage.
    pub fn on(&self, store: Memory) -> (Arc<Memory>, ResticEngine) {
        let store = Arc::new(store);
        let engine = self.open(&store);
        (store, engine)
    }

    /// Opens the repository in `store`.
    pub fn open(&self, store: &Arc<Memory>) -> ResticEngine {
        ResticEngine::open(store.clone(), settings()).unwrap()
    }

    /// Writes a file of the folder.
    pub fn write(&self, name: &str, content: &[u8]) {
        let path = self.tree.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Saves the folder.
    pub fn backup(&mut self) -> SnapshotId {
        let id = backup(&self.engine, self.tree.path());
        let files = contents(&self.engine, &id);
        let on_disk = files
            .iter()
            .all(|(path, content)| std::fs::read(path).is_ok_and(|bytes| Id::of(&bytes) == *content));
        assert!(on_disk, "the snapshot differs from the folder");
        self.saved.insert(id.clone(), files);
        self.ids.push(id.clone());
        id
    }

    /// Everything that must be there is there, and the check finds nothing.
    pub fn assert_good(&self, engine: &ResticEngine) {
        engine.unlock(true).unwrap();
        let report = engine.check(&CheckRequest { read: ReadData::All }, &Silent).unwrap();
        assert_eq!(report.errors, 0, "{:?}", report.findings);
        let snapshots = engine.snapshots(&SnapshotFilter::default(), &Silent).unwrap();
        for snapshot in snapshots {
            let expected = self.saved.get(&snapshot.id);
            assert_eq!(Some(&contents(engine, &snapshot.id)), expected, "{}", snapshot.id);
        }
    }
}

fn settings() -> Settings {
    Settings::new(Password::new(PASSWORD.to_owned()))
}

/// Saves a folder.
pub fn backup(engine: &ResticEngine, folder: &Path) -> SnapshotId {
    let request = BackupRequest {
        selection: Selection {
            includes: vec![folder.as_os_str().as_bytes().to_vec()],
            ..Selection::default()
        },
        host: "test".to_owned(),
        tags: Vec::new(),
        time: None,
        parent: None,
        force_read: false,
        dry_run: false,
        estimate: false,
    };
    let report = engine.backup(&request, &Silent).unwrap();
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    report.snapshot.unwrap()
}

/// The paths of a snapshot's listing, or of a part of it.
pub fn paths(engine: &ResticEngine, id: &SnapshotId, under: Option<&Path>) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    let outcome = engine.entries(id, under, &mut |entry| {
        paths.push(entry.path);
        std::ops::ControlFlow::Continue(())
    });
    outcome.unwrap();
    paths
}

/// Every file of a snapshot.
fn contents(engine: &ResticEngine, id: &SnapshotId) -> Files {
    let mut paths = Vec::new();
    engine
        .entries(id, None, &mut |entry| {
            if entry.metadata.kind == EntryKind::File {
                paths.push(entry.path);
            }
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    let read = |path: PathBuf| {
        let mut content = Vec::new();
        let mut file = engine.open(id, &path).unwrap();
        file.read_to_end(&mut content).unwrap();
        (path, Id::of(&content))
    };
    paths.into_iter().map(read).collect()
}

/// Removes what is not needed, down to this share.
pub fn prune(engine: &ResticEngine, max_unused: f64) -> engine_api::Result<PruneReport> {
    let request = PruneRequest {
        max_unused,
        max_repack: None,
        dry_run: false,
    };
    engine.prune(&request, &Silent)
}

/// Mends everything.
pub fn repair(engine: &ResticEngine) -> engine_api::Result<RepairReport> {
    let request = RepairRequest {
        index: true,
        snapshots: true,
        forget: true,
        dry_run: false,
    };
    engine.repair(&request, &Silent)
}

/// Bytes that compress badly, so that sizes are what they seem.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(|_| next()).collect()
}
