//! What the journal says of a run, made of the run's report.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use data_encoding::BASE64;
use engine_api::{Problem, Problems};
use jiff::Timestamp;

use super::past::{Failing, Part, PastCheck, PastProblem, PastProblems, PastRun, PastSpace};
use crate::context::Context;
use crate::name::JobName;
use crate::record::Job;
use crate::run::{Checked, RunReport, Work};
use crate::schedule::state::BrokenOff;
use crate::status::Status;
use crate::text;

/// The most of a run's problems that are kept, and the most bytes that they may take.
const PROBLEMS: (usize, usize) = (100, 32 << 10);

impl PastRun {
    /// A run of `name` that began and ended just now with `status`, and of which nothing else is known.
    fn blank(context: &Context, name: &JobName, started: Timestamp, status: Status) -> Self {
        Self {
            run: new_id(started),
            backup: name.to_string(),
            host: context.host.clone(),
            engine: None,
            location: None,
            started: moment(started),
            ended: moment(Timestamp::now()),
            test: false,
            broken_off: false,
            seconds: 0.0,
            status: status.name().to_owned(),
            code: status.code(),
            snapshot: None,
            files: None,
            dirs: None,
            others: None,
            bytes_processed: None,
            bytes_added: None,
            bytes_stored: None,
            problems: PastProblems::default(),
            expired: None,
            bytes_freed: None,
            check: None,
            error: None,
            warnings: Vec::new(),
            parts: Vec::new(),
            usage: None,
            log: None,
            notified: Vec::new(),
        }
    }

    /// The run that `report` tells of.
    pub(crate) fn of(context: &Context, job: Option<&Job>, report: &RunReport) -> Self {
        let blank = Self::blank(context, &report.name, report.started.timestamp(), report.status);
        let saved = report.backup.as_ref();
        Self {
            seconds: (report.elapsed.as_secs_f64() * 1000.0).round() / 1000.0,
            snapshot: saved.and_then(|saved| saved.snapshot.as_ref()).map(|id| id.0.clone()),
            files: saved.map(|saved| saved.files.into()),
            dirs: saved.map(|saved| saved.dirs.into()),
            others: saved.map(|saved| saved.others.into()),
            bytes_processed: saved.map(|saved| saved.bytes_processed),
            bytes_added: saved.map(|saved| saved.bytes_added),
            bytes_stored: saved.map(|saved| saved.bytes_stored),
            problems: saved.map(|saved| (&saved.problems).into()).unwrap_or_default(),
            expired: report.forget.as_ref().map(|forgotten| forgotten.removed.len() as u64),
            bytes_freed: report.prune.as_ref().map(|pruned| pruned.bytes_freed),
            check: report.check.as_ref().map(PastCheck::from),
            error: report.error.as_ref().map(Failing::from),
            parts: parts(report),
            usage: report.usage.map(|usage| PastSpace {
                time: blank.ended.clone(),
                total: usage.0.total,
                used: usage.0.used,
                available: usage.0.available,
            }),
            log: report.log.as_ref().map(|log| log.display().to_string()),
            ..blank
        }
        .of_job(job)
    }

    /// A run that began at `began`, and whose process is gone without a word.
    pub(crate) fn that_broke_off(context: &Context, name: &JobName, job: Option<&Job>, broken: &BrokenOff) -> Self {
        let began = broken.began.to_zoned(context.zone.clone());
        let message = format!(
            "the run that began at {} did not come to its end",
            began.strftime("%F %T")
        );
        let hint = "look into the system's log of that time: the machine went off, or the run was killed, as it is when \
                    memory is short; the next run goes on from what is there";
        let run = Self {
            broken_off: true,
            error: Some(Failing {
                message,
                hint: Some(hint.to_owned()),
            }),
            log: broken.log.clone(),
            ..Self::blank(context, name, broken.began, Status::Failed)
        };
        run.of_job(job)
    }

    /// A run that was due at `due` and is not known to have begun; it stands in no journal, for there was none.
    pub(crate) fn that_was_missed(context: &Context, name: &JobName, job: &Job, due: &str) -> Self {
        let message = format!("a run was due at {due} and has not begun");
        let run = Self {
            error: Some(Failing {
                message,
                hint: Some("look whether the machine was off, and whether cron or the timer is running".to_owned()),
            }),
            ..Self::blank(context, name, Timestamp::now(), Status::Failed)
        };
        run.of_job(Some(job))
    }

    /// A run that never was, to see whether a message arrives.
    pub(crate) fn to_try(context: &Context, name: &JobName, job: Option<&Job>) -> Self {
        let run = Self::blank(context, name, Timestamp::now(), Status::Success);
        Self { test: true, ..run }.of_job(job)
    }

    fn of_job(self, job: Option<&Job>) -> Self {
        Self {
            engine: job.map(|job| job.engine.to_string()),
            location: job.map(|job| text::clean(&job.location())),
            ..self
        }
    }
}

/// The events and hooks of a run, where there was something to do.
fn parts(report: &RunReport) -> Vec<Part> {
    let events = [
        ("pre-backup-data", &report.prepared),
        ("post-backup-data", &report.tidied),
    ];
    let event = |(name, work): (&str, &Option<Work>)| {
        let work = work
            .as_ref()
            .filter(|work| !matches!(work, Work::Nothing | Work::Left))?;
        let complaints = work.complaints();
        Some(Part {
            kind: "event".to_owned(),
            name: name.to_owned(),
            success: complaints.is_empty(),
            message: (!complaints.is_empty()).then(|| complaints.join("; ")),
        })
    };
    let hooks = report.hooks.iter().map(|hook| Part {
        kind: "hook".to_owned(),
        name: hook.name.clone(),
        success: hook.ending.success(),
        message: Some(hook.ending.to_string()),
    });
    events.into_iter().filter_map(event).chain(hooks).collect()
}

impl From<&Problems> for PastProblems {
    fn from(problems: &Problems) -> Self {
        let (most, mut room) = PROBLEMS;
        let fits = |problem: &PastProblem| {
            let length = problem.path.len() + problem.path_base64.as_ref().map_or(0, String::len) + problem.cause.len();
            let fits = length <= room;
            room -= length.min(room);
            fits
        };
        Self {
            count: problems.count,
            first: problems
                .first
                .iter()
                .take(most)
                .map(PastProblem::from)
                .take_while(fits)
                .collect(),
        }
    }
}

impl From<&Problem> for PastProblem {
    fn from(problem: &Problem) -> Self {
        let bytes = |path: &Path| BASE64.encode(path.as_os_str().as_bytes());
        Self {
            action: problem.action.to_owned(),
            path: problem.path.to_string_lossy().into_owned(),
            path_base64: problem.path.to_str().is_none().then(|| bytes(&problem.path)),
            cause: problem.cause.clone(),
        }
    }
}

impl From<&Checked> for PastCheck {
    fn from(checked: &Checked) -> Self {
        Self {
            time: moment(checked.at),
            read: checked.read.to_string(),
            bytes_read: checked.report.bytes_read,
            snapshots: checked.report.snapshots,
            errors: checked.report.errors,
        }
    }
}

impl From<&engine_api::Error> for Failing {
    fn from(error: &engine_api::Error) -> Self {
        Self {
            message: error.chain(),
            hint: error.hint(),
        }
    }
}

/// Whole seconds of UTC: what a second run in the same one lacks in time it has in its id.
pub(crate) fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The time and a random number, so that names sort as the runs began.
fn new_id(started: Timestamp) -> String {
    let mut random = [0; 4];
    // Without random numbers the process and the nanoseconds still tell two runs of one machine apart.
    if getrandom::fill(&mut random).is_err() {
        let mixed = std::process::id() ^ started.subsec_nanosecond().unsigned_abs();
        random = mixed.to_ne_bytes();
    }
    let random = u32::from_ne_bytes(random);
    format!("{}-{random:08x}", started.strftime("%Y%m%dT%H%M%SZ"))
}
