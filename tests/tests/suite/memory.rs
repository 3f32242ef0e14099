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
    write(64);
    let small = peak(&bench.repository, "backup", Some(&bench.tree));
    write(512);
    let large = peak(&bench.repository, "backup", Some(&bench.tree));
    assert!(
        large < small + 24 * 1024,
        "64 MiB took {small} KiB, 512 MiB took {large} KiB"
    );

    fs::File::create(&file).unwrap().set_len(4 << 30).unwrap();
    let sparse = peak(&bench.repository, "backup", Some(&bench.tree));
    assert!(
        sparse < small + 24 * 1024,
        "64 MiB took {small} KiB, a hole of 4 GiB {sparse} KiB"
    );

    let target = bench.path("target");
    let restored = peak(&bench.repository, "restore", Some(&target));
    assert!(
        restored < small + 64 * 1024,
        "restoring a hole of 4 GiB took {restored} KiB"
    );
    let copy = target.join(file.strip_prefix("/").unwrap());
    let metadata = copy.metadata().unwrap();
    assert_eq!(metadata.len(), 4 << 30);
    let blocks = std::os::unix::fs::MetadataExt::blocks(&metadata);
    assert!(blocks < 2048, "the hole takes {blocks} blocks");
}

#[test]
fn many_files_take_little_each() {
    const FEW: u64 = 5_000;
    const MANY: u64 = 105_000;
    let bench = Bench::new();
    let fill = |from: u64, to: u64| {
        for number in from..to {
            let folder = bench.tree.join(format!("{:03}", number / 500));
            if number % 500 == 0 {
                fs::create_dir_all(&folder).unwrap();
            }
            fs::write(folder.join(format!("file-{number}")), number.to_string()).unwrap();
        }
    };
    fill(0, FEW);
    let repositories = ["few", "many"].map(|name| bench.path(name));
    for repository in &repositories {
        drop(holdfast_tests::holdfast::Repository::init(repository));
    }
    let few = ["backup", "backup"].map(|operation| peak(&repositories[0], operation, Some(&bench.tree)));
    let few_restored = peak(&repositories[0], "restore", Some(&bench.path("few-restored")));
    fill(FEW, MANY);
    let many = ["backup", "backup"].map(|operation| peak(&repositories[1], operation, Some(&bench.tree)));
    let many_restored = peak(&repositories[1], "restore", Some(&bench.path("many-restored")));
    let grown = |few: u64, many: u64| many.saturating_sub(few) * 1024 / (MANY - FEW);
    // Every one of these files is a blob of its own: the index takes its share.
    let index = 64;
    for (name, few, many) in [
        ("first backup", few[0], many[0]),
        ("second backup", few[1], many[1]),
        ("restore", few_restored, many_restored),
    ] {
        let each = grown(few, many);
        println!("{name}: {few} KiB, {many} KiB, {each} bytes for each file");
        assert!(each < 100 + index, "{name} takes {each} bytes for each file");
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
