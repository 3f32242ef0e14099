//! Group E: signatures and deltas, odd names, damaged bytes, and sizes far from the usual.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};

use engine_api::SnapshotRef;
use holdfast_tests::corpus::Random;
use holdfast_tests::duplicity::history::{History, Step};
use holdfast_tests::duplicity::ours::Holdfast;
use holdfast_tests::duplicity::real::Duplicity;
use holdfast_tests::duplicity::tree_g::set_time;
use holdfast_tests::holdfast::restore_to;
use holdfast_tests::need;
use rdiff::{Index, Kind, Layout, Signature, SignatureBuilder};

use crate::common::{each, flip, set_files};

/// rdiff with the files of a folder as its arguments.
fn run_rdiff(folder: &Path, arguments: &[&str]) {
    let output = Command::new("rdiff")
        .current_dir(folder)
        .args(arguments)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "rdiff {arguments:?}: {errors}");
}

fn signature(layout: Layout, bytes: &[u8]) -> Vec<u8> {
    let mut builder = SignatureBuilder::new(layout);
    builder.push(bytes);
    builder.finish()
}

/// What becomes of a file: pieces of the old one in another order, with new bytes between them.
fn edited(random: &mut Random, old: &[u8]) -> Vec<u8> {
    let mut new = Vec::new();
    for _ in 0..random.below(8) {
        let start = usize::try_from(random.below(old.len() as u64 + 1)).unwrap();
        let length = usize::try_from(random.below((old.len() - start) as u64 + 1)).unwrap();
        new.extend_from_slice(&old[start..start + length]);
        let length = usize::try_from(random.below(3000)).unwrap();
        new.extend(random.noise(length));
    }
    new
}

#[test]
fn e1_signatures_and_deltas_are_librsyncs() {
    let has_rdiff = Command::new("rdiff")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_ok();
    need!(has_rdiff.then_some(()), "rdiff is not installed");
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let kinds = [
        (Kind::RollsumMd4, ["--rollsum=rollsum", "--hash=md4"]),
        (Kind::RollsumBlake2, ["--rollsum=rollsum", "--hash=blake2"]),
        (Kind::RabinKarpMd4, ["--rollsum=rabinkarp", "--hash=md4"]),
        (Kind::RabinKarpBlake2, ["--rollsum=rabinkarp", "--hash=blake2"]),
    ];
    let mut random = Random::new(1);
    for turn in 0..40 {
        let length = [0, 1, 511, 512, 513, 1024, 5000, 70_000, 700_000, 1_000_000][turn % 10];
        let old = if turn % 3 == 0 {
            vec![0; length]
        } else {
            random.noise(length)
        };
        let new = edited(&mut random, &old);
        fs::write(at("old"), &old).unwrap();
        fs::write(at("new"), &new).unwrap();
        for (kind, options) in kinds {
            let block = u32::try_from(512 * (1 + random.below(4))).unwrap();
            exchange(
                folder.path(),
                Layout::new(kind, block, 8).unwrap(),
                options,
                [&old, &new],
            );
        }
    }
}

/// Signs and compares the files `old` and `new` of the folder, whose content is given, by both programs.
fn exchange(folder: &Path, layout: Layout, options: [&str; 2], [old, new]: [&Vec<u8>; 2]) {
    let at = |name: &str| folder.join(name);
    let block = format!("--block-size={}", layout.block_len());
    let signing = [
        "--force",
        options[0],
        options[1],
        &block,
        "--sum-size=8",
        "signature",
        "old",
        "signature",
    ];
    run_rdiff(folder, &signing);
    let expected = fs::read(at("signature")).unwrap();
    let ours = signature(layout, old);
    assert!(
        ours == expected,
        "{options:?} {block}: signatures of {} bytes differ",
        old.len()
    );

    let mut delta = Vec::new();
    let index = Index::new(Signature::parse(ours).unwrap());
    rdiff::delta(&index, &mut new.as_slice(), &mut delta).unwrap();
    fs::write(at("delta"), &delta).unwrap();
    run_rdiff(folder, &["--force", "patch", "old", "delta", "patched"]);
    let patched = fs::read(at("patched")).unwrap();
    assert!(patched == *new, "{options:?}: rdiff makes another file of our delta");

    run_rdiff(folder, &["--force", "delta", "signature", "new", "delta"]);
    let theirs = fs::read(at("delta")).unwrap();
    let mut patched = Vec::new();
    rdiff::patch(old, theirs.as_slice(), &mut patched).unwrap();
    assert!(patched == *new, "{options:?}: we make another file of rdiff's delta");
    let most = theirs.len() + theirs.len() / 50 + 64;
    assert!(
        delta.len() <= most,
        "{options:?}: our delta has {} bytes, rdiff's {}",
        delta.len(),
        theirs.len()
    );
}

/// Damage anywhere is an error or a problem, and nothing is written outside of the target.
#[test]
fn e2_garbled_files() {
    for program in each!() {
        let mut history = History::of_empty();
        fs::write(history.source.join("file"), Random::new(1).noise(100_000)).unwrap();
        fs::write(history.source.join("text"), Random::new(2).text(50_000)).unwrap();
        let real = Duplicity::new(&program, &history.target);
        history.save(&real, Step::Full);
        fs::write(history.source.join("file"), Random::new(3).noise(100_000)).unwrap();
        set_time(&history.source.join("file"), 1_650_000_000, 0);
        history.save(&real, Step::Incremental);
        let mut random = Random::new(7);
        for path in set_files(&history.target, "") {
            let whole = fs::read(&path).unwrap();
            for turn in 0..12 {
                let place = random.below(whole.len() as u64);
                if turn % 2 == 0 {
                    flip(&path, place);
                } else {
                    fs::write(&path, &whole[..usize::try_from(place).unwrap()]).unwrap();
                }
                let parent = tempfile::tempdir().unwrap();
                let target = parent.path().join("target");
                let ours = Holdfast::new(&history.target);
                // It must end, and must not panic; the signatures alone are not needed.
                let _ = ours.try_restore(&history.source, &restore_to(SnapshotRef::Latest, &target));
                let _ = ours.check_result(&history.source);
                let beside: Vec<_> = fs::read_dir(parent.path())
                    .unwrap()
                    .map(|item| item.unwrap().file_name())
                    .collect();
                assert!(beside.is_empty() || beside == ["target"], "{beside:?}");
                fs::write(&path, &whole).unwrap();
            }
        }
        history.assert_restores(&Holdfast::new(&history.target));
    }
}

#[test]
fn e3_every_byte_in_a_name() {
    for program in each!() {
        let mut history = History::of_empty();
        let make = |round: u8| {
            for byte in (1..=255_u8).filter(|byte| *byte != b'/') {
                for name in [vec![byte], vec![b'a', byte, b'z']] {
                    if name == b"." {
                        continue;
                    }
                    let path = history.source.join(OsStr::from_bytes(&name));
                    fs::write(&path, [byte, round]).unwrap();
                    set_time(&path, 1_600_000_000 + i64::from(round), 0);
                }
            }
        };
        make(0);
        let ours = Holdfast::new(&history.target);
        let real = Duplicity::new(&program, &history.target);
        history.save(&ours, Step::Full);
        let make_again = |source: &Path, round: u8| {
            for item in fs::read_dir(source).unwrap() {
                let path = item.unwrap().path();
                fs::write(&path, [round; 3]).unwrap();
                set_time(&path, 1_600_000_000 + i64::from(round), 0);
            }
        };
        make_again(&history.source, 1);
        history.save(&real, Step::Incremental);
        make_again(&history.source, 2);
        history.save(&ours, Step::Incremental);
        history.assert_restores(&ours);
        history.assert_restores(&real);
        real.verify(&history.source);
    }
}

/// Many files and many increments; how much memory they take is measured beside.
#[test]
fn e4_many_files_and_many_increments() {
    let programs = each!();
    let mut history = History::of_empty();
    for folder in 0..50 {
        let dir = history.source.join(format!("{folder:02}"));
        fs::create_dir(&dir).unwrap();
        for file in 0..100 {
            fs::write(dir.join(format!("{file:02}")), format!("{folder}/{file}")).unwrap();
        }
    }
    let ours = Holdfast::new(&history.target);
    history.save(&ours, Step::Full);
    for number in 0..40_i64 {
        let path = history.source.join(format!("{:02}/{:02}", number * 7 % 50, number));
        fs::write(&path, format!("change {number}")).unwrap();
        set_time(&path, 1_650_000_000 + number, 0);
        history.save(&ours, Step::Incremental);
    }
    history.assert_restores_latest(&ours);
    let middle = history.states[20].clone();
    history.assert_restores_at(&ours, Some(middle.0), &middle.1);
    let newest = programs.last().unwrap();
    let real = Duplicity::new(newest, &history.target);
    history.assert_restores_latest(&real);
    history.assert_restores_at(&real, Some(middle.0), &middle.1);
}
