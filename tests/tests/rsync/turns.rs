//! What a place that is far away costs: how often somebody waits for the way there and back, however fast the machine is.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use crate::common::Bench;

const FOLDERS: u64 = 40;
const EACH: u64 = 30;

/// Turns and calls of an operation in a process of its own.
fn taken(bench: &Bench, operation: &str, more: &[&str]) -> (u64, u64) {
    let output = Command::new(env!("CARGO_BIN_EXE_holdfast-rsync-drive"))
        .arg(&bench.destination)
        .arg(operation)
        .args(more)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{operation}: {errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    let said: BTreeMap<&str, u64> = text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(word, number)| (word, number.parse().unwrap()))
        .collect();
    println!("{operation}: {} turns, {} calls", said["turns"], said["calls"]);
    (said["turns"], said["calls"])
}

fn mails(bench: &Bench) {
    for folder in 0..FOLDERS {
        let folder = bench.tree.join(format!("user{folder:02}/Maildir/cur"));
        fs::create_dir_all(&folder).unwrap();
        for mail in 0..EACH {
            fs::write(folder.join(format!("{mail}.mail")), format!("{mail} in {folder:?}")).unwrap();
        }
    }
}

#[test]
fn turns_do_not_grow_with_files_that_many_can_wait_for_at_once() {
    let bench = Bench::new();
    mails(&bench);
    let tree = bench.tree.to_string_lossy().into_owned();
    let days = std::cell::Cell::new(1);
    let save = || {
        // Only what was not touched since the backup before began is linked without being read.
        let time = (engine_api::Timestamp::now().seconds + days.replace(days.get() + 1) * 86_400).to_string();
        taken(&bench, "far-backup", &[&tree, &time])
    };
    let files = FOLDERS * EACH;
    // Two for a file, of which 128 wait at once; the folders, the lock, the manifest and the names are the rest.
    let (first, _) = save();
    assert!(
        first < 2 * files / 128 + 30,
        "{first} turns for a first backup of {files} files"
    );
    let (second, calls) = save();
    assert!(second < 25, "{second} turns when none of {files} files had changed");
    // One for the links of a folder, one to make three folders, two for each folder's own metadata.
    assert!(calls < FOLDERS * 10 + 100, "{calls} calls when nothing had changed");
    let restored = bench.path("restored");
    let (restore, _) = taken(&bench, "far-restore-only", &[&restored.to_string_lossy()]);
    assert!(
        restore < 4 * files / 128 + 60,
        "{restore} turns to restore {files} files"
    );
    let oldest = bench.names().remove(0);
    let (forget, _) = taken(&bench, "far-forget", &[&oldest]);
    assert!(forget < 100, "{forget} turns to remove {files} files");
    bench.open().check();
}
