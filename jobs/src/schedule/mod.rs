//! When jobs run: what is planned, who is told to start them, and what was missed.

mod crontab;
mod install;
pub(crate) mod state;
mod timers;

use jiff::{SignedDuration, Timestamp, Zoned};

use crate::catalog::{self, Listed};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::lock::{self, NoLock, Patience};
use crate::name::JobName;
use crate::run::{RunOptions, RunReport, Watcher, unattended};
use crate::when::cron::{ALLOWED, Schedule};

pub use install::{Installed, Scheduler, install};
pub use state::LastRun;

/// How late a run may be before it counts as missed: whoever starts it needs a moment.
const GRACE: SignedDuration = SignedDuration::from_mins(10);

/// A job in time.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Its key in the database.
    pub key: String,
    /// Its schedule as the record has it; empty when it has none.
    pub text: String,
    /// The schedule, when it is one and the job is enabled and can be named.
    pub schedule: Option<Schedule>,
    /// After which runs its repository is checked, as the record has it; empty when never.
    pub check: String,
    /// When it is due next.
    pub next: Option<Zoned>,
    /// What is known of its last run.
    pub last: LastRun,
    /// Whether a run is going on.
    pub running: bool,
    /// Since when a run is missing.
    pub missed: Option<Zoned>,
    /// Why it never runs by itself.
    pub problem: Option<String>,
}

impl Planned {
    fn of(context: &Context, listed: &Listed, now: &Zoned) -> Result<Self> {
        let text = |property| String::from_utf8_lossy(listed.record.get(property).unwrap_or_default()).into_owned();
        let mut planned = Self {
            key: listed.key.clone(),
            text: text("BackupTime").trim().to_owned(),
            check: Some(text("Check").trim().to_owned())
                .filter(|check| check != "never")
                .unwrap_or_default(),
            schedule: None,
            next: None,
            last: LastRun::default(),
            running: false,
            missed: None,
            problem: None,
        };
        match planned.usable(text("status").trim() == "enabled") {
            Ok((name, schedule)) => planned.add_times(context, &name, schedule, now)?,
            Err(problem) => planned.problem = Some(problem),
        }
        Ok(planned)
    }

    fn usable(&self, enabled: bool) -> std::result::Result<(JobName, Schedule), String> {
        let name = JobName::new(&self.key).map_err(|error| error.to_string())?;
        if !enabled {
            return Err("it is disabled".to_owned());
        }
        if self.text.is_empty() {
            return Err("it has no BackupTime".to_owned());
        }
        match Schedule::parse(&self.text) {
            Ok(schedule) => Ok((name, schedule)),
            Err(error) => Err(format!("BackupTime is `{}`, and must be {ALLOWED}: {error}", self.text)),
        }
    }

    fn add_times(&mut self, context: &Context, name: &JobName, schedule: Schedule, now: &Zoned) -> Result<()> {
        self.next = schedule.next_after(now);
        self.last = state::last(context, name)?.unwrap_or_default();
        self.running = lock::is_running(context, name);
        self.missed = missed(&schedule, &self.text, &self.last, now).filter(|_| !self.running);
        self.schedule = Some(schedule);
        Ok(())
    }

    /// The job's name, when it is scheduled.
    #[must_use]
    pub fn name(&self) -> Option<JobName> {
        self.schedule.as_ref().and_then(|_| JobName::new(&self.key).ok())
    }
}

/// The first moment at which a run was due and none came, or the one at which a run began that never ended.
fn missed(schedule: &Schedule, text: &str, last: &LastRun, now: &Zoned) -> Option<Zoned> {
    let zoned = |second: i64| Some(Timestamp::from_second(second).ok()?.to_zoned(now.time_zone().clone()));
    if last.schedule != text {
        return None;
    }
    if let (Some(began), None) = (last.began, last.ended) {
        return zoned(began);
    }
    let from = zoned(last.since.max(last.began.unwrap_or(last.since)))?;
    let due = schedule.next_after(&from)?;
    (due.checked_add(GRACE).ok()? <= *now).then_some(due)
}

/// Every job of the machine in time, as seen at `now`; nothing is changed by looking.
///
/// # Errors
/// When the database, or what is known of a job, cannot be read.
pub fn overview(context: &Context, now: &Zoned) -> Result<Vec<Planned>> {
    let jobs = catalog::list(context)?;
    jobs.iter().map(|listed| Planned::of(context, listed, now)).collect()
}

/// What was made up.
#[derive(Debug)]
pub struct MadeUp {
    /// The runs that were missed, each with what came of making it up; no report when it was only looked.
    pub runs: Vec<(Planned, Option<RunReport>)>,
    /// Who is making up missed runs already, when that is why nothing was done.
    pub busy: Option<String>,
}

/// Runs every job that should have run and did not: the machine was off, or went off in the middle. One run makes up for
/// any number that were missed.
///
/// With `only_look` nothing is run. Runs are one after the other, and one that comes by itself in the meantime counts.
///
/// # Errors
/// When it cannot be told what was missed.
pub fn make_up(context: &Context, now: &dyn Fn() -> Zoned, watcher: &dyn Watcher, only_look: bool) -> Result<MadeUp> {
    let patience = Patience {
        limit: std::time::Duration::ZERO,
        cancelled: &|| false,
        waiting: &|_| {},
    };
    let mut made_up = MadeUp {
        runs: Vec::new(),
        busy: None,
    };
    let _lock = match lock::Lock::take(context, "catch-up.lock", "", &patience) {
        Ok(lock) => lock,
        Err(NoLock::Held { holder, .. }) => {
            made_up.busy = Some(holder);
            return Ok(made_up);
        }
        Err(NoLock::Cancelled) => return Err(Error::Interrupted),
        Err(NoLock::Failed(error)) => return Err(error),
    };
    if !only_look {
        install::note_schedules(context, &overview(context, &now())?, now().timestamp())?;
    }
    for seen in overview(context, &now())?
        .into_iter()
        .filter(|job| job.missed.is_some())
    {
        let Some(name) = seen.name() else { continue };
        if only_look {
            made_up.runs.push((seen, None));
            continue;
        }
        // Hours may have passed with the ones before.
        let current = overview(context, &now())?.into_iter().find(|job| job.key == seen.key);
        if watcher.cancelled() || current.is_none_or(|job| job.missed.is_none()) {
            continue;
        }
        let report = unattended(context, &name, RunOptions::of(name.clone()), watcher);
        made_up.runs.push((seen, Some(report)));
    }
    Ok(made_up)
}

#[cfg(test)]
mod tests;
