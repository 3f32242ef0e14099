use std::fs;
use std::path::PathBuf;

use engine_api::{Entry, ErrorKind, Failure, RepairRequest, Silent, SnapshotId};
use fstree::testing::{Dice, mutate, random_tree};

use crate::testing::Bench;

fn bench() -> Bench {
    let mut bench = Bench::new();
    let mut dice = Dice::new(11);
    random_tree(&bench.source(), &mut dice, 60).unwrap();
    fs::write(bench.source().join("long"), vec![b'x'; 300_000]).unwrap();
    bench.backup().unwrap();
    mutate(&bench.source(), &mut dice, 30).unwrap();
    fs::write(bench.source().join("long"), vec![b'y'; 200_000]).unwrap();
    bench.backup().unwrap();
    bench
}

fn entries(bench: &Bench) -> Vec<(PathBuf, u32, u64)> {
    let id = bench
        .engine()
        .collection()
        .unwrap()
        .latest_set()
        .unwrap()
        .id
        .end()
        .to_string();
    let mut entries = Vec::new();
    let mut each = |entry: Entry| {
        entries.push((entry.path, entry.metadata.mode, entry.metadata.size));
        std::ops::ControlFlow::Continue(())
    };
    crate::entries::run(&bench.engine(), &SnapshotId(id), None, &mut each).unwrap();
    entries
}

#[test]
fn signatures_that_are_lost_are_made_anew() {
    let mut bench = bench();
    let before = entries(&bench);
    bench.memory.lose("signatures");
    fs::remove_dir_all(bench.archive()).unwrap();
    // From the volumes alone the same is listed.
    assert_eq!(entries(&bench), before);
    let index = RepairRequest {
        index: true,
        ..RepairRequest::default()
    };
    let dry = RepairRequest {
        dry_run: true,
        ..index.clone()
    };
    assert_eq!(super::run(&bench.engine(), &dry, &Silent).unwrap().actions.len(), 2);
    assert!(!bench.memory.names().iter().any(|name| name.contains("signatures")));
    let report = super::run(&bench.engine(), &index, &Silent).unwrap();
    assert_eq!((report.actions.len(), report.left.len()), (2, 0), "{report:?}");
    assert_eq!(entries(&bench), before);
    bench.backup().unwrap();
    let collection = bench.engine().collection().unwrap();
    assert_eq!((collection.chains.len(), collection.chains[0].sets.len()), (1, 3));
    bench.assert_latest_is_the_tree("on signatures made anew");
}

#[test]
fn nothing_to_repair_is_said() {
    let bench = bench();
    let all = RepairRequest {
        index: true,
        snapshots: true,
        ..RepairRequest::default()
    };
    let report = super::run(&bench.engine(), &all, &Silent).unwrap();
    assert_eq!((report.actions.len(), report.left.len()), (1, 0), "{report:?}");
    let nothing = RepairRequest::default();
    assert_eq!(
        super::run(&bench.engine(), &nothing, &Silent).unwrap_err().kind(),
        ErrorKind::Usage
    );
}
