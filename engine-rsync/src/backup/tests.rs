mod faults;
mod script;

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use engine_api::{BackupReport, BackupRequest, Selection, Silent, Timestamp};
use fstree::testing::{CompareOptions, ZooOptions, build_zoo, compare};

use super::*;
use crate::engine::Settings;

/// A source, a destination and a clock of its own.
struct Bench {
    source: tempfile::TempDir,
    place: tempfile::TempDir,
    engine: RsyncEngine,
    time: i64,
}

impl Bench {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("backup.marker"), "").unwrap();
        let files = backends::local::open(place.path(), false).unwrap().files.unwrap();
        let settings = Settings {
            strategy: None,
            ..Settings::default()
        };
        Self {
            source: tempfile::tempdir().unwrap(),
            engine: RsyncEngine::open(files, settings),
            place,
            time: Timestamp::now().seconds - 86_400,
        }
    }

    fn zoo() -> Self {
        let bench = Self::new();
        let options = ZooOptions {
            deep: false,
            socket: false,
            ..ZooOptions::default()
        };
        build_zoo(bench.source.path(), options).unwrap();
        bench
    }

    fn request(&self) -> BackupRequest {
        BackupRequest {
            selection: Selection {
                includes: vec![self.source.path().as_os_str().as_bytes().to_vec()],
                ..Selection::default()
            },
            host: "here".to_owned(),
            tags: Vec::new(),
            time: Some(Timestamp {
                seconds: self.time,
                nanos: 0,
            }),
            parent: None,
            force_read: false,
            dry_run: false,
            estimate: false,
        }
    }

    /// The next backup, begun an hour after the one before.
    fn backup(&mut self) -> (PathBuf, BackupReport) {
        self.time += 3600;
        let report = run(&self.engine, &self.request(), &Silent).unwrap();
        (self.tree(&report), report)
    }

    fn snapshot(&self, report: &BackupReport) -> PathBuf {
        self.place.path().join(&report.snapshot.as_ref().unwrap().0)
    }

    /// The source as the snapshot has it.
    fn tree(&self, report: &BackupReport) -> PathBuf {
        let path = self.source.path().strip_prefix("/").unwrap();
        self.snapshot(report).join(path)
    }

    /// Both our own comparison and rsync find no difference.
    fn assert_same(&self, tree: &Path) {
        self.assert_same_but(tree, true);
    }

    fn assert_same_but(&self, tree: &Path, holes: bool) {
        let options = CompareOptions {
            holes,
            ..CompareOptions::default()
        };
        assert_eq!(
            compare(self.source.path(), tree, options).unwrap(),
            Vec::<String>::new()
        );
        assert_eq!(itemize(self.source.path(), tree), "");
    }
}

/// What rsync would still have to do.
fn itemize(source: &Path, tree: &Path) -> String {
    let output = Command::new("rsync")
        .args(["-aHAXn", "--delete", "--itemize-changes"])
        .arg(format!("{}/", source.display()))
        .arg(format!("{}/", tree.display()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn inode(path: &Path) -> u64 {
    std::fs::symlink_metadata(path).unwrap().ino()
}

#[test]
fn a_zoo_is_the_same_and_a_second_one_is_all_links() {
    let mut bench = Bench::zoo();
    let (first, report) = bench.backup();
    assert_eq!(report.problems.first, []);
    bench.assert_same(&first);
    assert_eq!(report.files.total(), report.files.new);
    let (second, report) = bench.backup();
    bench.assert_same(&second);
    bench.assert_same(&first);
    assert_eq!((report.files.new, report.files.changed, report.bytes_added), (0, 0, 0));
    for name in [
        "files/random",
        "links/a/first",
        "links/to a file",
        "fifo",
        "modes/setuid",
        "acls/file",
    ] {
        assert_eq!(inode(&first.join(name)), inode(&second.join(name)), "{name}");
    }
    let latest = std::fs::read_link(bench.place.path().join("latest")).unwrap();
    assert_eq!(
        latest.as_os_str(),
        second
            .ancestors()
            .find(|path| path.parent() == Some(bench.place.path()))
            .unwrap()
            .file_name()
            .unwrap()
    );
    assert!(!bench.place.path().join("backup.inprogress").exists());
}

#[test]
fn every_change_is_saved_and_the_old_snapshot_keeps_what_it_had() {
    let mut bench = Bench::zoo();
    let (first, _) = bench.backup();
    let before = tempfile::tempdir().unwrap();
    let copied = Command::new("cp")
        .arg("-a")
        .arg(&first)
        .arg(before.path().join("tree"))
        .status()
        .unwrap();
    assert!(copied.success());
    let source = bench.source.path().to_owned();
    std::fs::write(source.join("files/regular"), "other text\n").unwrap();
    std::fs::remove_file(source.join("files/empty")).unwrap();
    std::fs::create_dir(source.join("files/empty")).unwrap();
    std::fs::remove_dir_all(source.join("many")).unwrap();
    std::fs::write(source.join("many"), "a file now").unwrap();
    std::fs::set_permissions(
        source.join("files/again"),
        std::os::unix::fs::PermissionsExt::from_mode(0o640),
    )
    .unwrap();
    std::fs::hard_link(source.join("files/random"), source.join("files/a new name")).unwrap();
    std::fs::remove_file(source.join("links/a/second")).unwrap();
    std::fs::remove_file(source.join("links/to a file")).unwrap();
    std::os::unix::fs::symlink("b", source.join("links/to a file")).unwrap();
    std::os::unix::fs::lchown(source.join("owners/daemon"), Some(5), Some(6)).unwrap();
    let (second, report) = bench.backup();
    bench.assert_same(&second);
    assert_eq!(report.problems.first, []);
    assert_eq!(
        compare(&before.path().join("tree"), &first, CompareOptions::default()).unwrap(),
        Vec::<String>::new()
    );
    assert_ne!(inode(&first.join("files/again")), inode(&second.join("files/again")));
    assert_eq!(inode(&first.join("files/zeros")), inode(&second.join("files/zeros")));
}

#[test]
fn an_interrupted_run_is_corrected_into_the_next() {
    let mut bench = Bench::zoo();
    let (first, _) = bench.backup();
    let building = bench.place.path().join(".holdfast/building");
    let tree = building.join(bench.source.path().strip_prefix("/").unwrap());
    std::fs::create_dir_all(tree.parent().unwrap()).unwrap();
    let planted = Command::new("cp")
        .arg("-a")
        .arg(bench.source.path())
        .arg(&tree)
        .status()
        .unwrap();
    assert!(planted.success());
    // Right, wrong in length, wrong in content, wrong in kind, shared with the first, and not wanted.
    std::fs::write(tree.join("files/regular"), "short").unwrap();
    std::fs::write(tree.join("files/zeros"), vec![1; 1 << 20]).unwrap();
    std::fs::remove_file(tree.join("files/empty")).unwrap();
    std::fs::create_dir_all(tree.join("files/empty/not wanted")).unwrap();
    std::fs::remove_dir_all(tree.join("modes")).unwrap();
    std::fs::write(tree.join("modes"), "").unwrap();
    std::fs::remove_file(tree.join("files/again")).unwrap();
    std::fs::hard_link(first.join("files/again"), tree.join("files/again")).unwrap();
    std::fs::create_dir_all(tree.join("not wanted/at all")).unwrap();
    std::fs::write(bench.source.path().join("files/regular"), "new text").unwrap();
    std::fs::write(bench.source.path().join("files/random"), "now small").unwrap();
    let (second, report) = bench.backup();
    assert_eq!(report.problems.first, []);
    bench.assert_same(&second);
    assert!(!building.exists());
    assert_eq!(inode(&first.join("files/zeros")), inode(&second.join("files/zeros")));
}

#[test]
fn what_cannot_be_read_stays_as_it_was() {
    let mut bench = Bench::zoo();
    let (first, _) = bench.backup();
    let folder = bench.source.path().join("files/regular");
    std::fs::remove_file(&folder).unwrap();
    // A file that root cannot read either.
    std::os::unix::fs::symlink("/proc/self/mem", &folder).unwrap();
    let (second, _) = bench.backup();
    assert_eq!(
        std::fs::read_link(second.join("files/regular")).unwrap(),
        Path::new("/proc/self/mem")
    );
    assert!(first.join("files/regular").is_file());
}

#[test]
fn no_marker_no_backup() {
    let bench = Bench::zoo();
    std::fs::remove_file(bench.place.path().join("backup.marker")).unwrap();
    let error = run(&bench.engine, &bench.request(), &Silent).unwrap_err();
    assert!(matches!(error, Error::NoMarker { .. }));
    assert_eq!(
        std::fs::read_dir(bench.place.path()).unwrap().count(),
        0,
        "nothing is made there"
    );
}

#[test]
fn a_dry_run_writes_nothing() {
    let mut bench = Bench::zoo();
    let mut request = bench.request();
    request.dry_run = true;
    let report = run(&bench.engine, &request, &Silent).unwrap();
    assert!(report.files.new > 300 && report.snapshot.is_none());
    assert_eq!(std::fs::read_dir(bench.place.path()).unwrap().count(), 1);
    bench.backup();
    std::fs::write(bench.source.path().join("files/regular"), "changed!").unwrap();
    let report = run(&bench.engine, &request, &Silent).unwrap();
    assert_eq!((report.files.new, report.files.changed), (0, 1));
}

#[test]
fn the_destination_inside_the_source_is_left_out() {
    let mut bench = Bench::zoo();
    let inside = bench.source.path().join("backups");
    std::fs::create_dir(&inside).unwrap();
    std::fs::write(inside.join("backup.marker"), "").unwrap();
    let files = backends::local::open(&inside, false).unwrap().files.unwrap();
    bench.engine = RsyncEngine::open(files, bench.engine.settings().clone());
    for _ in 0..2 {
        bench.time += 10;
        let report = run(&bench.engine, &bench.request(), &Silent).unwrap();
        let name = report.snapshot.unwrap().0;
        let tree = inside.join(name).join(bench.source.path().strip_prefix("/").unwrap());
        assert!(tree.join("files/regular").exists());
        assert!(!tree.join("backups").exists());
    }
}

#[test]
fn a_name_that_is_taken_is_not_taken_again() {
    let mut bench = Bench::zoo();
    let first = run(&bench.engine, &bench.request(), &Silent).unwrap().snapshot;
    let second = run(&bench.engine, &bench.request(), &Silent).unwrap().snapshot;
    // The clock was set back an hour.
    bench.time -= 3600;
    let third = run(&bench.engine, &bench.request(), &Silent).unwrap().snapshot;
    assert!(first < second && second < third, "{first:?} {second:?} {third:?}");
}
