use std::fs;

use engine_api::SnapshotFilter;

use super::*;
use crate::manifests;
use crate::testing::Bench;

/// Two chains; names come, go, come back, and change what they are.
fn bench() -> Bench {
    let mut bench = Bench::new();
    let root = bench.source();
    fs::create_dir(root.join("folder")).unwrap();
    fs::write(root.join("a.txt"), "one").unwrap();
    fs::write(root.join("folder/b.txt"), "two").unwrap();
    bench.backup().unwrap();
    fs::write(root.join("a.txt"), "longer").unwrap();
    fs::remove_file(root.join("folder/b.txt")).unwrap();
    bench.backup().unwrap();
    fs::create_dir(root.join("folder/b.txt")).unwrap();
    fs::write(root.join("folder/b.txt/c.txt"), "three").unwrap();
    bench.backup().unwrap();
    fs::remove_dir_all(root.join("folder/b.txt")).unwrap();
    fs::write(root.join("folder/b.txt"), "back").unwrap();
    bench.backup().unwrap();
    bench.mode = crate::BackupMode::Full;
    fs::remove_file(root.join("a.txt")).unwrap();
    bench.backup().unwrap();
    bench
}

fn request(pattern: &str, filter: SnapshotFilter) -> FindRequest {
    FindRequest {
        filter,
        patterns: vec![pattern.as_bytes().to_vec()],
        ignore_case: false,
    }
}

fn found(bench: &Bench, request: &FindRequest) -> Vec<Found> {
    let mut all = Vec::new();
    run(&bench.engine(), request, &mut |found| {
        all.push(found);
        ControlFlow::Continue(())
    })
    .unwrap();
    all
}

/// The same by the listing of each snapshot.
fn by_listings(bench: &Bench, request: &FindRequest) -> Vec<Found> {
    let engine = bench.engine();
    let matcher = Matcher::compile(&request.patterns).unwrap();
    let mut all = Vec::new();
    for snapshot in snapshots::list(&engine, &request.filter, &engine_api::Silent).unwrap() {
        crate::entries::run(&engine, &snapshot.id, None, &mut |entry| {
            if fits(&matcher, &entry.path, entry.metadata.kind) {
                all.push(Found {
                    snapshot: snapshot.id.clone(),
                    entry,
                });
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    }
    all
}

#[test]
fn a_sweep_through_a_chain_finds_what_the_listings_have() {
    let bench = bench();
    for (pattern, count) in [
        ("*.txt", 2 + 1 + 3 + 2 + 1),
        ("b.txt/", 1),
        ("folder", 5),
        ("nothing", 0),
    ] {
        let request = request(pattern, SnapshotFilter::default());
        let all = found(&bench, &request);
        assert_eq!(all, by_listings(&bench, &request), "{pattern}");
        assert_eq!(all.len(), count, "{pattern}: {all:#?}");
    }
    let other = SnapshotFilter {
        tags: vec!["other".to_owned()],
        ..SnapshotFilter::default()
    };
    let other = request("*.txt", other);
    assert_eq!(found(&bench, &other), []);
}

#[test]
fn what_is_too_much_to_remember_is_found_one_by_one() {
    let bench = bench();
    let engine = bench.engine();
    let collection = engine.collection().unwrap();
    let restorable = collection.restorable();
    let group: Vec<Target<'_>> = restorable
        .iter()
        .take(4)
        .map(|(chain, set)| Target {
            id: SnapshotId(set.id.end().to_string()),
            chain,
            set,
            base: saved_folder(&manifests::load(&engine, set).unwrap()),
        })
        .collect();
    let matcher = Matcher::compile(&[b"*.txt".to_vec()]).unwrap();
    let hits = sweep(&engine, &group, &matcher, 6).unwrap();
    assert_eq!(hits.len(), 6, "each version of a name is remembered once");
    assert!(sweep(&engine, &group, &matcher, 5).is_none());
    let (mut swept, mut listed) = (Vec::new(), Vec::new());
    let flow = hand_over(&group, &hits, &mut |found| {
        swept.push(found);
        ControlFlow::Continue(())
    });
    assert!(flow.is_continue());
    let mut failure = None;
    let flow = one_by_one(
        &engine,
        &group,
        &matcher,
        &mut |found| {
            listed.push(found);
            ControlFlow::Continue(())
        },
        &mut failure,
    );
    assert!(flow.unwrap().is_continue() && failure.is_none());
    assert_eq!(swept, listed);
}
