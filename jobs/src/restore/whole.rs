//! All of a job's latest snapshot where it came from, with the events around it: what `restore-data` does.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use engine_api::{Progress, Snapshot};
use jiff::Zoned;

use super::{Restore, Restored};
use crate::catalog;
use crate::context::Context;
use crate::events::{Event, Listener};
use crate::layout::Convention;
use crate::name::JobName;
use crate::open::Repository;
use crate::record::EngineName;
use crate::site::{Access, Which};
use crate::status::Status;

/// One thing that a whole restore has done.
#[derive(Debug)]
#[non_exhaustive]
pub enum WholeStep<'a> {
    /// It began.
    Started {
        /// When.
        at: Zoned,
    },
    /// The actions of an event are done.
    Event {
        /// Which.
        event: &'static str,
        /// What failed, a sentence each; `None` when they were left out, because nothing was restored.
        failed: Option<&'a [String]>,
    },
    /// The data is back, or some of it.
    Restored {
        /// What was asked for.
        restore: &'a Restore,
        /// What was done.
        restored: &'a Restored,
    },
    /// The engine is done, or has failed.
    Engine {
        /// The job.
        name: &'a JobName,
        /// Its engine.
        engine: EngineName,
        /// NethServer's path of the action, where the machine is one.
        as_nethserver: bool,
        /// Whether all is back.
        success: bool,
    },
    /// It is over.
    Ended {
        /// Whether all was done.
        success: bool,
        /// When.
        at: Zoned,
        /// How long it took.
        elapsed: Duration,
    },
}

impl WholeStep<'_> {
    /// The lines that tell it, but of what was restored.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let time = |at: &Zoned| at.strftime("%F %T").to_string();
        match self {
            Self::Started { at } => vec![format!("Restore started at {}", time(at))],
            Self::Event { event, failed } => {
                let mut lines: Vec<String> = failed.unwrap_or_default().to_vec();
                let word = match failed {
                    None => "SKIPPED (nothing was restored)",
                    Some([]) => "SUCCESS",
                    Some(_) => "FAIL",
                };
                lines.push(format!("Event {event}: {word}"));
                lines
            }
            Self::Engine {
                name,
                engine,
                as_nethserver,
                success,
            } => {
                let folder = if *as_nethserver {
                    "/etc/e-smith/events/actions/"
                } else {
                    ""
                };
                let word = if *success { "SUCCESS" } else { "FAIL" };
                vec![format!("Action '{folder}restore-data-{engine} -b {name}': {word}")]
            }
            Self::Restored { .. } => Vec::new(),
            Self::Ended { success, at, elapsed } => {
                let seconds = elapsed.as_secs();
                let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
                let mut lines = Vec::new();
                if !success {
                    lines.push("Restore: FAIL".to_owned());
                }
                lines.push(format!("Restore ended at {}", time(at)));
                lines.push(format!(
                    "Time elapsed: {hours} hours, {minutes} minutes, {seconds} seconds"
                ));
                lines
            }
        }
    }
}

/// What a whole restore has done.
#[derive(Debug)]
pub struct WholeReport {
    /// How it ended.
    pub status: Status,
    /// Why it failed, when it did.
    pub error: Option<engine_api::Error>,
    /// What was restored.
    pub restored: Option<Restored>,
}

/// Restores all of the latest snapshot of the job in place, enabled or not, with its events before and after.
///
/// An action that fails before it keeps it from being made: what it should have stopped may still be using the files. The
/// actions after it run when data came back, if not all of it: they load dumps and start what was stopped.
///
/// # Errors
/// When there is no such job, or its record cannot be used.
pub fn restore_data(
    context: &Context,
    name: &JobName,
    listener: &dyn Listener,
    progress: &dyn Progress,
    told: &mut dyn FnMut(&WholeStep<'_>),
) -> engine_api::Result<WholeReport> {
    let engine = catalog::job(context, name)?.engine;
    let now = || Zoned::now().with_time_zone(context.zone.clone());
    let clock = Instant::now();
    told(&WholeStep::Started { at: now() });
    let event = |event: &'static str, told: &mut dyn FnMut(&WholeStep<'_>)| {
        let failed = run_event(context, event, name, listener);
        let failed = Some(failed.as_slice());
        told(&WholeStep::Event { event, failed });
        failed.is_some_and(<[String]>::is_empty)
    };
    let mut report = WholeReport {
        status: Status::Failed,
        error: None,
        restored: None,
    };
    if event(BEFORE, told) {
        report.bring(context, name, progress, told);
        told(&WholeStep::Engine {
            name,
            engine,
            as_nethserver: context.layout.convention == Convention::NethServer,
            success: report.status == Status::Success,
        });
    }
    if report.restored.is_some() {
        if !event(AFTER, told) && report.status == Status::Success {
            report.status = Status::Incomplete;
        }
    } else {
        let (event, failed) = (AFTER, None);
        told(&WholeStep::Event { event, failed });
    }
    told(&WholeStep::Ended {
        success: report.status == Status::Success,
        at: now(),
        elapsed: clock.elapsed(),
    });
    Ok(report)
}

impl WholeReport {
    /// Restores, and takes down what came of it.
    fn bring(
        &mut self,
        context: &Context,
        name: &JobName,
        progress: &dyn Progress,
        told: &mut dyn FnMut(&WholeStep<'_>),
    ) {
        match bring(context, name, progress) {
            Ok((restore, restored)) => {
                let whole = restored.report.problems.is_empty();
                self.status = if whole { Status::Success } else { Status::Incomplete };
                told(&WholeStep::Restored {
                    restore: &restore,
                    restored: &restored,
                });
                self.restored = Some(restored);
            }
            Err(error) => {
                self.status = Status::from(error.kind());
                self.error = Some(error);
            }
        }
    }
}

const BEFORE: &str = "pre-restore-data";
const AFTER: &str = "post-restore-data";

/// Runs the actions of an event, if it has any; what failed, a sentence each.
fn run_event(context: &Context, event: &str, name: &JobName, listener: &dyn Listener) -> Vec<String> {
    match Event::find_if_there(&context.layout, event, vec![name.as_str().into()]) {
        Ok(event) if event.is_empty() => Vec::new(),
        Ok(event) => event.execute(listener).complaints(),
        Err(error) => vec![engine_api::Error::from(error).chain()],
    }
}

fn bring(context: &Context, name: &JobName, progress: &dyn Progress) -> engine_api::Result<(Restore, Restored)> {
    let repository = Repository::open(context, &Access::to(Which::Job(name.clone())))?;
    let latest: Snapshot = repository.snapshot(context, &repository.site.filter, None, progress)?;
    let restore = Restore::under(PathBuf::from("/"));
    let restored = repository.restore(context, &latest, &restore, progress)?;
    Ok((restore, restored))
}
