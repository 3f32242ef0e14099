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

/// The same for all jobs that nobody is running.
pub(super) fn all(context: &Context) -> Result<Vec<(JobName, Vec<Told>)>> {
    let mut all = Vec::new();
    for listed in catalog::list(context)? {
        let Ok(name) = JobName::new(&listed.key) else { continue };
        if state::broken_off(context, &name)?.is_none_or(|broken| broken.told) {
            continue;
        }
        let _lock = match lock::of_job(context, &name) {
            Ok(lock) => lock,
            // It is going on after all.
            Err(Error::Running { .. }) => continue,
            Err(error) => return Err(error),
        };
        if let Some(told) = broken_off(context, &name)? {
            all.push((name, told));
        }
    }
    Ok(all)
}
