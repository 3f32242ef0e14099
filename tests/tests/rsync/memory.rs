//! Memory that does not grow with what is saved.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::Bench;

/// Peak resident KiB of an operation in a process of its own.
fn peak(destination: &Path, operation: &str, more: &[&str]) -> u64 {
    let output = Command::new(env!("CARGO_BIN_EXE_holdfast-rsync-drive"))
        .arg(destination)
        .arg(operation)
        .args(more)
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

/// The first of these numbers fills queues and buffers; the memory beyond it is for the files.
const FEW: u64 = 15_000;
const MANY: u64 = 60_000;
const EACH: u64 = 100;

#[test]
fn many_files_take_little_each() {
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
    let measure = |target: &str| {
        let tree = bench.tree.to_string_lossy().into_owned();
        let save = || {
            let time = bench.tick().seconds.to_string();
            peak(&bench.destination, "backup", &[&tree, &time])
        };
        let (first, second) = (save(), save());
        let target = bench.path(target);
        let restore = peak(&bench.destination, "restore", &[&target.to_string_lossy()]);
        let check = peak(&bench.destination, "check", &[]);
        let oldest = bench.names().remove(0);
        let forget = peak(&bench.destination, "forget", &[&oldest]);
        [
            ("first backup", first),
            ("second backup", second),
            ("restore", restore),
            ("check", check),
            ("forget", forget),
        ]
    };
    fill(0, FEW);
    let few = measure("few");
    fill(FEW, MANY);
    let many = measure("many");
    let mut over = Vec::new();
    for ((name, few), (_, many)) in few.into_iter().zip(many) {
        let each = many.saturating_sub(few) * 1024 / (MANY - FEW);
        println!("{name}: {few} KiB, {many} KiB, {each} bytes for each file");
        if each >= EACH {
            over.push(format!("{name}: {each} bytes for each file"));
        }
    }
    assert!(over.is_empty(), "{over:?}");
}
