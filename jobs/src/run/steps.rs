//! The steps of a run, and the lines that tell them; scripts read some of these.

use engine_api::{BackupReport, ForgetReport, PruneReport};
use jiff::Zoned;

use super::{DiskUsage, RunReport};
use crate::name::JobName;
use crate::record::EngineName;
use crate::site::Site;
use crate::status::Status;
use crate::text;

/// One thing that a run has done.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Step<'a> {
    /// It began.
    Started {
        /// The job.
        name: &'a JobName,
        /// When.
        at: &'a Zoned,
    },
    /// A repository was made.
    NewRepository {
        /// Where, and where its password is.
        site: &'a Site,
    },
    /// The data is saved.
    Saved {
        /// What was done.
        report: &'a BackupReport,
        /// Whether only so to speak.
        dry_run: bool,
    },
    /// Old snapshots are gone.
    Expired {
        /// Which.
        report: &'a ForgetReport,
        /// Whether only so to speak.
        dry_run: bool,
    },
    /// Unneeded data is gone.
    Pruned {
        /// How much.
        report: &'a PruneReport,
    },
    /// The engine is done, or has failed.
    Engine {
        /// The job.
        name: &'a JobName,
        /// Its engine.
        engine: EngineName,
        /// Whether the data is saved.
        success: bool,
    },
    /// Something does not work that the data does not need.
    Warning {
        /// What.
        text: &'a str,
    },
    /// The run failed.
    Failed {
        /// Why.
        error: &'a engine_api::Error,
    },
    /// It is over.
    Ended {
        /// What was done; its last fields are filled.
        report: &'a RunReport,
        /// When.
        at: &'a Zoned,
    },
    /// The room at the destination.
    Usage {
        /// How much.
        usage: &'a DiskUsage,
    },
}

impl Step<'_> {
    /// The lines that tell it.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Started { name, at } => vec![format!("Backup: {name}"), format!("Backup started at {}", time(at))],
            Self::NewRepository { site } => new_repository(site),
            Self::Saved { report, dry_run } => saved(report, *dry_run),
            Self::Expired { report, dry_run } => vec![expired(report, *dry_run)],
            Self::Pruned { report } => vec![pruned(report)],
            Self::Engine { name, engine, success } => {
                let result = if *success { "SUCCESS" } else { "FAIL" };
                vec![format!("Action 'backup-data-{engine} {name}': {result}")]
            }
            Self::Warning { text } => vec![format!("Warning: {text}")],
            Self::Failed { error } => failed(error),
            Self::Ended { report, at } => ended(report, at),
            Self::Usage { usage } => {
                let [heads, values] = usage.table();
                vec![String::new(), "Disk Usage:".to_owned(), heads, values]
            }
        }
    }
}

/// A moment as all lines have it.
fn time(at: &Zoned) -> String {
    at.strftime("%F %T").to_string()
}

/// Where the new repository and its password are, and what that means.
#[must_use]
pub fn new_repository(site: &Site) -> Vec<String> {
    let mut lines = vec![format!("New repository in {}", text::clean(&site.location))];
    if site.has_password() {
        lines.push(format!("Its password is kept in {}", text::path(&site.secret)));
        lines.push("Keep a copy of that file in another place: without it nothing can be restored".to_owned());
    }
    lines
}

/// What a backup did.
#[must_use]
pub(crate) fn saved(report: &BackupReport, dry_run: bool) -> Vec<String> {
    let (files, size) = (report.files, text::size);
    let snapshot = match &report.snapshot {
        Some(id) => format!("Snapshot {} saved", text::short_id(&id.0)),
        None if dry_run => "Nothing was written (dry run)".to_owned(),
        None => "No snapshot was made".to_owned(),
    };
    let stored = if dry_run { "would be new" } else { "new" };
    let mut lines = vec![
        format!(
            "{snapshot}: {} ({} new, {} changed, {} unchanged), {} in {}",
            text::count(files.total(), "file"),
            files.new,
            files.changed,
            files.unchanged,
            size(report.bytes_processed),
            text::clock(report.duration),
        ),
        format!(
            "Data {stored}: {}, stored as {}",
            size(report.bytes_added),
            size(report.bytes_stored)
        ),
    ];
    if !report.problems.is_empty() {
        lines.push(format!(
            "{} could not be saved",
            text::count(report.problems.count, "path")
        ));
    }
    lines
}

fn expired(report: &ForgetReport, dry_run: bool) -> String {
    let (gone, kept) = (report.removed.len() as u64, report.kept.len() as u64);
    let verb = if dry_run { "Would expire" } else { "Expired" };
    format!("{verb}: {}, {kept} kept", text::count(gone, "snapshot"))
}

fn pruned(report: &PruneReport) -> String {
    format!("Pruned: {} freed", text::size(report.bytes_freed))
}

fn failed(error: &engine_api::Error) -> Vec<String> {
    let mut lines = vec![format!("Error: {}", text::clean(&error.chain()))];
    lines.extend(error.hint().map(|hint| format!("Hint: {}", text::clean(&hint))));
    lines
}

/// Anything but a full success is a failure for those who look for one word only; the line before says what it was.
fn ended(report: &RunReport, at: &Zoned) -> Vec<String> {
    let mut lines = Vec::new();
    if report.status == Status::Incomplete {
        lines.push("Backup finished with errors: the snapshot holds all the rest".to_owned());
    }
    if report.error.is_some() && report.backup.is_some() {
        lines.push("The snapshot is saved; what failed came after it".to_owned());
    }
    let word = if report.status == Status::Success {
        "SUCCESS"
    } else {
        "FAIL"
    };
    lines.push(format!("Backup status: {word}"));
    lines.push(format!("Backup ended at {}", time(at)));
    let seconds = report.elapsed.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    lines.push(format!(
        "Time elapsed: {hours} hours, {minutes} minutes, {seconds} seconds"
    ));
    lines
}
