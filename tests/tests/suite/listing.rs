//! One file's content, and parts of a snapshot.

use std::io::{Read, Seek, SeekFrom};

use engine_api::{Engine, Silent, SnapshotRef};
use holdfast_tests::corpus::Random;
use holdfast_tests::holdfast::restore_to;
use holdfast_tests::tree::{Compare, assert_same, below, picture};

use crate::common::Bench;

#[test]
fn a_file_is_read_from_any_position() {
    let bench = Bench::new();
    let bytes = Random::new(1).noise(9_000_000);
    let path = bench.tree.join("file");
    std::fs::write(&path, &bytes).unwrap();
    let id = bench.init().backup(&[&bench.tree]).snapshot.unwrap();
    let repository = bench.open();
    let mut file = repository.engine.open(&id, &path).unwrap();
    let mut whole = Vec::new();
    file.read_to_end(&mut whole).unwrap();
    assert_eq!(whole, bytes);
    let mut random = Random::new(2);
    for _ in 0..50 {
        let start = random.below(9_000_000);
        file.seek(SeekFrom::Start(start)).unwrap();
        let mut part = vec![0; 1000.min(9_000_000 - usize::try_from(start).unwrap())];
        file.read_exact(&mut part).unwrap();
        assert_eq!(part, bytes[usize::try_from(start).unwrap()..][..part.len()]);
    }
    assert_eq!(file.seek(SeekFrom::End(0)).unwrap(), 9_000_000);
    assert!(repository.engine.open(&id, &bench.tree).is_err(), "a folder is no file");
}

#[test]
fn a_part_of_a_snapshot_is_restored() {
    let bench = Bench::with_plain_tree(1);
    bench.init().backup(&[&bench.tree]);
    let target = bench.path("target");
    let wanted = bench.tree.join("folder-001");
    let mut request = restore_to(SnapshotRef::Latest, &target);
    request.paths = vec![wanted.clone()];
    let report = bench.open().engine.restore(&request, &Silent).unwrap();
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    assert_same(
        &picture(&wanted),
        &picture(&below(&target, &wanted)),
        Compare::default(),
    );
    assert!(!below(&target, &bench.tree).join("folder-000").exists());
}

/// A second restore finds everything right and writes nothing; a damaged file is put right.
#[test]
fn a_restore_over_a_restore_writes_what_differs() {
    let bench = Bench::with_plain_tree(1);
    let saved = bench.picture();
    bench.init().backup(&[&bench.tree]);
    let target = bench.path("target");
    bench.open().restore(SnapshotRef::Latest, &target);
    let again = bench.open().restore(SnapshotRef::Latest, &target);
    assert_eq!((again.files_restored, again.bytes_restored), (0, 0));
    assert_eq!(again.files_skipped, 150);
    let restored = below(&target, &bench.tree);
    std::fs::write(restored.join("folder-000/file-00007"), b"damaged").unwrap();
    std::fs::write(restored.join("folder-000/extra"), b"more").unwrap();
    let third = bench.open().restore(SnapshotRef::Latest, &target);
    assert_eq!(third.files_restored, 1);
    assert!(
        restored.join("folder-000/extra").exists(),
        "nothing is deleted that was not asked for"
    );

    let mut request = restore_to(SnapshotRef::Latest, &target);
    request.delete_extra = true;
    request.verify = true;
    let report = bench.open().engine.restore(&request, &Silent).unwrap();
    assert_eq!((report.deleted, report.files_verified), (1, 150));
    assert_same(&saved, &picture(&restored), Compare::default());
}

#[test]
fn nothing_is_written_in_a_dry_run() {
    let bench = Bench::with_plain_tree(1);
    drop(bench.init());
    let before = crate::common::objects(&bench.repository, "");
    let request = engine_api::BackupRequest {
        dry_run: true,
        ..holdfast_tests::holdfast::backup_of(&[&bench.tree])
    };
    let report = bench.open().engine.backup(&request, &Silent).unwrap();
    assert_eq!(report.snapshot, None);
    assert_eq!(report.files.new, 150);
    assert!(report.bytes_added > 0);
    assert_eq!(crate::common::objects(&bench.repository, ""), before);

    bench.open().backup(&[&bench.tree]);
    let mut request = restore_to(SnapshotRef::Latest, &bench.path("target"));
    request.dry_run = true;
    bench.open().engine.restore(&request, &Silent).unwrap();
    assert!(!bench.path("target").exists() || std::fs::read_dir(bench.path("target")).unwrap().count() == 0);
}
