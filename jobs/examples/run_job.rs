//! A configured backup run from another program: adds the job, runs it and hears every step of it.
//!
//! `cargo run -p holdfast-jobs --example run_job -- STATE DESTINATION FOLDER…`

#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use engine_api::{Event, Progress, Result};
use jobs::esmith::Record;
use jobs::{Context, JobName, Layout, Plan, RunOptions, Step, Surroundings, Watcher, catalog};

/// Hears what the engine does and what the run does, as a window with a progress bar would.
#[derive(Default)]
struct Window {
    bytes: AtomicU64,
}

impl Progress for Window {
    fn event(&self, event: Event<'_>) {
        match event {
            Event::Bytes(count) => drop(self.bytes.fetch_add(count, Ordering::Relaxed)),
            Event::Problem(problem) => println!("cannot {} {}", problem.action, problem.path.display()),
            _ => {}
        }
    }

    /// Whether somebody has pressed Cancel; the run then ends soon, and leaves nothing half.
    fn cancelled(&self) -> bool {
        false
    }
}

impl Watcher for Window {
    fn step(&self, step: &Step<'_>) {
        step.lines().iter().for_each(|line| println!("  {line}"));
    }
}

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(state), Some(destination)) = (arguments.next(), arguments.next()) else {
        println!("usage: run_job STATE DESTINATION FOLDER…");
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
    let name = JobName::new("example")?;
    if catalog::record(&context, &name).is_err() {
        let record = Record::of_kind("rsync")
            .with("VFSType", "local")
            .with("LocalDirectory", destination.into_os_string().into_encoded_bytes())
            .with("CleanupOlderThan", "30D")
            .with("status", "enabled");
        catalog::add(&context, &name, &record, &arguments.collect::<Vec<_>>())?;
    }
    let window = Window::default();
    let report = Plan::make(&context, &name, RunOptions::of(name.clone()))?.execute(&window);
    println!("{} bytes read, {:?}", window.bytes.into_inner(), report.status);
    match report.error {
        Some(error) => Err(error),
        None => Ok(()),
    }
}
