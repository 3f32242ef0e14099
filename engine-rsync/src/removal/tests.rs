use engine_api::Silent;
use fstree::testing::{ZooOptions, build_zoo};

use super::*;

fn store(dir: &std::path::Path) -> std::sync::Arc<dyn FileStore> {
    backends::local::open(dir, false).unwrap().files.unwrap()
}

#[test]
fn a_zoo_is_removed_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let zoo = dir.path().join("zoo");
    std::fs::create_dir(&zoo).unwrap();
    std::fs::write(dir.path().join("beside"), "x").unwrap();
    std::os::unix::fs::symlink("../beside", zoo.join("leads out")).unwrap();
    build_zoo(
        &zoo,
        ZooOptions {
            many: 3000,
            ..ZooOptions::default()
        },
    )
    .unwrap();
    let store = store(dir.path());
    let removed = remove_tree(store.as_ref(), &store.root(), b"zoo", &Silent).unwrap();
    assert!(removed > 3000, "{removed}");
    let left: Vec<_> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["beside"]);
}

#[test]
fn what_is_no_folder_or_not_there() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "x").unwrap();
    let store = store(dir.path());
    assert_eq!(remove_tree(store.as_ref(), &store.root(), b"file", &Silent).unwrap(), 1);
    assert_eq!(remove_tree(store.as_ref(), &store.root(), b"file", &Silent).unwrap(), 0);
}

#[test]
fn a_snapshot_goes_with_its_manifest_and_a_half_removed_one_is_finished() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("2024-01-01-000000/etc")).unwrap();
    std::fs::create_dir_all(dir.path().join(".holdfast/removing-2023-01-01-000000/etc")).unwrap();
    std::fs::write(dir.path().join(".holdfast/2024-01-01-000000.manifest"), "x").unwrap();
    let store = store(dir.path());
    remove_snapshot(store.as_ref(), "2024-01-01-000000", &Silent).unwrap();
    sweep(store.as_ref(), &Silent).unwrap();
    assert_eq!(std::fs::read_dir(dir.path().join(".holdfast")).unwrap().count(), 0);
    assert!(!dir.path().join("2024-01-01-000000").exists());
}
