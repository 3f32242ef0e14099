//! How often the storage is asked: what a slow link makes expensive stays cheap.

use engine_api::{Engine, Silent, SnapshotFilter};
use holdfast_tests::faults::{Count, Gated};
use holdfast_tests::holdfast::{Repository, local};

use crate::common::Bench;

/// Runs `act` on an opened repository and counts its calls, those of the opening not included.
fn count(bench: &Bench, act: impl FnOnce(&Repository)) -> (u64, u64) {
    let gated = Gated::new(local(&bench.repository), Count::default());
    let repository = Repository::on(gated.clone()).unwrap();
    let before = (gated.gate.reads(), gated.gate.writes());
    act(&repository);
    (gated.gate.reads() - before.0, gated.gate.writes() - before.1)
}

#[test]
fn opening_takes_few_calls() {
    let bench = Bench::new();
    drop(bench.init());
    let gated = Gated::new(local(&bench.repository), Count::default());
    drop(Repository::on(gated.clone()).unwrap());
    assert!(gated.gate.calls() <= 4, "{} calls", gated.gate.calls());
}

/// The number must not grow with the files of the tree.
#[test]
fn an_unchanged_backup_takes_few_calls() {
    let bench = Bench::with_plain_tree(1);
    bench.init().backup(&[&bench.tree]);
    let (reads, writes) = count(&bench, |repository| drop(repository.backup(&[&bench.tree])));
    // The lock and the snapshot are written and the lock removed; a listing and its index, because other tests change
    // the folder above the tree.
    assert!(writes <= 5, "{writes} writes");
    assert!(reads <= 40, "{reads} reads");

    holdfast_tests::corpus::plain_tree(&bench.tree.join("more"), 2, 600, 100);
    bench.open().backup(&[&bench.tree]);
    let (more_reads, more_writes) = count(&bench, |repository| drop(repository.backup(&[&bench.tree])));
    assert!(more_writes <= 5, "{more_writes} writes");
    assert!(
        more_reads <= reads + 30,
        "{reads} reads became {more_reads} with more files"
    );
}

#[test]
fn listing_snapshots_reads_each_once() {
    let bench = Bench::with_plain_tree(1);
    drop(bench.init());
    for _ in 0..5 {
        bench.open().backup(&[&bench.tree]);
    }
    let (reads, writes) = count(&bench, |repository| {
        let found = repository
            .engine
            .snapshots(&SnapshotFilter::default(), &Silent)
            .unwrap();
        assert_eq!(found.len(), 5);
    });
    assert!(reads <= 8, "{reads} reads");
    // No lock, or one that is made and removed.
    assert!(writes <= 2, "{writes} writes");
}
