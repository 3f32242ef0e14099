//! A tree with one of everything that a Linux filesystem can hold, both ways.

use fstree::testing::{ZooOptions, build_zoo};
use holdfast_tests::restic::{self, Program};
use holdfast_tests::{need, skip};

use crate::common::Bench;

/// Paths of more than 4,096 bytes are left out where the real restic has to follow: it cannot.
fn zoo(deep: bool) -> Bench {
    let bench = Bench::new();
    let options = ZooOptions {
        deep,
        ..ZooOptions::default()
    };
    let missing = build_zoo(&bench.tree, options).unwrap();
    if !missing.is_empty() {
        skip::partly("a part of the zoo", &missing.join("; "));
    }
    bench
}

fn with_each(test: impl Fn(&Program)) {
    let programs = restic::programs();
    need!((!programs.is_empty()).then_some(()), "restic is not installed");
    for program in programs {
        test(&program);
    }
}

#[test]
fn holdfast_alone() {
    let bench = zoo(true);
    let saved = bench.picture();
    bench.init().backup(&[&bench.tree]);
    bench.open().check();
    bench.assert_restores_what_the_format_holds(&saved);
    // Again, with a parent: what is taken over from there must be as good.
    bench.open().backup(&[&bench.tree]);
    bench.assert_restores_what_the_format_holds(&saved);
    if let Some(program) = restic::newest() {
        bench.restic(&program).check();
    }
}

#[test]
fn holdfast_writes_and_restic_restores() {
    with_each(|program| {
        let bench = zoo(false);
        let saved = bench.picture();
        let id = bench.init().backup(&[&bench.tree]).snapshot.unwrap();
        let restic = bench.restic(program);
        restic.check();
        bench.assert_restic_restores(&restic, &id.0, &saved);
    });
}

#[test]
fn restic_writes_and_holdfast_restores() {
    with_each(|program| {
        let bench = zoo(false);
        let saved = bench.picture();
        let restic = bench.restic_init(program);
        restic.backup(&[&bench.tree]);
        bench.open().check();
        bench.assert_restores_from(&restic, &saved);
        // What restic saved is a parent as good as an own one.
        let report = bench.open().backup(&[&bench.tree]);
        assert!(report.parent.is_some());
        bench.assert_restores_what_the_format_holds(&saved);
        restic.check();
    });
}

/// The listings are the same to the byte, so that nothing is stored again when the programs take turns.
#[test]
fn listings_of_both_are_the_same() {
    let program = need!(restic::at_least(&[0, 17]), "no restic of 0.17 or newer is here");
    let bench = zoo(false);
    let restic = bench.restic_init(&program);
    restic.backup(&[&bench.tree]);
    bench.open().backup(&[&bench.tree]);
    let listings = restic.snapshots().into_iter().map(|id| {
        // The folders above the tree are not ours alone.
        restic.json(&["cat", "tree", &format!("{id}:{}", bench.tree.display())])
    });
    let listings: Vec<_> = listings.collect();
    if listings[0] != listings[1] {
        let ids = restic.snapshots();
        let said = restic.run(&["diff", "--metadata", &ids[0], &ids[1]]);
        panic!("the same tree has two names; restic sees these differences:\n{said}");
    }
}
