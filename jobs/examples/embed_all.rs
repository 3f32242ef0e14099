//! All of Holdfast in another program: saves folders with nothing configured and hears how it goes.
//!
//! `cargo run -p holdfast-jobs --example embed_all -- STATE DESTINATION FOLDER…`

#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use engine_api::{Event, Progress, Result};
use jobs::{Access, Context, Layout, QuickBackup, Surroundings, Which};

/// Counts bytes, as a progress bar would.
#[derive(Default)]
struct Bytes(AtomicU64);

impl Progress for Bytes {
    fn event(&self, event: Event<'_>) {
        match event {
            Event::Bytes(count) => drop(self.0.fetch_add(count, Ordering::Relaxed)),
            Event::Problem(problem) => println!(
                "cannot {} {}: {}",
                problem.action,
                problem.path.display(),
                problem.cause
            ),
            _ => {}
        }
    }

    fn cancelled(&self) -> bool {
        false
    }
}

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(state), Some(destination)) = (arguments.next(), arguments.next()) else {
        println!("usage: embed_all STATE DESTINATION FOLDER…");
        return Ok(());
    };
    let surroundings = Surroundings {
        root: Some(state),
        ..Surroundings::default()
    };
    let context = Context {
        layout: Layout::find(&surroundings)?,
        host: "example".to_owned(),
        user: "example".to_owned(),
        zone: jiff::tz::TimeZone::system(),
    };
    let bytes = Bytes::default();
    let backup = QuickBackup::of(arguments.collect(), Access::to(Which::Folder(destination)));
    let report = backup.run(&context, &bytes)?;
    let (files, seen) = (report.backup.files.total(), bytes.0.into_inner());
    println!(
        "{files} files, {seen} bytes, {} of them could not be saved",
        report.backup.problems.count
    );
    Ok(())
}
