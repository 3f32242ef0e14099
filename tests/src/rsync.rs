//! The rsync engine on a local folder, and the original script beside it.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use engine_api::{
    BackupReport, BackupRequest, CheckReport, CheckRequest, Engine, FileStore, Overwrite, ReadData, RestoreReport,
    RestoreRequest, Result, Selection, Silent, Snapshot, SnapshotFilter, SnapshotId, SnapshotRef, Timestamp,
};
use engine_rsync::{RsyncEngine, Settings, Strategy};
use fstree::pattern::literal;

use crate::tree::{Item, Picture, picture};

/// The machine's name in every snapshot of the suite.
pub const HOST: &str = "suite";

/// Settings under which snapshots go only when they are forgotten.
#[must_use]
pub fn settings(strategy: Option<Strategy>) -> Settings {
    Settings {
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        user: "suite".to_owned(),
        strategy,
        ..Settings::default()
    }
}

/// The folder `dir` as a place for files.
#[must_use]
pub fn local(dir: &Path) -> Arc<dyn FileStore> {
    backends::local::open(dir, false).unwrap().files.unwrap()
}

/// A destination as Holdfast sees it.
pub struct Place {
    /// The engine itself, for what has no short form here.
    pub engine: RsyncEngine,
}

impl Place {
    /// The destination in `dir`.
    #[must_use]
    pub fn open(dir: &Path) -> Self {
        Self::on(local(dir))
    }

    /// The destination in `store`.
    #[must_use]
    pub fn on(store: Arc<dyn FileStore>) -> Self {
        Self {
            engine: RsyncEngine::open(store, settings(None)),
        }
    }

    /// Saves `path` at `time`.
    ///
    /// # Panics
    /// When it fails or finishes with problems.
    pub fn backup(&self, path: &Path, time: Timestamp) -> BackupReport {
        let report = self
            .try_backup(path, time)
            .unwrap_or_else(|error| panic!("backup: {}", error.chain()));
        assert!(report.problems.is_empty(), "{:?}", report.problems);
        report
    }

    /// Saves `path` at `time`, whatever comes of it.
    ///
    /// # Errors
    /// What the engine says.
    pub fn try_backup(&self, path: &Path, time: Timestamp) -> Result<BackupReport> {
        self.engine.backup(&backup_of(path, time), &Silent)
    }

    /// Restores a snapshot to `target`.
    ///
    /// # Panics
    /// When it fails or finishes with problems.
    pub fn restore(&self, snapshot: &SnapshotId, target: &Path) -> RestoreReport {
        let report = self.engine.restore(&restore_to(snapshot, target), &Silent);
        let report = report.unwrap_or_else(|error| panic!("restore: {}", error.chain()));
        assert!(report.problems.is_empty(), "{:?}", report.problems);
        report
    }

    /// All snapshots, oldest first.
    #[must_use]
    pub fn snapshots(&self) -> Vec<Snapshot> {
        self.engine.snapshots(&SnapshotFilter::default(), &Silent).unwrap()
    }

    /// What a check of everything says.
    #[must_use]
    pub fn check_report(&self) -> CheckReport {
        let request = CheckRequest { read: ReadData::All };
        let report = self.engine.check(&request, &Silent);
        report.unwrap_or_else(|error| panic!("check: {}", error.chain()))
    }

    /// Checks everything.
    ///
    /// # Panics
    /// When it finds an error.
    pub fn check(&self) {
        let report = self.check_report();
        assert_eq!(report.errors, 0, "{:#?}", report.findings);
    }
}

/// A backup of one folder.
#[must_use]
pub fn backup_of(path: &Path, time: Timestamp) -> BackupRequest {
    BackupRequest {
        selection: Selection {
            includes: vec![literal(path.as_os_str().as_bytes())],
            ..Selection::default()
        },
        host: HOST.to_owned(),
        tags: Vec::new(),
        time: Some(time),
        parent: None,
        force_read: false,
        dry_run: false,
        estimate: false,
    }
}

/// A restore of everything.
#[must_use]
pub fn restore_to(snapshot: &SnapshotId, target: &Path) -> RestoreRequest {
    RestoreRequest {
        snapshot: SnapshotRef::Id(snapshot.0.clone()),
        filter: SnapshotFilter::default(),
        paths: Vec::new(),
        target: target.to_owned(),
        overwrite: Overwrite::default(),
        delete_extra: false,
        numeric_owners: false,
        sparse: false,
        verify: true,
        dry_run: false,
    }
}

/// Everything of a stored tree that must never change while its snapshot stands, inode numbers too. Only how many names an
/// inode has, and with it the time of that change, is for others to change.
pub type Seal = BTreeMap<PathBuf, (u64, Item)>;

/// Takes down the tree at `dir`.
#[must_use]
pub fn seal(dir: &Path) -> Seal {
    let number = |(path, item): (PathBuf, Item)| {
        let inode = dir.join(&path).symlink_metadata().unwrap().ino();
        (
            path,
            (
                inode,
                Item {
                    first_name: None,
                    ..item
                },
            ),
        )
    };
    Picture::into_iter(picture(dir)).map(number).collect()
}

/// The original script, as far as it matters to a destination.
#[derive(Debug)]
pub struct Script {
    home: PathBuf,
    list: PathBuf,
}

impl Script {
    /// The script with its own folder for logs, saving `paths`; `None` where there is no rsync.
    #[must_use]
    pub fn new(folder: &Path, paths: &[&Path]) -> Option<Self> {
        let rsync = Command::new("rsync").arg("--version").output();
        rsync.ok().filter(|output| output.status.success())?;
        // The script takes its flags apart at every space.
        let home = folder.join("home-of-the-script");
        std::fs::create_dir_all(&home).unwrap();
        let list = home.join("list");
        let lines: Vec<&[u8]> = paths.iter().map(|path| path.as_os_str().as_bytes()).collect();
        std::fs::write(&list, lines.join(&b'\n')).unwrap();
        Some(Self { home, list })
    }

    /// The command that makes the snapshot `name`.
    #[must_use]
    pub fn command(&self, destination: &Path, name: &str, more: &str) -> Command {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/rsync_tmbackup");
        let flags = format!(
            "-D --numeric-ids --links --hard-links --one-file-system --times --recursive --perms --owner --group --stats --human-readable {more} --files-from={}",
            self.list.display()
        );
        let mut command = Command::new(script);
        command
            .args(["--rsync-set-flags", &flags, "/"])
            .arg(destination)
            .env("TMBACKUP_NOW", name)
            .env("TZ", "UTC")
            .env("HOME", &self.home);
        command
    }

    /// Makes the snapshot `name`.
    ///
    /// # Panics
    /// When the script says that it failed.
    pub fn run(&self, destination: &Path, name: &str) -> Output {
        let output = self.command(destination, name, "").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && text.contains("completed without errors"),
            "{text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        output
    }
}

/// What rsync would change in `copy` to make it `tree`: nothing when they are the same to it.
#[must_use]
pub fn itemize(tree: &Path, copy: &Path) -> String {
    let slash = |path: &Path| {
        let mut path = path.as_os_str().to_owned();
        path.push("/");
        path
    };
    let output = Command::new("rsync")
        .args(["-aHAXnc", "--numeric-ids", "--delete", "--itemize-changes"])
        .args([slash(tree), slash(copy)])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
