//! Memory that does not grow with what is saved.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use holdfast_tests::corpus::Random;
use holdfast_tests::need;
use holdfast_tests::restic::{self, Restic};
use holdfast_tests::seal::{MasterKey, name_of};

use crate::common::Bench;

/// Peak resident KiB of an operation in a process of its own.
fn peak(repository: &Path, operation: &str, path: Option<&Path>) -> u64 {
    let output = Command::new(env!("CARGO_BIN_EXE_holdfast-drive"))
        .arg(repository)
        .arg(operation)
        .args(path)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{operation}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("peak ")).unwrap();
    line.parse().unwrap()
}

/// More than what lies in queues and buffers, so that they are full in the smaller case already.
const SMALL: u64 = 256;
const LARGE: u64 = 1024;

/// How many buffers are full at the worst moment differs from run to run, in KiB. Between 128 MiB and 4 GiB of noise the
/// peak was between 118 and 142 MB.
const CHANCE: u64 = 40 << 10;

#[test]
fn a_large_file_takes_no_more_than_a_small_one() {
    let bench = Bench::new();
    drop(bench.init());
    let file = bench.tree.join("file");
    let write = |megabytes: u64| {
        let mut writer = fs::File::create(&file).unwrap();
        let mut random = Random::new(megabytes);
        for _ in 0..megabytes {
            writer.write_all(&random.noise(1 << 20)).unwrap();
        }
    };
    let target = bench.path("target");
    let copy = target.join(file.strip_prefix("/").unwrap());
    let measure = || {
        let saved = peak(&bench.repository, "backup", Some(&bench.tree));
        let restored = peak(&bench.repository, "restore", Some(&target));
        fs::remove_file(&copy).unwrap();
        (saved, restored)
    };
    write(SMALL);
    let small = measure();
    write(LARGE);
    let large = measure();
    println!("{SMALL} MiB: {small:?} KiB to save and to restore; {LARGE} MiB: {large:?} KiB");
    assert!(large.0 < small.0 + CHANCE, "{small:?} became {large:?} KiB");
    assert!(large.1 < small.1 + CHANCE, "{small:?} became {large:?} KiB");
}

#[test]
fn a_large_hole_takes_neither_memory_nor_room() {
    let bench = Bench::new();
    drop(bench.init());
    let file = bench.tree.join("file");
    fs::File::create(&file).unwrap().set_len(4 << 30).unwrap();
    let saved = peak(&bench.repository, "backup", Some(&bench.tree));
    let target = bench.path("target");
    let restored = peak(&bench.repository, "restore", Some(&target));
    println!("a hole of 4 GiB: {saved} KiB to save, {restored} KiB to restore");
    assert!(saved < 256 * 1024, "{saved} KiB");
    assert!(restored < 256 * 1024, "{restored} KiB");
    let metadata = target.join(file.strip_prefix("/").unwrap()).metadata().unwrap();
    assert_eq!(metadata.len(), 4 << 30);
    let blocks = std::os::unix::fs::MetadataExt::blocks(&metadata);
    assert!(blocks < 2048, "the hole takes {blocks} blocks");
}

/// Files of a kilobyte; the first of these numbers fills queues and buffers, the memory beyond it is for the files.
const FEW: u64 = 120_000;
const MANY: u64 = 220_000;

/// Every file of the test is a blob of its own, which the index may take so much for.
const INDEX: u64 = 64;

#[test]
fn many_files_take_little_each() {
    let bench = Bench::new();
    let first = bench.tree.join("first");
    fill(&first, 0, FEW);
    fill(&bench.tree.join("rest"), FEW, MANY);
    let measure = |name: String, tree: &Path| {
        let repository = bench.path(&name);
        drop(holdfast_tests::holdfast::Repository::init(&repository));
        let saved = peak(&repository, "backup", Some(tree));
        let again = peak(&repository, "backup", Some(tree));
        let target = bench.path(&format!("{name}-restored"));
        let restored = peak(&repository, "restore", Some(&target));
        fs::remove_dir_all(target).unwrap();
        [saved, again, restored]
    };
    let (mut few, mut many) = ([0; 3], [u64::MAX; 3]);
    let mut over = Vec::new();
    // On a busy machine buffers may never be full at once, which makes one peak smaller by more than the files take; what
    // grows with the files does so in every turn.
    for turn in 0..3 {
        for (few, new) in few.iter_mut().zip(measure(format!("few-{turn}"), &first)) {
            *few = new.max(*few);
        }
        for (many, new) in many.iter_mut().zip(measure(format!("many-{turn}"), &bench.tree)) {
            *many = new.min(*many);
        }
        over.clear();
        for ((name, few), many) in ["first backup", "second backup", "restore"].iter().zip(few).zip(many) {
            let each = many.saturating_sub(few) * 1024 / (MANY - FEW);
            println!("{name}: {few} KiB, {many} KiB, {each} bytes for each file");
            if each >= 100 + INDEX {
                over.push(format!("{name}: {each} bytes for each file"));
            }
        }
        if over.is_empty() {
            return;
        }
    }
    panic!("{over:?}");
}

/// Files with these numbers, as small as mails are; many thousands of them fill a pack.
fn fill(tree: &Path, from: u64, to: u64) {
    for number in from..to {
        let folder = tree.join(format!("{:03}", number / 500));
        if number % 500 == 0 {
            fs::create_dir_all(&folder).unwrap();
        }
        let content = Random::new(number + 1).noise(1000);
        fs::write(folder.join(format!("file-{number}")), content).unwrap();
    }
}

const BLOBS: u64 = 5_000_000;

/// Writes index files over packs that are not there, in the real format, under the real key.
fn fill_index(bench: &Bench, restic: &Restic) {
    const EACH: u64 = 50_000;
    const IN_A_PACK: u64 = 500;
    let key = MasterKey::of(restic);
    let mut random = Random::new(1);
    let mut id = move || {
        let bytes = random.noise(32);
        data_encoding::HEXLOWER.encode(&bytes)
    };
    for _ in 0..BLOBS / EACH {
        let mut text = String::from("{\"packs\":[");
        for pack in 0..EACH / IN_A_PACK {
            let comma = if pack == 0 { "" } else { "," };
            text.push_str(&format!("{comma}{{\"id\":\"{}\",\"blobs\":[", id()));
            for blob in 0..IN_A_PACK {
                let comma = if blob == 0 { "" } else { "," };
                let offset = blob * 30_000;
                text.push_str(&format!(
                    "{comma}{{\"id\":\"{}\",\"type\":\"data\",\"offset\":{offset},\"length\":30000,\"uncompressed_length\":60000}}",
                    id()
                ));
            }
            text.push_str("]}");
        }
        text.push_str("]}");
        let sealed = key.seal(text.as_bytes());
        fs::write(bench.repository.join("index").join(name_of(&sealed)), sealed).unwrap();
    }
}

#[test]
fn an_index_of_five_million_blobs() {
    let program = need!(restic::newest(), "restic is not installed");
    let bench = Bench::with_plain_tree(1);
    bench.init().backup(&[&bench.tree]);
    let restic = bench.restic(&program);
    let operations = [
        ("backup", Some(bench.tree.clone())),
        ("prune-dry", None),
        ("restore", Some(bench.path("restored"))),
        ("check-report", None),
    ];
    let measure = || {
        operations
            .clone()
            .map(|(operation, path)| peak(&bench.repository, operation, path.as_deref()))
    };
    let empty = measure();
    fs::remove_dir_all(bench.path("restored")).unwrap();
    fill_index(&bench, &restic);
    let full = measure();
    for ((operation, _), (empty, full)) in operations.iter().zip(empty.into_iter().zip(full)) {
        let each = (full - empty) as f64 * 1024.0 / BLOBS as f64;
        println!("{operation}: {empty} KiB, {full} KiB, {each:.1} bytes for each blob");
        assert!(each <= 64.0, "{operation} takes {each:.1} bytes for each blob");
    }
}
