//! Memory that does not grow with what is saved.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use holdfast_tests::corpus::Random;
use holdfast_tests::duplicity::history::History;
use holdfast_tests::duplicity::{DAY, FIRST};

/// What one operation may take at the most, in KiB.
const MOST: u64 = 150 << 10;

/// Peak resident KiB of an operation in a process of its own.
fn peak(history: &History, mebibytes: u64, operation: &str, argument: &str) -> u64 {
    let output = Command::new(env!("CARGO_BIN_EXE_duplicity-drive"))
        .args([&history.target, &history.source, &history.path("archive")])
        .args([&mebibytes.to_string(), operation, argument])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{operation}: {errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("peak ")).unwrap();
    let peak = line.parse().unwrap();
    println!("{operation} with volumes of {mebibytes} MiB: {peak} KiB");
    peak
}

fn assert_within(history: &History, mebibytes: u64, start: i64) {
    let target = history.path("restored");
    let target_text = target.to_str().unwrap().to_owned();
    let touched = |history: &History| touch(&history.source);
    let mut peaks = vec![("full", peak(history, mebibytes, "full", &start.to_string()))];
    touched(history);
    peaks.push((
        "incremental",
        peak(history, mebibytes, "incremental", &(start + DAY).to_string()),
    ));
    peaks.push(("restore", peak(history, mebibytes, "restore", &target_text)));
    peaks.push(("list", peak(history, mebibytes, "list", "")));
    peaks.push(("check", peak(history, mebibytes, "check", "")));
    peaks.push(("synthetic full", peak(history, mebibytes, "synthetic-full", "")));
    fs::remove_dir_all(target).unwrap();
    let over: Vec<_> = peaks.iter().filter(|(_, peak)| *peak > MOST).collect();
    assert!(over.is_empty(), "{over:?} KiB");
}

/// Changes the first file of the tree in its middle.
fn touch(source: &Path) {
    let path = source.join("file");
    let file = fs::File::options().write(true).open(path).unwrap();
    let middle = file.metadata().unwrap().len() / 2;
    std::os::unix::fs::FileExt::write_all_at(&file, b"changed", middle).unwrap();
    file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_650_000_000))
        .unwrap();
}

#[test]
fn a_large_file() {
    let history = History::of_empty();
    let mut writer = fs::File::create(history.source.join("file")).unwrap();
    let mut random = Random::new(1);
    for _ in 0..256 {
        writer.write_all(&random.noise(1 << 20)).unwrap();
    }
    drop(writer);
    assert_within(&history, 25, FIRST);
    assert_within(&history, 250, FIRST + 10 * DAY);
}

#[test]
fn many_files() {
    let history = History::of_empty();
    for folder in 0..60 {
        let dir = history.source.join(format!("{folder:02}"));
        fs::create_dir(&dir).unwrap();
        for file in 0..1000 {
            fs::write(dir.join(format!("a file with a name of some length {file:04}")), "x").unwrap();
        }
    }
    fs::write(history.source.join("file"), "the one that changes").unwrap();
    assert_within(&history, 250, FIRST);
}
