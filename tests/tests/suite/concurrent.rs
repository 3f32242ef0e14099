//! Several programs at one repository at once.

use std::sync::Arc;
use std::time::Duration;

use engine_api::{BlobStore, ErrorKind, SnapshotRef};
use holdfast_tests::corpus;
use holdfast_tests::faults::{Gated, Slow};
use holdfast_tests::holdfast::{Repository, local};
use holdfast_tests::restic;
use holdfast_tests::tree::{Compare, assert_same, below, picture};

use crate::common::{Bench, objects};

#[test]
fn two_backups_at_once() {
    let bench = Bench::with_plain_tree(1);
    drop(bench.init());
    let second_tree = bench.path("second");
    corpus::plain_tree(&second_tree, 2, 100, 20_000);
    let slow = || -> Arc<dyn BlobStore> { Gated::new(local(&bench.repository), Slow(Duration::from_millis(5))) };
    let ids = std::thread::scope(|scope| {
        let trees = [&bench.tree, &second_tree];
        let threads = trees.map(|tree| {
            let store = slow();
            scope.spawn(move || Repository::on(store).unwrap().backup(&[tree]).snapshot.unwrap())
        });
        threads.map(|thread| thread.join().unwrap())
    });
    bench.open().check();
    assert_eq!(bench.open().snapshots().len(), 2);
    bench.assert_restores_snapshot(SnapshotRef::Id(ids[0].0.clone()), &bench.picture());
    if let Some(program) = restic::newest() {
        bench.restic(&program).check();
    }
}

/// A prune in the middle of a backup is refused, and takes nothing that the backup needs.
#[test]
fn a_prune_during_a_backup_harms_nothing() {
    let bench = Bench::with_plain_tree(1);
    bench.init().backup(&[&bench.tree]);
    corpus::plain_tree(&bench.tree.join("more"), 2, 200, 30_000);
    let store: Arc<dyn BlobStore> = Gated::new(local(&bench.repository), Slow(Duration::from_millis(100)));
    let pruner = bench.open();
    let (mut refused, mut done) = (0, 0);
    std::thread::scope(|scope| {
        let backup = scope.spawn(|| Repository::on(store).unwrap().try_backup(&[&bench.tree]).unwrap());
        while objects(&bench.repository, "locks").is_empty() {
            assert!(!backup.is_finished(), "the backup took no lock");
        }
        // The backup says what it is about to do before it looks what others do: from here on it is safe.
        while !backup.is_finished() {
            match pruner.prune() {
                Ok(_) => done += 1,
                Err(error) if error.kind() == ErrorKind::Locked => refused += 1,
                Err(error) => panic!("{}", error.chain()),
            }
        }
    });
    println!("{refused} prunes were refused, {done} done");
    assert!(refused > 0, "no prune met the backup");
    bench.open().check();
    bench.assert_restores(&bench.picture());
}

/// An engine that stays open sees what others do in the meantime.
#[test]
fn an_open_engine_sees_what_others_did() {
    let bench = Bench::with_plain_tree(1);
    let first = bench.init();
    first.backup(&[&bench.tree]);
    corpus::edit_plain_tree(&bench.tree, 3, 3);
    bench.open().backup(&[&bench.tree]);
    bench.open().keep_last(1).unwrap();
    bench.open().prune().unwrap();
    assert_eq!(first.snapshots().len(), 1);
    let target = bench.path("target");
    first.restore(SnapshotRef::Latest, &target);
    assert_same(
        &bench.picture(),
        &picture(&below(&target, &bench.tree)),
        Compare::default(),
    );
    // What the prune removed is stored again, though this engine once knew it as stored.
    std::fs::remove_dir_all(&bench.tree).unwrap();
    corpus::plain_tree(&bench.tree, 1, 150, 20_000);
    first.backup(&[&bench.tree]);
    first.check();
    bench.open().check();
    bench.assert_restores(&bench.picture());
}
