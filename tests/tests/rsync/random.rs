//! Random trees and random edits: every snapshot is the tree at its moment, and stays so.

use std::fs;
use std::os::unix::fs::FileExt;

use fstree::testing::{Dice, mutate, random_tree};
use holdfast_tests::corpus::Random;
use proptest::prelude::*;

use crate::common::Bench;

proptest! {
    #![proptest_config(ProptestConfig { cases: 14, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_snapshot_stays_what_it_was(seed in any::<u64>(), turns in 2..5_usize) {
        let mut dice = Dice::new(seed);
        let bench = Bench::new();
        random_tree(&bench.tree, &mut dice, 50).unwrap();
        let mut history = Vec::new();
        for turn in 0..turns {
            let seals = bench.seals();
            let id = bench.backup();
            bench.assert_sealed(&seals, &format!("seed {seed}, turn {turn}"));
            bench.assert_restores(&id, &bench.picture());
            history.push((id, bench.picture()));
            mutate(&bench.tree, &mut dice, 12).unwrap();
        }
        bench.open().check();
        for (id, saved) in history {
            bench.assert_restores(&id, &saved);
        }
    }

    /// A large file of which little changed: cut off, grown, overwritten here and there, turned into holes.
    #[test]
    fn large_files_that_change_a_little(seed in any::<u64>(), acts in prop::collection::vec(0..6_u8, 1..6)) {
        let bench = Bench::new();
        let large = bench.tree.join("large");
        let mut random = Random::new(seed);
        fs::write(&large, random.noise(5 << 20)).unwrap();
        bench.backup();
        for act in acts {
            let file = fs::File::options().read(true).write(true).open(&large).unwrap();
            let len = file.metadata().unwrap().len();
            let at = random.below(len.max(1));
            match act {
                0 => file.set_len(len / 2).unwrap(),
                1 => file.set_len(len + 3_000_000).unwrap(),
                2 => file.write_all_at(&random.noise(4096), at).unwrap(),
                3 => file.write_all_at(&vec![0; 300_000], at).unwrap(),
                4 => file.write_all_at(&random.noise(1_000_000), len).unwrap(),
                _ => (0..50).for_each(|_| file.write_all_at(b"x", random.below(len.max(1))).unwrap()),
            }
            let seals = bench.seals();
            let id = bench.backup();
            bench.assert_sealed(&seals, &format!("seed {seed}, act {act}"));
            bench.assert_restores(&id, &bench.picture());
        }
        bench.open().check();
    }
}
