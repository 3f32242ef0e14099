//! One operation of the duplicity engine in a process of its own, for tests that kill it, run it as another user or
//! measure its memory.
//!
//! `duplicity-drive TARGET SOURCE ARCHIVE MEBIBYTES OPERATION [ARGUMENT]`, where a volume has so many mebibytes; ends with
//! a line `peak N` of kibibytes. Fails when there were problems.

use std::path::{Path, PathBuf};

use engine_api::SnapshotRef;
use holdfast_tests::duplicity::history::Step;
use holdfast_tests::duplicity::ours::Holdfast;
use holdfast_tests::holdfast::restore_to;

fn main() {
    // As the program does it.
    platform::return_large_buffers();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [target, source, archive, mebibytes, operation, more @ ..] = arguments.as_slice() else {
        panic!("usage: duplicity-drive TARGET SOURCE ARCHIVE MEBIBYTES OPERATION [ARGUMENT]");
    };
    let holdfast = Holdfast::new(Path::new(target)).with(|settings| {
        settings.archive = Some(PathBuf::from(archive));
        settings.volume_size = mebibytes.parse::<u64>().unwrap() << 20;
    });
    let problems = run(&holdfast, Path::new(source), operation, more.first());
    println!("peak {}", peak());
    assert!(problems.is_empty(), "{problems:?}");
}

fn run(holdfast: &Holdfast, source: &Path, operation: &str, argument: Option<&String>) -> Vec<String> {
    let time = || argument.unwrap().parse().unwrap();
    let problems = match operation {
        "full" => holdfast
            .try_save(Step::Full, source, time())
            .map(|report| report.problems),
        "incremental" => holdfast
            .try_save(Step::Incremental, source, time())
            .map(|report| report.problems),
        "restore" => {
            let request = restore_to(SnapshotRef::Latest, Path::new(argument.unwrap()));
            holdfast.try_restore(source, &request).map(|report| report.problems)
        }
        "check" => {
            holdfast.check(source);
            return Vec::new();
        }
        "synthetic-full" => {
            assert!(holdfast.synthetic_full(source).snapshot.is_some());
            return Vec::new();
        }
        "list" => {
            let last = holdfast.snapshots(source).pop().unwrap();
            assert!(!holdfast.entries(source, &last.id).is_empty());
            return Vec::new();
        }
        other => panic!("there is no operation {other}"),
    };
    let problems = problems.unwrap_or_else(|error| panic!("{operation}: {}", error.chain()));
    let words =
        |problem: engine_api::Problem| format!("{} {}: {}", problem.action, problem.path.display(), problem.cause);
    problems.first.into_iter().map(words).collect()
}

/// The most memory that this process has had resident, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
