//! One operation of the restic engine in a process of its own, for tests that kill it or measure its memory.
//!
//! `holdfast-drive REPOSITORY OPERATION [ARGUMENT…]`; ends with a line `peak N` of kibibytes.

use std::path::{Path, PathBuf};

use engine_api::{Engine, PruneRequest, Silent, SnapshotRef};
use holdfast_tests::holdfast::{Repository, prune_all};

fn main() {
    // As the program does it.
    platform::return_large_buffers();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [repository, operation, more @ ..] = arguments.as_slice() else {
        panic!("usage: holdfast-drive REPOSITORY OPERATION [ARGUMENT…]");
    };
    let paths: Vec<PathBuf> = more.iter().map(PathBuf::from).collect();
    run(Path::new(repository), operation, &paths);
    println!("peak {}", peak());
}

fn run(dir: &Path, operation: &str, paths: &[PathBuf]) {
    if operation == "init" {
        drop(Repository::init(dir));
        return;
    }
    let repository = Repository::open(dir);
    match operation {
        "open" => {}
        "backup" => {
            let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
            repository.backup(&paths);
        }
        "forget-and-prune" => {
            repository.keep_last(3).unwrap();
            repository.prune().unwrap();
        }
        "prune-dry" => {
            let request = PruneRequest {
                dry_run: true,
                ..prune_all()
            };
            repository.engine.prune(&request, &Silent).unwrap();
        }
        "restore" => {
            repository.restore(SnapshotRef::Latest, &paths[0]);
        }
        "check" => repository.check(),
        // What is wrong is expected there; only how it is looked for is measured.
        "check-report" => drop(repository.check_report().unwrap()),
        other => panic!("there is no operation {other}"),
    }
}

/// The most memory that this process has had resident, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
