//! `synthetic-full`: a full backup made of a chain's increments.

use jobs::{Repository, Status, SyntheticReport, text};
use serde::Serialize;

use super::{App, Outcome};
use crate::args::SyntheticFullArgs;

#[derive(Serialize)]
struct Made<'a> {
    dry_run: bool,
    /// Null in a dry run, and where there was nothing to do.
    snapshot: Option<&'a str>,
    state_of: &'a str,
    sets: usize,
    files: u64,
    dirs: u64,
    others: u64,
    bytes: u64,
    bytes_read: u64,
    bytes_stored: u64,
    seconds: f64,
}

pub fn run(app: &App, args: &SyntheticFullArgs) -> Outcome {
    let repository = Repository::open(&app.context, &args.repository.access()?)?;
    let listener = app.listener();
    let report = repository.synthetic_full(args.dry_run, &listener)?;
    drop(listener);
    app.output.lines(&lines(&report, args.dry_run));
    let details = Made {
        dry_run: args.dry_run,
        snapshot: report.snapshot.as_ref().map(|id| id.0.as_str()),
        state_of: &report.state_of.0,
        sets: report.sets,
        files: report.files,
        dirs: report.dirs,
        others: report.others,
        bytes: report.bytes,
        bytes_read: report.bytes_read,
        bytes_stored: report.bytes_stored,
        seconds: report.duration.as_secs_f64(),
    };
    app.done("synthetic-full", Status::Success, details)
}

/// What was done, for people.
fn lines(report: &SyntheticReport, dry_run: bool) -> Vec<String> {
    if report.sets == 1 {
        return vec![format!(
            "The last backup, {}, is a full one: nothing to do",
            report.state_of
        )];
    }
    let made = match &report.snapshot {
        Some(id) => format!("Full backup {id} made"),
        None => "A full backup can be made".to_owned(),
    };
    let stored = if dry_run { "would be stored" } else { "stored" };
    vec![
        format!(
            "{made} of {}, with the state of {}: {}, {}",
            text::count(report.sets as u64, "set"),
            report.state_of,
            text::count(report.files, "file"),
            text::size(report.bytes),
        ),
        format!(
            "{} read, {} {stored}, in {}",
            text::size(report.bytes_read),
            text::size(report.bytes_stored),
            text::clock(report.duration),
        ),
    ]
}
