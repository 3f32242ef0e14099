//! The steps of a run, and the lines that tell them; scripts read some of these.

use engine_api::{BackupReport, ForgetReport, PruneReport};
use engine_duplicity::SyntheticReport;
use jiff::Zoned;
use jiff::tz::TimeZone;

use super::{Checked, DiskUsage, RunReport, Work, check};
use crate::events::Note;
use crate::hooks::HookNote;
use crate::name::JobName;
use crate::record::EngineName;
use crate::site::Site;
use crate::status::Status;
use crate::{synthetic, text};

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
    /// A full set was made of the chain.
    MadeFull {
        /// Of what, and which.
        report: &'a SyntheticReport,
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
    /// The repository was checked.
    Checked {
        /// What was found.
        checked: &'a Checked,
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
    /// Another job works at the destination, and this one waits for it.
    Waiting {
        /// The destination.
        location: &'a str,
        /// Who works there.
        holder: &'a str,
    },
    /// An event before or after the engine's work is going on.
    Event {
        /// What happens in it.
        note: &'a Note<'a>,
    },
    /// The event before the engine's work is over.
    Prepared {
        /// What became of it.
        work: &'a Work,
        /// The zone for printed times.
        zone: &'a TimeZone,
    },
    /// The event after the engine's work is over.
    TidiedUp {
        /// What became of it.
        work: &'a Work,
    },
    /// A hook is going on, after everything else.
    Hook {
        /// What it does.
        hook: &'a HookNote<'a>,
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
            Self::MadeFull { report } => synthetic::lines(report, false),
            Self::Expired { report, dry_run } => vec![expired(report, *dry_run)],
            Self::Pruned { report } => vec![pruned(report)],
            Self::Checked { checked } => check::lines(checked),
            Self::Engine { name, engine, success } => {
                let result = if *success { "SUCCESS" } else { "FAIL" };
                vec![format!("Action 'backup-data-{engine} {name}': {result}")]
            }
            Self::Waiting { location, holder } => {
                vec![format!(
                    "Waiting for {}: in use by {}",
                    text::clean(location),
                    text::clean(holder)
                )]
            }
            Self::Event { note } => note.line().map(|line| text::clean(&line)).into_iter().collect(),
            Self::Prepared { work, zone } => prepared(work, zone),
            Self::TidiedUp { work } => tidied(work),
            Self::Hook { hook } => vec![text::clean(&hook.line())],
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

fn prepared(work: &Work, zone: &TimeZone) -> Vec<String> {
    let mut lines: Vec<_> = work
        .complaints()
        .iter()
        .map(|text| warning("before the backup", text))
        .collect();
    lines.extend(match work {
        Work::Nothing | Work::Left => None,
        Work::Done(report) if report.success() => Some("Pre backup scripts status: SUCCESS".to_owned()),
        Work::Done(_) | Work::Failed(_) => Some("Event pre-backup-data: FAIL".to_owned()),
        Work::Shared { by, at, .. } => {
            let at = time(&at.to_zoned((*zone).clone()));
            Some(format!(
                "Pre backup scripts status: SHARED (done at {at} for backup {by}, which runs)"
            ))
        }
    });
    lines
}

fn tidied(work: &Work) -> Vec<String> {
    let mut lines: Vec<_> = work
        .complaints()
        .iter()
        .map(|text| warning("after the backup", text))
        .collect();
    lines.extend(
        match work {
            Work::Nothing | Work::Shared { .. } => None,
            Work::Done(report) if report.success() => Some("Post backup scripts status: SUCCESS"),
            Work::Done(_) | Work::Failed(_) => Some("Event post-backup-data: FAIL"),
            Work::Left => Some("Post backup scripts status: LEFT (to the last of the backups that run)"),
        }
        .map(str::to_owned),
    );
    lines
}

fn warning(when: &str, complaint: &str) -> String {
    format!("Warning: {when}: {}", text::clean(complaint))
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
        let unprepared = report
            .prepared
            .as_ref()
            .is_some_and(|work| !work.complaints().is_empty());
        lines.push(
            match unprepared {
                true => {
                    "Backup finished with errors: what the failed actions make may be missing or old in the snapshot"
                }
                false => "Backup finished with errors: the snapshot holds all the rest",
            }
            .to_owned(),
        );
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
