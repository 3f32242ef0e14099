//! One run of a job: plan, execute, report.

mod execute;
mod files;
pub(crate) mod steps;
mod usage;

use std::path::PathBuf;
use std::time::Duration;

use engine_api::{BackupReport, ForgetReport, Progress, PruneReport};
use jiff::Zoned;

use crate::catalog;
use crate::context::Context;
use crate::error::Error;
use crate::lock::JobLock;
use crate::name::JobName;
use crate::record::{Job, Prune};
use crate::site::{Access, Which};
use crate::status::Status;

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
    _lock: Option<JobLock>,
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
    /// What was saved; also there when only what came after it failed.
    pub backup: Option<BackupReport>,
    /// What expired.
    pub forget: Option<ForgetReport>,
    /// What was removed from the repository.
    pub prune: Option<PruneReport>,
    /// The room at the destination.
    pub usage: Option<DiskUsage>,
    /// When it began.
    pub started: Zoned,
    /// How long it took.
    pub elapsed: Duration,
    /// Its log, where one could be written.
    pub log: Option<PathBuf>,
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
        let lock = (!options.dry_run).then(|| JobLock::take(&context.layout, name, &context.zone));
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
