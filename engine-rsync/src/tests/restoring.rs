use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use engine_api::{Overwrite, Silent};
use fstree::testing::{CompareOptions, ZooOptions, build_zoo, compare};

use crate::restore;
use crate::testing::Model;

const FIRST: &str = "2024-01-01-000000";

fn zoo() -> Model {
    let model = Model::new();
    build_zoo(
        model.tree.path(),
        ZooOptions {
            deep: false,
            ..ZooOptions::default()
        },
    )
    .unwrap();
    model
}

fn differences(model: &Model, target: &std::path::Path) -> Vec<String> {
    compare(model.tree.path(), &model.restored(target), CompareOptions::default()).unwrap()
}

#[test]
fn everything_comes_back_with_a_manifest_and_without() {
    let model = zoo();
    let id = model.plant(FIRST);
    for adopt in [false, true] {
        if adopt {
            model.adopt();
        }
        let target = tempfile::tempdir().unwrap();
        let report = model.restore(&id, target.path());
        assert_eq!(report.problems.first, []);
        assert!(report.files_verified > 300 && report.files_verified <= report.files_restored + 20);
        assert_eq!(differences(&model, target.path()), [] as [String; 0]);
    }
}

/// A place that keeps nothing but names and bytes.
#[test]
fn the_manifest_brings_back_what_the_place_does_not_hold() {
    let model = zoo();
    let id = model.plant(FIRST);
    model.adopt();
    for name in ["files/regular", "modes/setuid", "attributes/file", "acls/file", "names"] {
        let at = model.at(FIRST, name);
        fs::set_permissions(&at, fs::Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::chown(&at, Some(12), Some(13)).unwrap();
        let _ = rustix::fs::removexattr(&at, "user.comment");
    }
    let target = tempfile::tempdir().unwrap();
    assert_eq!(model.restore(&id, target.path()).problems.first, []);
    assert_eq!(differences(&model, target.path()), [] as [String; 0]);
}

#[test]
fn a_restore_over_what_is_right_writes_nothing() {
    let model = zoo();
    let id = model.plant(FIRST);
    model.adopt();
    let target = tempfile::tempdir().unwrap();
    model.restore(&id, target.path());
    let again = model.restore(&id, target.path());
    assert_eq!((again.files_restored, again.bytes_restored), (0, 0));
    assert_eq!(differences(&model, target.path()), [] as [String; 0]);
}

#[test]
fn only_what_differs_of_a_large_file_is_written() {
    let model = Model::new();
    let mut content = vec![7_u8; 4 << 20];
    fs::write(model.tree.path().join("large"), &content).unwrap();
    let id = model.plant(FIRST);
    model.adopt();
    let target = tempfile::tempdir().unwrap();
    model.restore(&id, target.path());
    let large = model.restored(target.path()).join("large");
    content[3 << 20] = 8;
    fs::write(&large, &content).unwrap();
    let inode = large.metadata().unwrap().ino();
    let report = model.restore(&id, target.path());
    assert_eq!((report.files_restored, report.bytes_restored), (1, 256 << 10));
    assert_eq!(large.metadata().unwrap().ino(), inode);
    assert_eq!(differences(&model, target.path()), [] as [String; 0]);
}

#[test]
fn what_is_at_the_target_is_dealt_with_as_asked() {
    let model = Model::new();
    let file = |name: &str| model.tree.path().join(name);
    fs::write(file("kept"), "saved").unwrap();
    fs::create_dir(file("folder")).unwrap();
    fs::write(file("folder/inside"), "saved").unwrap();
    let id = model.plant(FIRST);
    model.adopt();
    let target = tempfile::tempdir().unwrap();
    let there = |name: &str| model.restored(target.path()).join(name);
    fs::create_dir_all(there("folder/extra/deep")).unwrap();
    fs::write(there("kept"), "there before").unwrap();
    let restore = |overwrite, delete_extra, dry_run| {
        let request = engine_api::RestoreRequest {
            overwrite,
            delete_extra,
            dry_run,
            verify: false,
            ..model.request(&id, target.path())
        };
        restore::run(&model.engine, &request, &Silent).unwrap()
    };
    let dry = restore(Overwrite::Always, true, true);
    assert_eq!((dry.files_restored, dry.deleted), (2, 1));
    assert_eq!(fs::read(there("kept")).unwrap(), b"there before");
    assert_eq!(restore(Overwrite::Never, false, false).files_restored, 1);
    assert_eq!(restore(Overwrite::IfNewer, false, false).files_restored, 0);
    assert_eq!(fs::read(there("kept")).unwrap(), b"there before");
    let report = restore(Overwrite::IfChanged, true, false);
    assert_eq!((report.files_restored, report.deleted), (1, 2));
    assert_eq!(fs::read(there("kept")).unwrap(), b"saved");
    assert!(!there("folder/extra").exists() && there("folder/inside").exists());
}

#[test]
fn one_file_comes_with_the_folders_above_it_and_nothing_else() {
    let model = zoo();
    let id = model.plant(FIRST);
    model.adopt();
    let target = tempfile::tempdir().unwrap();
    let mut request = model.request(&id, target.path());
    request.paths = ["modes/sticky folder/inside", "files/empty folder", "modes/all"]
        .map(|name| model.tree.path().join(name))
        .to_vec();
    let report = restore::run(&model.engine, &request, &Silent).unwrap();
    assert_eq!(report.files_restored, 2);
    let modes = model.restored(target.path()).join("modes");
    assert_eq!(fs::read_dir(&modes).unwrap().count(), 2);
    let mode = modes.join("sticky folder").metadata().unwrap().mode();
    assert_eq!(mode & 0o7777, 0o1777);
    request.paths.push("/no/such/path".into());
    assert!(matches!(
        restore::run(&model.engine, &request, &Silent),
        Err(crate::Error::PathNotFound { .. })
    ));
}

/// A tree of which nobody knows what was saved whole must not tell what is extra.
#[test]
fn nothing_is_deleted_by_guess() {
    let model = zoo();
    let id = model.plant(FIRST);
    let target = tempfile::tempdir().unwrap();
    let request = engine_api::RestoreRequest {
        paths: Vec::new(),
        delete_extra: true,
        ..model.request(&id, target.path())
    };
    assert!(matches!(
        restore::run(&model.engine, &request, &Silent),
        Err(crate::Error::Usage(_))
    ));
}

#[test]
fn what_was_tampered_with_is_told() {
    let model = Model::new();
    let names = ["changed", "rotten", "gone", "good"];
    for name in names {
        fs::write(model.tree.path().join(name), vec![b'a'; 300_000]).unwrap();
    }
    let id = model.plant(FIRST);
    model.adopt();
    fs::write(model.at(FIRST, "changed"), "other").unwrap();
    fs::remove_file(model.at(FIRST, "gone")).unwrap();
    rot(&model.at(FIRST, "rotten"));
    let target = tempfile::tempdir().unwrap();
    let request = engine_api::RestoreRequest {
        verify: false,
        ..model.request(&id, target.path())
    };
    let report = restore::run(&model.engine, &request, &Silent).unwrap();
    let told: Vec<String> = report
        .problems
        .first
        .iter()
        .map(|problem| format!("{}", problem.path.file_name().unwrap().display()))
        .collect();
    assert_eq!(report.problems.count, 3, "{:?}", report.problems.first);
    for name in ["changed", "rotten", "gone"] {
        assert!(told.iter().any(|told| told == name), "{told:?}");
    }
    let there = |name: &str| model.restored(target.path()).join(name);
    assert_eq!(fs::read(there("changed")).unwrap(), b"other");
    assert_eq!(fs::read(there("good")).unwrap(), vec![b'a'; 300_000]);
}

/// Changes a byte and nothing else that shows.
pub fn rot(path: &std::path::Path) {
    let before = path.metadata().unwrap();
    let file = fs::File::options().write(true).open(path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"X", before.len() / 2).unwrap();
    file.set_modified(before.modified().unwrap()).unwrap();
}

/// Without its manifest the tree itself is what there is.
#[test]
fn a_damaged_manifest_is_not_believed() {
    let model = zoo();
    let id = model.plant(FIRST);
    model.adopt();
    let manifest = model.place.path().join(format!(".holdfast/{FIRST}.manifest"));
    let mut bytes = fs::read(&manifest).unwrap();
    bytes[1000] ^= 1;
    fs::write(&manifest, bytes).unwrap();
    let target = tempfile::tempdir().unwrap();
    let report = model.restore(&id, target.path());
    assert_eq!(report.problems.count, 1, "{:?}", report.problems.first);
    assert_eq!(differences(&model, target.path()), [] as [String; 0]);
}
