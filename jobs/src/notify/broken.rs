//! Runs that broke off: nobody was left to tell of them, so whoever comes next does.

use super::{Limits, News, settings, tell};
use crate::catalog;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::journal::{self, PastRun, Told};
use crate::lock;
use crate::name::JobName;
use crate::schedule::state;

/// Tells, once, that the job's last run has not come to its end, and puts it into the journal; `None` when it has, or when it
/// was told already. The caller holds the job's lock, so that no run is going on.
///
/// # Errors
/// When it cannot be known or kept.
pub(crate) fn broken_off(context: &Context, name: &JobName) -> Result<Option<Vec<Told>>> {
    let Some(broken) = state::broken_off(context, name)?.filter(|broken| !broken.told) else {
        return Ok(None);
    };
    let (settings, _) = settings(context, name)?;
    let job = catalog::job(context, name).ok();
    let mut run = PastRun::that_broke_off(context, name, job.as_ref(), &broken);
    let after = journal::write_state(context, name, &run)?;
    // Before anybody is told, for that may take a minute, and the power may go again.
    state::told(context, name, broken.began)?;
    run.notified = tell(&settings, News::of(context, &run, Some(after), &Limits::default()));
    let untold = run.notified.iter().filter(|told| !told.success);
    run.warnings = untold.map(Told::line).collect();
    journal::append(context, name, &run)?;
    journal::write_state(context, name, &run)?;
    Ok(Some(run.notified))
}

/// The same for all jobs that nobody is running. A job of which nothing can be known or kept keeps nobody from being told of
/// the others; the first of these failures is that of the whole.
pub(super) fn all(context: &Context) -> Result<Vec<(JobName, Vec<Told>)>> {
    let (mut all, mut failure) = (Vec::new(), Ok(()));
    for listed in catalog::list(context)? {
        let Ok(name) = JobName::new(&listed.key) else { continue };
        match of_job(context, &name) {
            Ok(told) => all.extend(told.map(|told| (name, told))),
            Err(error) => failure = failure.and(Err(error)),
        }
    }
    failure.map(|()| all)
}

fn of_job(context: &Context, name: &JobName) -> Result<Option<Vec<Told>>> {
    if state::broken_off(context, name)?.is_none_or(|broken| broken.told) {
        return Ok(None);
    }
    match lock::of_job(context, name) {
        Ok(_lock) => broken_off(context, name),
        // It is going on after all.
        Err(Error::Running { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
