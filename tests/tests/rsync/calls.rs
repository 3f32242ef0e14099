//! How often the place is asked: over a network every call is a journey.

use engine_api::StoreErrorKind;
use holdfast_tests::corpus;
use holdfast_tests::files::{Fail, GatedFiles};
use holdfast_tests::rsync::{Place, local};

use crate::common::Bench;

const FILES: u64 = 1000;

#[test]
fn a_file_costs_few_calls() {
    let bench = Bench::new();
    corpus::plain_tree(&bench.tree, 1, FILES, 3000);
    let run = || {
        let gated = GatedFiles::new(local(&bench.destination), Fail::Never, StoreErrorKind::Other);
        Place::on(gated.clone()).backup(&bench.tree, bench.tick());
        gated.calls()
    };
    let (first, first_reads) = run();
    let (second, second_reads) = run();
    println!("{FILES} files: {first} writing and {first_reads} reading calls, then {second} and {second_reads}");
    // Made, written, given its metadata, closed, perhaps synced.
    assert!(first < FILES * 6, "{first} calls for a first backup");
    assert!(
        first_reads < FILES / 2,
        "{first_reads} reading calls for a first backup"
    );
    // Linked; one look at it in the snapshot before.
    assert!(second < FILES * 5 / 4, "{second} calls when nothing changed");
    assert!(
        second_reads < FILES * 5 / 4,
        "{second_reads} reading calls when nothing changed"
    );
}
