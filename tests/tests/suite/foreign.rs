//! Every parser of stored bytes against bytes that no program would write: sealed with the right key, so that they get
//! past the encryption. Nothing may panic, hang or take all memory; errors are what is asked for.

use std::fs;

use engine_api::{Engine, Silent, SnapshotFilter, SnapshotRef};
use holdfast_tests::corpus::{self, Random};
use holdfast_tests::holdfast::{Repository, local, restore_to};
use holdfast_tests::need;
use holdfast_tests::restic::{self, Restic};
use holdfast_tests::seal::{MasterKey, name_of};

use crate::common::{Bench, objects};

const ROUNDS: u64 = 60;

/// What a slip or malice makes of a good text.
fn spoil(random: &mut Random, good: &[u8]) -> Vec<u8> {
    let mut bytes = good.to_vec();
    let place = |random: &mut Random, bytes: &[u8]| usize::try_from(random.below(bytes.len().max(1) as u64)).unwrap();
    match random.below(7) {
        0 => bytes.truncate(place(random, good)),
        1 => {
            let length = usize::try_from(random.below(300)).unwrap();
            bytes = random.noise(length);
        }
        2 => {
            let at = place(random, good);
            bytes.splice(at..at, b"[".repeat(200_000));
        }
        // A number that fits nowhere.
        3 => bytes = replace_digits(random, good),
        4 => {
            // Says that it is compressed, and is not, or is, and never ends.
            bytes.insert(0, 2);
        }
        5 => bytes = [b"\x02\x28\xb5\x2f\xfd\xa0\xff\xff\xff\xff".to_vec(), random.noise(40)].concat(),
        _ => {
            for _ in 0..=random.below(4) {
                let at = place(random, &bytes);
                bytes[at] = u8::try_from(random.below(256)).unwrap();
            }
        }
    }
    bytes
}

fn replace_digits(random: &mut Random, good: &[u8]) -> Vec<u8> {
    let numbers: [&[u8]; 6] = [
        b"-1",
        b"4294967295",
        b"18446744073709551616",
        b"1e400",
        b"null",
        b"\"\"",
    ];
    let starts: Vec<usize> = (1..good.len())
        .filter(|&at| good[at].is_ascii_digit() && good[at - 1] == b':')
        .collect();
    if starts.is_empty() {
        return b"null".to_vec();
    }
    let start = starts[usize::try_from(random.below(starts.len() as u64)).unwrap()];
    let end = (start..good.len())
        .find(|&at| !good[at].is_ascii_digit())
        .unwrap_or(good.len());
    let number = numbers[usize::try_from(random.below(6)).unwrap()];
    [&good[..start], number, &good[end..]].concat()
}

/// Everything that reads; what it says is all the same, as long as it says something.
fn use_all(bench: &Bench) {
    let Ok(repository) = Repository::on(local(&bench.repository)) else {
        return;
    };
    let engine = &repository.engine;
    let _ = engine.snapshots(&SnapshotFilter::default(), &Silent);
    let _ = repository.check_report();
    let _ = engine.restore(&restore_to(SnapshotRef::Latest, &bench.path("target")), &Silent);
    let _ = repository.try_backup(&[&bench.tree]);
    let _ = repository.prune();
    let _ = fs::remove_dir_all(bench.path("target"));
}

struct Setup {
    bench: Bench,
    restic: Restic,
    key: MasterKey,
}

fn setup() -> Option<Setup> {
    let program = restic::newest()?;
    let bench = Bench::new();
    corpus::plain_tree(&bench.tree, 1, 12, 4_000);
    bench.init().backup(&[&bench.tree]);
    let restic = bench.restic(&program);
    let key = MasterKey::of(&restic);
    Some(Setup { bench, restic, key })
}

/// Puts spoiled files beside, or in place of, the good ones of `folder`.
fn spoil_each(folder: &str, good: impl Fn(&Setup) -> Vec<u8>) {
    let setup = need!(setup(), "restic is not installed");
    let good = good(&setup);
    let prepared = setup.bench.path("prepared");
    copy(&setup.bench.repository, &prepared);
    for round in 0..ROUNDS {
        let mut random = Random::new(round + 1);
        let sealed = setup.key.seal(&spoil(&mut random, &good));
        let path = if folder == "config" {
            setup.bench.repository.join("config")
        } else {
            setup.bench.repository.join(folder).join(name_of(&sealed))
        };
        if round % 2 == 0 && folder != "config" {
            for path in objects(&setup.bench.repository, folder) {
                fs::remove_file(path).unwrap();
            }
        }
        let _ = fs::remove_file(&path);
        fs::write(path, sealed).unwrap();
        use_all(&setup.bench);
        fs::remove_dir_all(&setup.bench.repository).unwrap();
        copy(&prepared, &setup.bench.repository);
    }
    setup.bench.open().check();
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    let status = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(status.unwrap().success());
}

#[test]
fn snapshots() {
    spoil_each("snapshots", |setup| {
        let id = setup.restic.snapshots().remove(0);
        setup.restic.run(&["cat", "snapshot", &id]).into_bytes()
    });
}

#[test]
fn indexes() {
    spoil_each("index", |setup| {
        let list = setup.restic.run(&["list", "index"]);
        let id = list.split_whitespace().next().unwrap();
        // restic prints it with blanks; the files have none.
        setup.restic.json(&["cat", "index", id]).to_string().into_bytes()
    });
}

#[test]
fn locks() {
    spoil_each("locks", |_| {
        br#"{"time":"2024-01-02T03:04:05.6+01:00","exclusive":false,"hostname":"h","username":"u","pid":7,"uid":0,"gid":0}"#
            .to_vec()
    });
}

#[test]
fn config() {
    spoil_each("config", |setup| {
        setup.restic.json(&["cat", "config"]).to_string().into_bytes()
    });
}

/// Keys are not sealed: they are what opens the rest.
#[test]
fn keys() {
    let setup = need!(setup(), "restic is not installed");
    let path = objects(&setup.bench.repository, "keys")[0].clone();
    let good = fs::read(&path).unwrap();
    for round in 0..ROUNDS {
        let bytes = spoil(&mut Random::new(round + 100), &good);
        fs::remove_file(&path).unwrap();
        fs::write(&path, bytes).unwrap();
        let _ = Repository::on(local(&setup.bench.repository));
    }
    // Parameters that would take hours or all memory are refused at once.
    let mut value: serde_json::Value = serde_json::from_slice(&good).unwrap();
    for (field, number) in [
        ("N", 1_u64 << 40),
        ("r", 1 << 20),
        ("p", 1 << 30),
        ("N", 0),
        ("r", 0),
        ("N", 12345),
    ] {
        let kept = value[field].clone();
        value[field] = number.into();
        fs::remove_file(&path).unwrap();
        fs::write(&path, value.to_string()).unwrap();
        let start = std::time::Instant::now();
        assert!(Repository::on(local(&setup.bench.repository)).is_err());
        assert!(
            start.elapsed().as_secs() < 20,
            "{field} = {number} took {:?}",
            start.elapsed()
        );
        value[field] = kept;
    }
}

/// Packs whose last bytes lie about the header, read when the index is gone.
#[test]
fn pack_headers() {
    let setup = need!(setup(), "restic is not installed");
    let packs = objects(&setup.bench.repository, "data");
    let good = fs::read(&packs[0]).unwrap();
    let prepared = setup.bench.path("prepared");
    copy(&setup.bench.repository, &prepared);
    for round in 0..ROUNDS {
        let mut random = Random::new(round + 200);
        let mut bytes = good.clone();
        let header_length = usize::try_from(random.below(200)).unwrap();
        let header = setup.key.seal(&random.noise(header_length));
        let length = match random.below(4) {
            0 => u32::MAX,
            1 => 0,
            2 => u32::try_from(bytes.len()).unwrap(),
            _ => u32::try_from(header.len()).unwrap(),
        };
        bytes.extend(header);
        bytes.extend(length.to_le_bytes());
        let name = name_of(&bytes);
        let folder = setup.bench.repository.join("data").join(&name[..2]);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), bytes).unwrap();
        for path in objects(&setup.bench.repository, "index") {
            fs::remove_file(path).unwrap();
        }
        let _ = setup.bench.open().repair();
        use_all(&setup.bench);
        fs::remove_dir_all(&setup.bench.repository).unwrap();
        copy(&prepared, &setup.bench.repository);
    }
    setup.bench.open().check();
}

/// Listings that would lead out of the target, round in circles, or name one thing twice.
#[test]
fn listings() {
    let setup = need!(setup(), "restic is not installed");
    let outside = setup.bench.path("outside");
    let names = ["..", ".", "", "a/b", "/etc/passwd", "../outside/x", "x\0y", "same"];
    for name in names {
        let node = serde_json::json!({
            "name": name, "type": "file", "mode": 0o644, "mtime": "2024-01-01T00:00:00Z",
            "atime": "2024-01-01T00:00:00Z", "ctime": "2024-01-01T00:00:00Z", "uid": 0, "gid": 0, "content": [],
        });
        let tree = serde_json::json!({ "nodes": [node.clone(), node] });
        let snapshot = plant(&setup, tree.to_string().as_bytes());
        let target = setup.bench.path("target/inner");
        fs::create_dir_all(&target).unwrap();
        let request = restore_to(SnapshotRef::Id(snapshot), &target);
        let _ = setup.bench.open().engine.restore(&request, &Silent);
        let beside: Vec<_> = fs::read_dir(setup.bench.path("target")).unwrap().collect();
        assert_eq!(beside.len(), 1, "{name:?} was written outside of the target");
        assert!(!outside.exists());
        fs::remove_dir_all(setup.bench.path("target")).unwrap();
    }
}

/// Stores a listing and a snapshot of it under the real key; returns the snapshot's name.
fn plant(setup: &Setup, tree: &[u8]) -> String {
    let blob = setup.key.seal(tree);
    let id = holdfast_tests::seal::name_of(tree);
    let mut header = vec![1_u8];
    header.extend(u32::try_from(blob.len()).unwrap().to_le_bytes());
    header.extend(data_encoding::HEXLOWER.decode(id.as_bytes()).unwrap());
    let header = setup.key.seal(&header);
    let length = u32::try_from(header.len()).unwrap().to_le_bytes();
    let pack = [&blob[..], &header, &length].concat();
    let pack_name = name_of(&pack);
    let folder = setup.bench.repository.join("data").join(&pack_name[..2]);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(&pack_name), pack).unwrap();
    let put = |folder: &str, value: serde_json::Value| {
        let sealed = setup.key.seal(value.to_string().as_bytes());
        let name = name_of(&sealed);
        fs::write(setup.bench.repository.join(folder).join(&name), sealed).unwrap();
        name
    };
    let blobs = serde_json::json!([{ "id": id, "type": "tree", "offset": 0, "length": blob.len() }]);
    put(
        "index",
        serde_json::json!({ "packs": [{ "id": pack_name, "blobs": blobs }] }),
    );
    let snapshot = serde_json::json!({
        "time": "2024-01-01T00:00:00Z", "tree": id, "paths": ["/x"], "hostname": "h", "username": "u",
    });
    put("snapshots", snapshot)
}

/// The planted snapshots of the test above are well made: an honest one is restored, and the real restic agrees.
#[test]
fn an_honest_listing_is_believed() {
    let setup = need!(setup(), "restic is not installed");
    let node = serde_json::json!({
        "name": "honest", "type": "file", "mode": 0o644, "mtime": "2024-01-01T00:00:00Z",
        "atime": "2024-01-01T00:00:00Z", "ctime": "2024-01-01T00:00:00Z", "uid": 0, "gid": 0, "content": [],
    });
    let snapshot = plant(&setup, serde_json::json!({ "nodes": [node] }).to_string().as_bytes());
    setup.restic.check();
    let target = setup.bench.path("target");
    let request = restore_to(SnapshotRef::Id(snapshot), &target);
    setup.bench.open().engine.restore(&request, &Silent).unwrap();
    assert!(target.join("honest").is_file());
}
