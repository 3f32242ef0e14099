//! Random trees and random sequences of edits, restored bit for bit.

use engine_api::SnapshotRef;
use fstree::testing::{Dice, mutate, random_tree};
use holdfast_tests::corpus::{self, Random};
use holdfast_tests::restic;
use proptest::prelude::*;

use crate::common::Bench;

/// One thing that happens to a tree between two backups.
#[derive(Debug, Clone)]
enum Act {
    Edit(u64),
    Append(u64),
    InsertInTheMiddle(u64),
    Move,
    Touch,
    Prune(u32),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => any::<u64>().prop_map(Act::Edit),
        2 => any::<u64>().prop_map(Act::Append),
        2 => any::<u64>().prop_map(Act::InsertInTheMiddle),
        1 => Just(Act::Move),
        1 => Just(Act::Touch),
        1 => (1..3u32).prop_map(Act::Prune),
    ]
}

fn apply(bench: &Bench, act: &Act, turn: usize) {
    let large = bench.tree.join("large");
    match act {
        Act::Edit(seed) => corpus::edit_plain_tree(&bench.tree.join("plain"), *seed, 5),
        Act::Append(seed) => {
            let mut bytes = std::fs::read(&large).unwrap();
            bytes.extend(Random::new(*seed).noise(100_000));
            std::fs::write(&large, bytes).unwrap();
        }
        Act::InsertInTheMiddle(seed) => {
            let mut bytes = std::fs::read(&large).unwrap();
            let middle = bytes.len() / 2;
            bytes.splice(middle..middle, Random::new(*seed).text(1234));
            std::fs::write(&large, bytes).unwrap();
        }
        Act::Move => std::fs::rename(&bench.tree, bench.tree.with_extension("moved"))
            .and_then(|()| std::fs::rename(bench.tree.with_extension("moved"), &bench.tree))
            .unwrap(),
        Act::Touch => {
            let file = std::fs::File::options().write(true).open(&large).unwrap();
            file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(turn as u64))
                .unwrap();
        }
        Act::Prune(keep) => {
            bench.open().keep_last(*keep).unwrap();
            bench.open().prune().unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_edits_are_restored(seed in any::<u64>(), acts in prop::collection::vec(act(), 1..6)) {
        let bench = Bench::new();
        corpus::plain_tree(&bench.tree.join("plain"), seed, 40, 9_000);
        std::fs::write(bench.tree.join("large"), Random::new(seed).noise(3 << 20)).unwrap();
        bench.init().backup(&[&bench.tree]);
        for (turn, act) in acts.iter().enumerate() {
            apply(&bench, act, turn);
            bench.open().backup(&[&bench.tree]);
            bench.assert_restores(&bench.picture());
        }
        bench.open().check();
        if let Some(program) = restic::newest() {
            let restic = bench.restic(&program);
            restic.check();
            bench.assert_restic_restores(&restic, restic.snapshots().last().unwrap(), &bench.picture());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    /// Trees with everything odd in them, changed in every odd way; restored with Holdfast each time, and with the real
    /// restic at the end.
    #[test]
    fn random_trees_are_restored(seed in any::<u64>(), turns in 1..5_usize) {
        let mut dice = Dice::new(seed);
        let bench = Bench::new();
        random_tree(&bench.tree, &mut dice, 60).unwrap();
        drop(bench.init());
        for _ in 0..turns {
            bench.open().backup(&[&bench.tree]);
            bench.assert_restores(&bench.picture());
            mutate(&bench.tree, &mut dice, 15).unwrap();
        }
        bench.open().check();
        if let Some(program) = restic::at_least(&[0, 17]) {
            let saved = bench.picture();
            let id = bench.open().backup(&[&bench.tree]).snapshot.unwrap();
            let restic = bench.restic(&program);
            restic.check();
            bench.assert_restic_restores(&restic, &id.0, &saved);
        }
    }
}

/// Every snapshot of a long history stays what it was when it was made.
#[test]
fn old_snapshots_do_not_change() {
    let bench = Bench::with_plain_tree(8);
    let mut history = Vec::new();
    drop(bench.init());
    for turn in 0..8 {
        let id = bench.open().backup(&[&bench.tree]).snapshot.unwrap();
        history.push((id, bench.picture()));
        corpus::edit_plain_tree(&bench.tree, turn, 5);
        if turn % 3 == 2 {
            bench.open().prune().unwrap();
        }
    }
    for (id, saved) in history {
        bench.assert_restores_snapshot(SnapshotRef::Id(id.0), &saved);
    }
}
