//! A destination that is full, goes away, or takes no writes.

use engine_api::{ErrorKind, StoreErrorKind};
use holdfast_tests::holdfast::{Repository, local};
use holdfast_tests::mount::{Mount, NO_MOUNT};
use holdfast_tests::{corpus, need, restic};

use crate::common::Bench;

fn store_kind(error: &engine_api::Error) -> Option<StoreErrorKind> {
    let own = error.downcast_ref::<engine_restic::Error>();
    match own {
        Some(engine_restic::Error::Store(error)) => Some(error.kind),
        _ => None,
    }
}

#[test]
fn a_full_disk_leaves_a_good_repository() {
    let bench = Bench::with_plain_tree(1);
    let mount = need!(Mount::memory(&bench.repository, "14m"), NO_MOUNT);
    let saved = bench.picture();
    bench.init().backup(&[&bench.tree]);
    std::fs::write(bench.tree.join("large"), corpus::Random::new(1).noise(30 << 20)).unwrap();
    for _ in 0..3 {
        let error = bench.open().try_backup(&[&bench.tree]).unwrap_err();
        assert_eq!(store_kind(&error), Some(StoreErrorKind::NoSpace), "{}", error.chain());
        assert!(error.hint().unwrap().contains("room"));
    }
    bench.open().check();
    bench.assert_restores(&saved);
    // With more room the next run goes on.
    mount.remount("size=80m");
    bench.open().backup(&[&bench.tree]);
    bench.open().check();
    bench.assert_restores(&bench.picture());
    if let Some(program) = restic::newest() {
        bench.restic(&program).check();
    }
    // And a full disk can be made less full: that is what prune is for.
    std::fs::remove_file(bench.tree.join("large")).unwrap();
    bench.open().backup(&[&bench.tree]);
    bench.open().keep_last(1).unwrap();
    let filler = std::fs::File::create(bench.repository.join("filler")).unwrap();
    let mut filler = std::io::BufWriter::new(filler);
    while std::io::Write::write_all(&mut filler, &[1; 4096]).is_ok() {}
    let pruned = bench.open().prune();
    bench.open().engine.unlock(true).unwrap();
    if let Err(error) = pruned {
        // Not one byte is free: the lock itself may not fit. It must say so, and harm nothing.
        assert_eq!(store_kind(&error), Some(StoreErrorKind::NoSpace), "{}", error.chain());
    }
    drop(filler);
    std::fs::remove_file(bench.repository.join("filler")).unwrap();
    bench.open().check();
    bench.open().prune().unwrap();
    bench.open().check();
}

#[test]
fn a_read_only_destination_is_told_as_such() {
    let bench = Bench::with_plain_tree(1);
    let mount = need!(Mount::memory(&bench.repository, "40m"), NO_MOUNT);
    let saved = bench.picture();
    bench.init().backup(&[&bench.tree]);
    mount.remount("ro");
    let error = bench.open().try_backup(&[&bench.tree]).unwrap_err();
    assert_eq!(store_kind(&error), Some(StoreErrorKind::ReadOnly), "{}", error.chain());
    // What needs no writing goes on.
    assert_eq!(bench.open().snapshots().len(), 1);
    bench.assert_restores(&saved);
}

/// The disk is unmounted in mid-run: nothing lands on the disk below, and the error says what happened.
#[test]
fn a_repository_that_vanishes_in_mid_run() {
    let bench = Bench::with_plain_tree(1);
    let mount = need!(Mount::memory(&bench.repository, "100m"), NO_MOUNT);
    let repository = bench.init();
    repository.backup(&[&bench.tree]);
    corpus::plain_tree(&bench.tree.join("more"), 2, 100, 20_000);
    drop(mount);
    let error = repository.try_backup(&[&bench.tree]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage);
    assert_eq!(store_kind(&error), Some(StoreErrorKind::Vanished), "{}", error.chain());
    assert!(error.hint().unwrap().contains("mounted"));
    assert_eq!(std::fs::read_dir(&bench.repository).unwrap().count(), 0);
    // And opening what is left finds no repository, rather than making one.
    let error = Repository::on(local(&bench.repository)).err().unwrap();
    assert_eq!(engine_api::Failure::kind(&error), ErrorKind::NoRepository);
}
