//! The steps of a job's run, as lines or JSON.

use engine_api::{BackupReport, PruneReport};
use jobs::events::Note;
use jobs::{ActionReport, HookNote, RunReport, Site, Status, Step, SyntheticReport};
use serde::Serialize;

use crate::json::ResultLine;
use crate::output::Output;

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum StepLine<'a> {
    Action {
        event: &'a str,
        #[serde(flatten)]
        action: ActionLine<'a>,
    },
    Hook(ActionLine<'a>),
    Output {
        action: &'a str,
        line: &'a str,
    },
    Notice {
        message: String,
    },
    Started {
        backup: &'a str,
        time: String,
    },
    RepositoryCreated(Created),
    Saved(Saved<'a>),
    MadeFull(MadeFull<'a>),
    Expired {
        removed: usize,
        kept: usize,
    },
    Pruned(&'a PruneReport),
    Checked {
        snapshots: u64,
        bytes_read: u64,
        errors: u64,
    },
    Usage {
        total: u64,
        used: u64,
        available: u64,
    },
}

/// What became of an action or a hook.
#[derive(Serialize)]
struct ActionLine<'a> {
    name: &'a str,
    path: String,
    exit: i32,
    failure: Option<String>,
    seconds: f64,
}

impl<'a> From<&'a ActionReport> for ActionLine<'a> {
    fn from(report: &'a ActionReport) -> Self {
        Self {
            name: &report.name,
            path: report.path.display().to_string(),
            exit: report.ending.code(),
            failure: (!report.ending.success()).then(|| report.ending.to_string()),
            seconds: report.elapsed.as_secs_f64(),
        }
    }
}

/// Where a new repository and its password are.
#[derive(Serialize)]
pub struct Created {
    location: String,
    engine: &'static str,
    password_file: Option<String>,
}

impl From<&Site> for Created {
    fn from(site: &Site) -> Self {
        Self {
            location: site.location.clone(),
            engine: site.engine.as_str(),
            password_file: site.has_password().then(|| site.secret.display().to_string()),
        }
    }
}

/// What was saved.
#[derive(Serialize)]
pub struct Saved<'a> {
    snapshot: Option<&'a str>,
    parent: Option<&'a str>,
    dry_run: bool,
    files: engine_api::Counts,
    dirs: engine_api::Counts,
    others: engine_api::Counts,
    bytes_processed: u64,
    bytes_added: u64,
    bytes_stored: u64,
    problems: u64,
    seconds: f64,
}

/// The numbers of a backup.
pub fn saved(report: &BackupReport, dry_run: bool) -> Saved<'_> {
    Saved {
        snapshot: report.snapshot.as_ref().map(|id| id.0.as_str()),
        parent: report.parent.as_ref().map(|id| id.0.as_str()),
        dry_run,
        files: report.files,
        dirs: report.dirs,
        others: report.others,
        bytes_processed: report.bytes_processed,
        bytes_added: report.bytes_added,
        bytes_stored: report.bytes_stored,
        problems: report.problems.count,
        seconds: report.duration.as_secs_f64(),
    }
}

/// A full backup made of a chain.
#[derive(Serialize)]
pub struct MadeFull<'a> {
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

/// The numbers of a full backup that was made of a chain.
pub fn made_full(report: &SyntheticReport, dry_run: bool) -> MadeFull<'_> {
    MadeFull {
        dry_run,
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
    }
}

/// What a new repository is told with, as JSON.
pub fn created(output: &Output, site: &Site) {
    output.event(&StepLine::RepositoryCreated(site.into()));
}

pub(super) fn tell(output: &Output, step: &Step<'_>) {
    match step {
        // As JSON it is the last line.
        Step::Failed { error } if !output.is_json() => {
            crate::exit::report(output, error);
        }
        Step::Failed { .. } => {}
        _ => output.lines(&step.lines()),
    }
    match step {
        Step::Started { name, at } => output.event(&StepLine::Started {
            backup: name.as_str(),
            time: at.timestamp().to_string(),
        }),
        Step::Waiting { .. } => output.event(&StepLine::Notice {
            message: step.lines().join(" "),
        }),
        Step::Event {
            note: Note::Done { event, report, .. },
        } => output.event(&StepLine::Action {
            event,
            action: (*report).into(),
        }),
        Step::Event {
            note: Note::Line { action, text, .. },
        } => output.event(&StepLine::Output { action, line: text }),
        Step::Hook {
            hook: HookNote::Done(report),
        } => output.event(&StepLine::Hook((*report).into())),
        Step::NewRepository { site } => created(output, site),
        Step::Saved { report, dry_run } => output.event(&StepLine::Saved(saved(report, *dry_run))),
        Step::MadeFull { report } => output.event(&StepLine::MadeFull(made_full(report, false))),
        Step::Expired { report, .. } => output.event(&StepLine::Expired {
            removed: report.removed.len(),
            kept: report.kept.len(),
        }),
        Step::Pruned { report } => output.event(&StepLine::Pruned(report)),
        Step::Checked { checked } => output.event(&StepLine::Checked {
            snapshots: checked.report.snapshots,
            bytes_read: checked.report.bytes_read,
            errors: checked.report.errors,
        }),
        Step::Usage { usage } => output.event(&StepLine::Usage {
            total: usage.0.total,
            used: usage.0.used,
            available: usage.0.available,
        }),
        _ => {}
    }
}

#[derive(Serialize)]
struct RunDetails<'a> {
    backup: &'a str,
    snapshot: Option<&'a str>,
    log: Option<String>,
    seconds: f64,
}

/// The last line of a run that did not fail.
pub fn result(output: &Output, command: &str, report: &RunReport) -> Status {
    let snapshot = report.backup.as_ref().and_then(|backup| backup.snapshot.as_ref());
    output.event(&ResultLine::new(
        command,
        report.status,
        RunDetails {
            backup: report.name.as_str(),
            snapshot: snapshot.map(|id| id.0.as_str()),
            log: report.log.as_ref().map(|log| log.display().to_string()),
            seconds: report.elapsed.as_secs_f64(),
        },
    ));
    report.status
}
