//! A place for one test: a tree to save, a destination, a folder to restore to, and a clock.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use engine_api::{SnapshotId, Timestamp};
use holdfast_tests::corpus;
use holdfast_tests::rsync::{Place, Script, Seal, itemize, seal};
use holdfast_tests::tree::{Compare, Picture, assert_same, below, picture};

/// The day of a test's first snapshot, 2024-01-01.
const FIRST: i64 = 1_704_067_200;
const DAY: i64 = 86_400;

pub struct Bench {
    _folder: tempfile::TempDir,
    pub destination: PathBuf,
    pub tree: PathBuf,
    root: PathBuf,
    /// Days that have passed.
    days: std::cell::Cell<i64>,
}

impl Bench {
    /// An empty tree, and a destination with nothing but the mark that it is one.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_owned();
        let bench = Self {
            _folder: folder,
            destination: root.join("destination"),
            tree: root.join("tree"),
            root,
            days: std::cell::Cell::new(0),
        };
        std::fs::create_dir(&bench.tree).unwrap();
        std::fs::create_dir(&bench.destination).unwrap();
        std::fs::write(bench.destination.join("backup.marker"), "").unwrap();
        bench
    }

    /// Some dozens of plain files of some kilobytes.
    pub fn with_plain_tree(seed: u64) -> Self {
        let bench = Self::new();
        corpus::plain_tree(&bench.tree, seed, 60, 20_000);
        bench
    }

    /// A path for something else that the test needs.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub fn open(&self) -> Place {
        Place::open(&self.destination)
    }

    /// The moment of the next snapshot, a day after the one before.
    pub fn tick(&self) -> Timestamp {
        self.days.set(self.days.get() + 1);
        Timestamp {
            seconds: FIRST + self.days.get() * DAY,
            nanos: 0,
        }
    }

    /// Its name.
    pub fn tick_name(&self) -> String {
        name_of(self.tick())
    }

    /// Saves the tree with Holdfast.
    pub fn backup(&self) -> SnapshotId {
        self.open().backup(&self.tree, self.tick()).snapshot.unwrap()
    }

    /// The original script, saving the tree.
    pub fn script(&self) -> Option<Script> {
        Script::new(&self.root, &[&self.tree])
    }

    /// Where the tree lies in a snapshot.
    pub fn stored(&self, snapshot: &str) -> PathBuf {
        below(&self.destination.join(snapshot), &self.tree)
    }

    /// The names of all dated folders.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(&self.destination)
            .unwrap()
            .map(|item| item.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with('2'))
            .collect();
        names.sort();
        names
    }

    /// Where `latest` leads.
    pub fn latest(&self) -> String {
        let target = std::fs::read_link(self.destination.join("latest")).unwrap();
        target.to_string_lossy().into_owned()
    }

    pub fn picture(&self) -> Picture {
        picture(&self.tree)
    }

    /// Everything of every snapshot that must not change.
    pub fn seals(&self) -> BTreeMap<String, Seal> {
        let one = |name: String| {
            let seal = seal(&self.destination.join(&name));
            (name, seal)
        };
        self.names().into_iter().map(one).collect()
    }

    /// What was there is there, bit for bit.
    #[track_caller]
    pub fn assert_sealed(&self, before: &BTreeMap<String, Seal>, when: &str) {
        for (name, seal) in before {
            let dir = self.destination.join(name);
            assert!(dir.is_dir(), "{when}: snapshot {name} is gone");
            let now = holdfast_tests::rsync::seal(&dir);
            for (path, item) in seal {
                assert_eq!(
                    Some(item),
                    now.get(path),
                    "{when}: {} of {name} changed",
                    path.display()
                );
            }
            assert_eq!(seal.len(), now.len(), "{when}: something was added to {name}");
        }
    }

    /// The snapshot is the tree as it is now: to rsync, and restored.
    #[track_caller]
    pub fn assert_is_tree(&self, snapshot: &SnapshotId) {
        let changes = itemize(&self.tree, &self.stored(&snapshot.0));
        assert_eq!(changes, "", "rsync sees differences in {snapshot}");
        self.assert_restores(snapshot, &self.picture());
    }

    /// A restore of the snapshot gives what was saved.
    #[track_caller]
    pub fn assert_restores(&self, snapshot: &SnapshotId, saved: &Picture) {
        let target = tempfile::tempdir_in(&self.root).unwrap();
        self.open().restore(snapshot, target.path());
        assert_same(saved, &picture(&below(target.path(), &self.tree)), Compare::default());
    }
}

/// The name of a snapshot of that moment.
pub fn name_of(time: Timestamp) -> String {
    time.to_jiff().unwrap().strftime("%Y-%m-%d-%H%M%S").to_string()
}

/// The inode of a file.
pub fn inode(path: &Path) -> u64 {
    path.symlink_metadata()
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .ino()
}
