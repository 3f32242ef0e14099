//! Both ways with the real restic: what one program writes, the other checks, restores and goes on with.

use std::path::Path;

use engine_api::SnapshotRef;
use holdfast_tests::restic::{self, Program};
use holdfast_tests::{corpus, need};

use crate::common::{Bench, size};

/// Runs `test` with every restic of this machine.
fn with_each(test: impl Fn(&Program)) {
    let programs = restic::programs();
    need!((!programs.is_empty()).then_some(()), "restic is not installed");
    for program in programs {
        test(&program);
    }
}

#[test]
fn restic_restores_what_holdfast_wrote() {
    with_each(|program| {
        let bench = Bench::with_plain_tree(1);
        let saved = bench.picture();
        let id = bench.init().backup(&[&bench.tree]).snapshot.unwrap();
        let restic = bench.restic(program);
        restic.check();
        assert_eq!(restic.snapshots(), std::slice::from_ref(&id.0));
        bench.assert_restic_restores(&restic, &id.0, &saved);
    });
}

#[test]
fn holdfast_restores_what_restic_wrote() {
    with_each(|program| {
        let bench = Bench::with_plain_tree(2);
        let saved = bench.picture();
        let restic = bench.restic_init(program);
        restic.backup(&[&bench.tree]);
        let repository = bench.open();
        repository.check();
        let listed: Vec<String> = repository
            .snapshots()
            .into_iter()
            .map(|snapshot| snapshot.id.0)
            .collect();
        assert_eq!(listed, restic.snapshots());
        bench.assert_restores(&saved);
    });
}

/// In turn in one repository: neither stores again what the other has stored, and both see all snapshots.
#[test]
fn taking_turns_adds_only_what_is_new() {
    with_each(|program| {
        let bench = Bench::with_plain_tree(3);
        // Large enough that every program cuts it into many chunks.
        let large = corpus::Random::new(33).noise(12 << 20);
        std::fs::write(bench.tree.join("large"), large).unwrap();
        let restic = bench.restic_init(program);
        let mut pictures = Vec::new();
        for turn in 0..6 {
            let before = size(&bench.repository);
            pictures.push(bench.picture());
            if turn % 2 == 0 {
                bench.open().backup(&[&bench.tree]);
            } else {
                restic.backup(&[&bench.tree]);
            }
            let added = size(&bench.repository) - before;
            assert!(
                turn == 0 || added < 600_000,
                "turn {turn} added {added} bytes with restic {:?}",
                program.version
            );
            corpus::edit_plain_tree(&bench.tree, turn, 20);
        }
        restic.check();
        bench.open().check();
        let ids = restic.snapshots();
        for (id, saved) in ids.iter().zip(&pictures) {
            bench.assert_restores_snapshot(SnapshotRef::Id(id.clone()), saved);
            bench.assert_restic_restores(&restic, id, saved);
        }
    });
}

/// The same tree saved by the other program: nothing but a snapshot and perhaps listings is added.
#[test]
fn the_same_tree_is_stored_once() {
    with_each(|program| {
        for holdfast_first in [true, false] {
            let bench = Bench::with_plain_tree(4);
            let restic = bench.restic_init(program);
            let backup = |by_holdfast: bool| {
                if by_holdfast {
                    bench.open().backup(&[&bench.tree]);
                } else {
                    restic.run(&["backup".as_ref(), "--force".as_ref(), bench.tree.as_os_str()]);
                }
            };
            backup(holdfast_first);
            let before = data_bytes(&restic);
            backup(!holdfast_first);
            assert_eq!(data_bytes(&restic), before, "file content was stored twice");
        }
    });
}

/// Bytes of all file content that the repository has, each once.
fn data_bytes(restic: &restic::Restic) -> u64 {
    let index = restic.run(&["list", "index"]);
    let blobs = index.split_whitespace().flat_map(|id| {
        let file = restic.json(&["cat", "index", id]);
        let packs = file["packs"].as_array().unwrap().clone();
        packs
            .into_iter()
            .flat_map(|pack| pack["blobs"].as_array().unwrap().clone())
    });
    blobs
        .filter(|blob| blob["type"] == "data")
        .map(|blob| {
            blob["uncompressed_length"]
                .as_u64()
                .or(blob["length"].as_u64())
                .unwrap()
        })
        .sum()
}

/// Each forgets and prunes what the other has written; what stays is whole for both.
#[test]
fn pruning_each_others_snapshots() {
    with_each(|program| {
        for holdfast_prunes in [true, false] {
            let bench = Bench::with_plain_tree(5);
            let restic = bench.restic_init(program);
            for turn in 0..6 {
                if turn % 2 == 0 {
                    bench.open().backup(&[&bench.tree]);
                } else {
                    restic.backup(&[&bench.tree]);
                }
                corpus::edit_plain_tree(&bench.tree, 50 + turn, 6);
            }
            let saved = bench.picture();
            bench.open().backup(&[&bench.tree]);
            let before = size(&bench.repository);
            if holdfast_prunes {
                bench.open().keep_last(2).unwrap();
                bench.open().prune().unwrap();
            } else {
                restic.run(&["forget", "--keep-last", "2", "--group-by", "", "--prune"]);
            }
            assert!(size(&bench.repository) < before, "nothing was pruned");
            restic.check();
            bench.open().check();
            let ids = restic.snapshots();
            assert_eq!(ids.len(), 2);
            bench.assert_restores(&saved);
            bench.assert_restic_restores(&restic, ids.last().unwrap(), &saved);
        }
    });
}

/// Listings agree: every path of a snapshot, with type and size.
#[test]
fn listings_agree() {
    let program = need!(restic::newest(), "restic is not installed");
    let bench = Bench::with_plain_tree(6);
    let id = bench.init().backup(&[&bench.tree]).snapshot.unwrap();
    let restic = bench.restic(&program);
    let printed = restic.run(&["ls", "--json", &id.0]);
    let mut theirs: Vec<(String, u64)> = printed
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter(|line| line["struct_type"] == "node")
        .map(|node| {
            (
                node["path"].as_str().unwrap().to_owned(),
                node["size"].as_u64().unwrap_or(0),
            )
        })
        .collect();
    theirs.sort();
    let repository = bench.open();
    let mut ours = Vec::new();
    let each = &mut |entry: engine_api::Entry| {
        ours.push((entry.path.to_str().unwrap().to_owned(), entry.metadata.size));
        std::ops::ControlFlow::Continue(())
    };
    engine_api::Engine::entries(&repository.engine, &id, None, each).unwrap();
    ours.sort();
    assert_eq!(ours, theirs);
}

/// What restic removes from an index is believed, and what Holdfast indexed is found by restic's rebuild.
#[test]
fn each_mends_the_index_of_the_other() {
    with_each(|program| {
        let bench = Bench::with_plain_tree(7);
        let saved = bench.picture();
        bench.init().backup(&[&bench.tree]);
        let restic = bench.restic(program);
        remove_all(&bench.repository.join("index"));
        let command: &[&str] = if program.version.as_slice() >= [0, 16].as_slice() {
            &["repair", "index"]
        } else {
            &["rebuild-index"]
        };
        restic.run(command);
        restic.check();
        bench.assert_restores(&saved);

        remove_all(&bench.repository.join("index"));
        bench.open().repair().unwrap();
        restic.check();
        bench.open().check();
        bench.assert_restores(&saved);
    });
}

fn remove_all(dir: &Path) {
    for item in std::fs::read_dir(dir).unwrap() {
        std::fs::remove_file(item.unwrap().path()).unwrap();
    }
}
