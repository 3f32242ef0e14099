//! The chunker's cuts are restic's, for polynomials that restic chose itself.

use std::collections::BTreeSet;
use std::fs;

use holdfast_tests::corpus::Random;
use holdfast_tests::need;
use holdfast_tests::restic::{self, Restic};
use serde_json::Value;

use crate::common::Bench;

/// Files whose cuts could go wrong: random, repetitive, around the limits of a chunk's size, and all zeros.
fn write_files(bench: &Bench, seed: u64) {
    let mut random = Random::new(seed);
    let file = |name: &str, bytes: Vec<u8>| fs::write(bench.tree.join(name), bytes).unwrap();
    file("noise", random.noise(20 << 20));
    file("text", random.text(12 << 20));
    file("zeros", vec![0; 20 << 20]);
    file("ones", vec![0xff; 9 << 20]);
    let period = random.noise(1000);
    file("period", period.iter().copied().cycle().take(10 << 20).collect());
    for size in [
        (512 << 10) - 1,
        512 << 10,
        (512 << 10) + 1,
        (8 << 20) - 1,
        8 << 20,
        (8 << 20) + 1,
    ] {
        file(&format!("noise-{size}"), random.noise(size));
        file(&format!("zeros-{size}"), vec![0; size]);
    }
}

/// The content of every file as the list of its chunks' names.
fn cuts(restic: &Restic, snapshot: &str) -> Vec<(String, Vec<String>)> {
    let snapshot = restic.json(&["cat", "snapshot", snapshot]);
    let mut trees = vec![(String::new(), snapshot["tree"].as_str().unwrap().to_owned())];
    let mut files = Vec::new();
    while let Some((path, tree)) = trees.pop() {
        let tree = restic.json(&["cat", "blob", &tree]);
        for node in tree["nodes"].as_array().unwrap() {
            let name = format!("{path}/{}", node["name"].as_str().unwrap());
            if let Some(subtree) = node["subtree"].as_str() {
                trees.push((name, subtree.to_owned()));
            } else {
                let content = node["content"].as_array().cloned().unwrap_or_default();
                let ids = content.iter().map(Value::as_str).map(|id| id.unwrap().to_owned());
                files.push((name, ids.collect()));
            }
        }
    }
    files.sort();
    files
}

#[test]
fn cuts_are_those_of_restic() {
    let program = need!(restic::newest(), "restic is not installed");
    let mut polynomials = BTreeSet::new();
    for seed in 1..=4 {
        let bench = Bench::new();
        write_files(&bench, seed);
        let restic = bench.restic(&program);
        if seed % 2 == 0 {
            restic.run(&["init"]);
        } else {
            // Polynomials that Holdfast chose are good ones, too.
            drop(bench.init());
        }
        let config = restic.json(&["cat", "config"]);
        polynomials.insert(config["chunker_polynomial"].as_str().unwrap().to_owned());
        restic.backup(&[&bench.tree]);
        bench.open().engine_backup_afresh(&bench);
        let ids = restic.snapshots();
        let [theirs, ours] = ids.as_slice() else {
            panic!("{ids:?}");
        };
        let (theirs, ours) = (cuts(&restic, theirs), cuts(&restic, ours));
        assert!(theirs.iter().map(|file| file.1.len()).sum::<usize>() > 60);
        assert_eq!(ours, theirs);
    }
    assert_eq!(polynomials.len(), 4);
}

trait Afresh {
    fn engine_backup_afresh(&self, bench: &Bench);
}

impl Afresh for holdfast_tests::holdfast::Repository {
    /// Reads every file, as if there were no snapshot before.
    fn engine_backup_afresh(&self, bench: &Bench) {
        let request = engine_api::BackupRequest {
            force_read: true,
            ..holdfast_tests::holdfast::backup_of(&[&bench.tree])
        };
        engine_api::Engine::backup(&self.engine, &request, &engine_api::Silent).unwrap();
    }
}
