//! One run of a job: plan, execute, report.

mod check;
mod execute;
mod files;
mod save;
mod shared;
pub(crate) mod steps;
mod throttle;
mod told;
mod usage;

use std::path::PathBuf;
use std::time::Duration;

use engine_api::{BackupReport, ForgetReport, Progress, PruneReport};
use jiff::Zoned;

use crate::actions::ActionReport;
use crate::catalog;
use crate::context::Context;
use crate::error::Error;
use crate::lock::{self, Lock};
use crate::name::JobName;
use crate::record::{Conduct, Job, Prune};
use crate::site::{Access, Which};
use crate::status::Status;

use execute::Run;

pub use check::Checked;
pub use shared::Work;
pub use steps::Step;
pub use usage::DiskUsage;

/// Listens to a run: to what the engine tells, and to the run's own steps.
pub trait Watcher: Progress {
    /// Takes note of a step.
    fn step(&self, step: &Step<'_>);
}

/// How a run is made, beside what its record says.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// How the repository is opened.
    pub access: Access,
    /// Count files and bytes first, for a listener that shows the time left.
    pub estimate: bool,
    /// Read every file even if it looks unchanged.
    pub force_read: bool,
    /// Do everything but write.
    pub dry_run: bool,
}

impl RunOptions {
    /// A run of this job as it is configured.
    #[must_use]
    pub fn of(name: JobName) -> Self {
        Self {
            access: Access::to(Which::Job(name)),
            estimate: false,
            force_read: false,
            dry_run: false,
        }
    }
}

/// A run that may begin: the job is known and enabled, and nobody else is running it.
pub struct Plan<'a> {
    context: &'a Context,
    job: Job,
    options: RunOptions,
    _lock: Option<Lock>,
}

/// What a run has done.
#[derive(Debug)]
pub struct RunReport {
    /// The job.
    pub name: JobName,
    /// How it ended.
    pub status: Status,
    /// Why it failed, when it did.
    pub error: Option<engine_api::Error>,
    /// What became of the event before the engine's work; `None` when it was not come to.
    pub prepared: Option<Work>,
    /// What became of the event after it.
    pub tidied: Option<Work>,
    /// The programs that were run at the very end, and how each ended.
    pub hooks: Vec<ActionReport>,
    /// What was saved; also there when only what came after it failed.
    pub backup: Option<BackupReport>,
    /// What expired.
    pub forget: Option<ForgetReport>,
    /// What was removed from the repository.
    pub prune: Option<PruneReport>,
    /// The check of the repository, where one was due.
    pub check: Option<Checked>,
    /// The room at the destination.
    pub usage: Option<DiskUsage>,
    /// When it began.
    pub started: Zoned,
    /// How long it took.
    pub elapsed: Duration,
    /// Its log, where one could be written.
    pub log: Option<PathBuf>,
}

impl RunReport {
    fn begun(name: JobName, started: Zoned, log: Option<PathBuf>) -> Self {
        Self {
            name,
            status: Status::Success,
            error: None,
            prepared: None,
            tidied: None,
            hooks: Vec::new(),
            backup: None,
            forget: None,
            prune: None,
            check: None,
            usage: None,
            started,
            elapsed: Duration::ZERO,
            log,
        }
    }

    /// What went wrong before, after and beside the engine's work, in words: the actions and hooks that failed.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let events = [&self.prepared, &self.tidied].into_iter().flatten();
        let hooks = self.hooks.iter().filter(|hook| !hook.ending.success());
        let hooks = hooks.map(|hook| format!("hook {}: {}", hook.name, hook.ending));
        events.flat_map(Work::complaints).chain(hooks).collect()
    }

    /// Whether there was no run because another one of the same job was under way.
    #[must_use]
    pub fn was_kept_out(&self) -> bool {
        let error = self.error.as_ref().and_then(|error| error.downcast_ref::<Error>());
        matches!(error, Some(Error::Running { .. }))
    }
}

/// Runs a job with nobody there to see it: what keeps it from beginning is in its log, its files and its report, and hooks
/// are called, as it is with what goes wrong later.
#[must_use]
pub fn unattended(context: &Context, name: &JobName, options: RunOptions, watcher: &dyn Watcher) -> RunReport {
    let mut run = Run::begin(context, name, options.dry_run, watcher);
    match Plan::make(context, name, options) {
        Ok(plan) => {
            let done = plan.attempt(&mut run);
            run.end(done, &plan.job.conduct)
        }
        Err(error) => run.end(Err(error.into()), &Conduct::default()),
    }
}

impl<'a> Plan<'a> {
    /// Plans a run of the job `name`.
    ///
    /// # Errors
    /// When there is no such job, its record cannot be used, it is disabled, or it is running.
    pub fn make(context: &'a Context, name: &JobName, options: RunOptions) -> Result<Self, Error> {
        let job = catalog::job(context, name)?;
        if !job.enabled {
            return Err(Error::Disabled { name: name.to_string() });
        }
        let lock = (!options.dry_run).then(|| lock::of_job(context, name));
        Ok(Self {
            context,
            job,
            options,
            _lock: lock.transpose()?,
        })
    }

    /// The job, as its record says.
    #[must_use]
    pub fn job(&self) -> &Job {
        &self.job
    }
}

/// Whether unneeded data is removed after a run that began at `moment`.
fn prunes_on(prune: Prune, moment: &Zoned) -> bool {
    match prune {
        Prune::Always => true,
        Prune::Weekday(day) => moment.weekday().to_sunday_zero_offset() == day,
    }
}

#[cfg(test)]
mod tests;
