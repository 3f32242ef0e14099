//! Random trees with random changes: what Holdfast saved, it and the real programs restore.

use engine_api::SnapshotRef;
use fstree::testing::{Dice, mutate, random_tree};
use holdfast_tests::duplicity::history::{History, Side, Step};
use holdfast_tests::duplicity::ours::{Holdfast, seconds};
use holdfast_tests::duplicity::programs;
use holdfast_tests::duplicity::real::Duplicity;
use holdfast_tests::holdfast::restore_to;
use holdfast_tests::tree::{Compare, assert_same, below, picture};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_histories_are_restored(seed in any::<u64>(), turns in 1..5_usize) {
        let mut dice = Dice::new(seed);
        let mut history = History::of_empty();
        random_tree(&history.source, &mut dice, 60).unwrap();
        let ours = Holdfast::new(&history.target);
        for turn in 0..turns {
            // Here and there a new chain.
            let step = if turn % 3 == 0 { Step::Full } else { Step::Incremental };
            history.save(&ours, step);
            mutate(&history.source, &mut dice, 15).unwrap();
        }
        for (time, saved) in &history.states {
            let target = tempfile::tempdir().unwrap();
            let request = restore_to(SnapshotRef::At(seconds(*time)), target.path());
            let report = ours.try_restore(&history.source, &request).unwrap();
            prop_assert!(report.problems.is_empty(), "{:?}", report.problems);
            // With everything that the format itself has no word for.
            assert_same(saved, &picture(&below(target.path(), &history.source)), Compare::default());
        }
        ours.check(&history.source);
        for program in programs::both().unwrap_or_default() {
            history.assert_restores(&Duplicity::new(&program, &history.target));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whoever's turn it is; what changes gets a time of its own, for the original looks at nothing else.
    #[test]
    fn random_turns_are_restored(seed in any::<u64>(), turns in prop::collection::vec(0..3_usize, 2..5)) {
        let mut dice = Dice::new(seed);
        let mut history = History::of_empty();
        random_tree(&history.source, &mut dice, 40).unwrap();
        let ours = Holdfast::new(&history.target);
        let real: Vec<_> = programs::both().unwrap_or_default();
        let real: Vec<_> = real.iter().map(|program| Duplicity::new(program, &history.target)).collect();
        let mut step = Step::Full;
        for turn in turns {
            let side = real.get(turn).map_or(&ours as &dyn Side, |real| real);
            history.save(side, step);
            step = Step::Incremental;
            mutate(&history.source, &mut dice, 10).unwrap();
            later(&history);
        }
        history.assert_restores(&ours);
        for real in &real {
            history.assert_restores_latest(real);
        }
    }
}

/// Moves the times of all files on by some seconds, differently for each state.
fn later(history: &History) {
    let by = i64::try_from(history.states.len()).unwrap() * 10;
    for (path, item) in picture(&history.source) {
        let is_file = rustix::fs::FileType::from_raw_mode(item.mode).is_file();
        if is_file {
            let path = history.source.join(path);
            holdfast_tests::duplicity::tree_g::set_time(&path, 1_500_000_000 + by, 0);
        }
    }
}
