//! Walks the folders that are named and says how long it took: `walk THREADS PATH...`.
#![allow(clippy::print_stdout, reason = "this is a program")]

use std::os::unix::ffi::OsStrExt;
use std::time::Instant;

use engine_api::Selection;
use fstree::{Names, Step, Walk, WalkOptions};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let threads = arguments
        .next()
        .and_then(|word| word.to_str()?.parse().ok())
        .unwrap_or(0);
    let includes = arguments.map(|path| path.as_bytes().to_vec()).collect();
    let selection = Selection {
        includes,
        ..Selection::default()
    };
    for read_metadata in [false, false, false, true] {
        let begun = Instant::now();
        let names = Names::new();
        let (mut folders, mut others, mut bytes, mut told) = (0_u64, 0_u64, 0_u64, 0_u64);
        for step in Walk::new(&selection, WalkOptions { threads })? {
            match &step {
                Step::Enter(found) | Step::Item(found) if read_metadata => drop(found.metadata(&names)),
                _ => {}
            }
            match step {
                Step::Enter(_) => folders += 1,
                Step::Item(item) => (others, bytes) = (others + 1, bytes + item.stat().size),
                Step::Leave => {}
                Step::Problem(_) | Step::Notice(_) => told += 1,
            }
        }
        let took = begun.elapsed();
        let what = if read_metadata { "with metadata" } else { "lstat only" };
        println!("{what}: {folders} folders, {others} others, {bytes} bytes, {told} messages in {took:?}");
    }
    Ok(())
}
