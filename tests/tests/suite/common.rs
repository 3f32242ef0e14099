//! A place for one test: a tree to save, a repository, a folder to restore to.

use std::path::{Path, PathBuf};

use engine_api::SnapshotRef;
use holdfast_tests::corpus;
use holdfast_tests::holdfast::Repository;
use holdfast_tests::restic::{PASSWORD, Program, Restic};
use holdfast_tests::seal::cheapen;
use holdfast_tests::tree::{Compare, Picture, assert_same, below, picture};
use rustix::fs::FileType;

pub struct Bench {
    _folder: tempfile::TempDir,
    pub repository: PathBuf,
    pub tree: PathBuf,
    root: PathBuf,
}

impl Bench {
    /// An empty tree and a repository that is not there yet.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_owned();
        let tree = root.join("tree");
        std::fs::create_dir(&tree).unwrap();
        Self {
            _folder: folder,
            repository: root.join("repository"),
            tree,
            root,
        }
    }

    /// A few hundred plain files of some kilobytes.
    pub fn with_plain_tree(seed: u64) -> Self {
        let bench = Self::new();
        corpus::plain_tree(&bench.tree, seed, 150, 20_000);
        bench
    }

    /// A path for something else that the test needs.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// A new repository, whose key is cheap to open: most tests open it many times.
    pub fn init(&self) -> Repository {
        drop(Repository::init(&self.repository));
        cheapen(&self.repository, PASSWORD);
        self.open()
    }

    pub fn open(&self) -> Repository {
        Repository::open(&self.repository)
    }

    pub fn restic(&self, program: &Program) -> Restic {
        Restic::new(program, &self.repository)
    }

    /// A new repository of restic's, cheap to open as well.
    pub fn restic_init(&self, program: &Program) -> Restic {
        let restic = self.restic(program);
        restic.run(&["init"]);
        cheapen(&self.repository, PASSWORD);
        restic
    }

    pub fn picture(&self) -> Picture {
        picture(&self.tree)
    }

    /// Restores the newest snapshot with Holdfast and compares.
    pub fn assert_restores(&self, saved: &Picture) {
        self.assert_restores_snapshot(SnapshotRef::Latest, saved);
    }

    pub fn assert_restores_snapshot(&self, snapshot: SnapshotRef, saved: &Picture) {
        let target = tempfile::tempdir_in(&self.root).unwrap();
        self.open().restore(snapshot, target.path());
        assert_same(saved, &self.restored(target.path()), Compare::default());
    }

    /// The same, save for names of attributes that are not UTF-8: restic's format has no room for them.
    pub fn assert_restores_what_the_format_holds(&self, saved: &Picture) {
        let target = tempfile::tempdir_in(&self.root).unwrap();
        self.open().restore(SnapshotRef::Latest, target.path());
        let restored = self.restored(target.path());
        assert_same(
            &readable_attributes(saved),
            &readable_attributes(&restored),
            Compare::default(),
        );
    }

    /// Restores with Holdfast what `restic` wrote, which lacks what that version of restic does not save.
    pub fn assert_restores_from(&self, restic: &Restic, saved: &Picture) {
        let target = tempfile::tempdir_in(&self.root).unwrap();
        self.open().restore(SnapshotRef::Latest, target.path());
        assert_same_for(restic, saved, &self.restored(target.path()));
    }

    /// Restores `snapshot` with the real restic and compares.
    pub fn assert_restic_restores(&self, restic: &Restic, snapshot: &str, saved: &Picture) {
        let target = tempfile::tempdir_in(&self.root).unwrap();
        restic.restore(snapshot, target.path());
        assert_same_for(restic, saved, &self.restored(target.path()));
    }

    fn restored(&self, target: &Path) -> Picture {
        picture(&below(target, &self.tree))
    }
}

/// Compares, leaving aside what this version of restic cannot save or restore.
pub fn assert_same_for(restic: &Restic, saved: &Picture, restored: &Picture) {
    let [saved, restored] = [saved, restored].map(|picture| as_restic_sees(restic, picture));
    assert_same(&saved, &restored, Compare::default());
}

/// The names of attributes as JSON can hold them.
fn readable_attributes(picture: &Picture) -> Picture {
    let mut picture = picture.clone();
    for item in picture.values_mut() {
        item.xattrs = std::mem::take(&mut item.xattrs)
            .into_iter()
            .map(|(name, value)| (name.to_string_lossy().into_owned().into(), value))
            .collect();
    }
    picture
}

fn as_restic_sees(restic: &Restic, picture: &Picture) -> Picture {
    let old = restic.version() < [0, 17].as_slice();
    let mut picture = readable_attributes(picture);
    for item in picture.values_mut() {
        // It restores further names of files alone.
        item.first_name = item
            .first_name
            .take()
            .filter(|_| FileType::from_raw_mode(item.mode) == FileType::RegularFile);
        if old {
            // Nor, before `linktarget_raw` came, such targets of links; and it set a link's attributes on its target.
            item.target = item
                .target
                .take()
                .map(|target| target.to_string_lossy().into_owned().into());
            item.xattrs.retain(|name, _| name != "trusted.holdfast");
        }
    }
    picture
}

/// All files below `folder` of a repository, sorted.
pub fn objects(repository: &Path, folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![repository.join(folder)];
    while let Some(folder) = folders.pop() {
        for item in std::fs::read_dir(folder).unwrap() {
            let path = item.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Bytes of everything in the repository.
pub fn size(repository: &Path) -> u64 {
    let files = objects(repository, "");
    files.iter().map(|path| path.metadata().unwrap().len()).sum()
}
