//! One operation of the rsync engine in a process of its own, for tests that kill it or measure its memory.
//!
//! `holdfast-rsync-drive DESTINATION OPERATION [ARGUMENT…]`; ends with a line `peak N` of kibibytes. An operation behind
//! `far-` is done on a place that is far away, and says before that how many turns and calls it took.

use std::path::Path;

use engine_api::{Engine, ForgetRequest, Silent, SnapshotFilter, Timestamp};
use holdfast_tests::rsync::{Place, local};
use holdfast_tests::turns::FarFiles;

fn main() {
    // As the program does it.
    platform::return_large_buffers();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [destination, operation, more @ ..] = arguments.as_slice() else {
        panic!("usage: holdfast-rsync-drive DESTINATION OPERATION [ARGUMENT…]");
    };
    let destination = Path::new(destination);
    if let Some(operation) = operation.strip_prefix("far-") {
        let far = FarFiles::new(local(destination));
        run(&Place::on(far.clone()), operation, more);
        let (turns, calls) = far.taken();
        println!("turns {turns}\ncalls {calls}");
    } else {
        run(&Place::open(destination), operation, more);
    }
    println!("peak {}", peak());
}

fn run(place: &Place, operation: &str, more: &[String]) {
    match (operation, more) {
        ("open", _) => {}
        ("backup", [path, seconds]) => {
            let time = Timestamp {
                seconds: seconds.parse().unwrap(),
                nanos: 0,
            };
            place.backup(Path::new(path), time);
        }
        ("forget", [name]) => {
            let request = ForgetRequest {
                filter: SnapshotFilter::default(),
                group_by: engine_api::retention::GroupBy::default(),
                keep: engine_api::retention::Keep::default(),
                ids: vec![name.clone()],
                dry_run: false,
            };
            place.engine.forget(&request, &Silent).unwrap();
        }
        ("restore", [target]) => {
            let newest = place.snapshots().pop().unwrap();
            place.restore(&newest.id, Path::new(target));
        }
        // As the command does it unless it is told to verify.
        ("restore-only", [target]) => {
            let newest = place.snapshots().pop().unwrap();
            let request = engine_api::RestoreRequest {
                verify: false,
                ..holdfast_tests::rsync::restore_to(&newest.id, Path::new(target))
            };
            place.engine.restore(&request, &Silent).unwrap();
        }
        ("check", _) => place.check(),
        other => panic!("there is no operation {other:?}"),
    }
}

/// The most memory that this process has had resident, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
