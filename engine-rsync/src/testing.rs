//! A destination with snapshots whose trees are copied there by `cp`, as a user would.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;

use engine_api::{
    CheckReport, CheckRequest, Entry, Overwrite, ReadData, RepairRequest, RestoreReport, RestoreRequest, Silent,
    SnapshotFilter, SnapshotId, SnapshotRef,
};
use jiff::tz::TimeZone;
use tempfile::TempDir;

use crate::{RsyncEngine, check, entries, repair, restore};

/// A destination, and a folder to save.
pub struct Model {
    pub place: TempDir,
    pub tree: TempDir,
    pub engine: RsyncEngine,
}

impl Model {
    pub fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("backup.marker"), "").unwrap();
        let files = backends::local::open(place.path(), false).unwrap().files.unwrap();
        Self {
            engine: RsyncEngine::new(files, TimeZone::UTC),
            place,
            tree: tempfile::tempdir().unwrap(),
        }
    }

    /// Makes a snapshot of the folder, which knows of nothing but its tree.
    pub fn plant(&self, name: &str) -> SnapshotId {
        let to = self.at(name, "");
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        run(Command::new("cp").arg("-a").arg(self.tree.path()).arg(&to));
        run(Command::new("ln")
            .args(["-sfn", name])
            .arg(self.place.path().join("latest")));
        SnapshotId(name.to_owned())
    }

    /// Makes one whose unchanged files are shared with the snapshot `before`, with a manifest if that has one.
    pub fn plant_on(&self, name: &str, before: &str) -> SnapshotId {
        let root = self.place.path();
        run(Command::new("cp")
            .arg("-al")
            .arg(root.join(before))
            .arg(root.join(name)));
        SnapshotId(name.to_owned())
    }

    /// Makes the missing manifests.
    pub fn adopt(&self) {
        let request = RepairRequest {
            index: true,
            ..RepairRequest::default()
        };
        let report = repair::run(&self.engine, &request, &Silent).unwrap();
        assert_eq!(report.left, [] as [String; 0]);
    }

    /// Where a path of the folder lies in a snapshot.
    pub fn at(&self, snapshot: &str, name: &str) -> PathBuf {
        let tree = self.tree.path().strip_prefix("/").unwrap();
        let at = self.place.path().join(snapshot).join(tree);
        if name.is_empty() { at } else { at.join(name) }
    }

    pub fn request(&self, snapshot: &SnapshotId, target: &Path) -> RestoreRequest {
        RestoreRequest {
            snapshot: SnapshotRef::Id(snapshot.0.clone()),
            filter: SnapshotFilter::default(),
            paths: vec![self.tree.path().to_owned()],
            target: target.to_owned(),
            overwrite: Overwrite::default(),
            delete_extra: false,
            numeric_owners: false,
            sparse: false,
            verify: true,
            dry_run: false,
        }
    }

    pub fn restore(&self, snapshot: &SnapshotId, target: &Path) -> RestoreReport {
        restore::run(&self.engine, &self.request(snapshot, target), &Silent).unwrap()
    }

    /// Where a restore below `target` puts the folder.
    pub fn restored(&self, target: &Path) -> PathBuf {
        target.join(self.tree.path().strip_prefix("/").unwrap())
    }

    pub fn check(&self) -> CheckReport {
        check::run(&self.engine, &CheckRequest { read: ReadData::All }, &Silent).unwrap()
    }

    pub fn entries(&self, snapshot: &SnapshotId, under: Option<&Path>) -> Vec<Entry> {
        let mut all = Vec::new();
        let outcome = entries::run(&self.engine, snapshot, under, &mut |entry| {
            all.push(entry);
            ControlFlow::Continue(())
        });
        outcome.unwrap();
        all
    }
}

pub fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
