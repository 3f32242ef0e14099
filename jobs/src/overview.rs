//! How all jobs are: the last run of each, what it made, when the next is due, and whether one is missing.

use std::fs;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};

use crate::catalog;
use crate::context::Context;
use crate::error::Result;
use crate::esmith::Record;
use crate::journal::{self, JobState, PastRun, PastSpace};
use crate::lock;
use crate::name::JobName;
use crate::record::Job;
use crate::schedule::state::{self, BrokenOff};
use crate::status::Status;
use crate::text;
use crate::when::cron::Schedule;

/// How late a run may be before it counts as missing: others go first, and a machine takes its time to start.
const GRACE: SignedDuration = SignedDuration::from_hours(1);

/// How many runs are looked at for a size or for the room at the destination.
const LOOKED_AT: usize = 100;

/// How a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It may not run.
    Disabled,
    /// It has not run yet, and need not have.
    New,
    /// Its last run was a full success.
    Good,
    /// Its last run could not save everything.
    Incomplete,
    /// A run was due and has not begun.
    Overdue,
    /// Its last run failed.
    Failed,
    /// Its record cannot be used, so it cannot run.
    Broken,
}

impl Verdict {
    /// Its name, as JSON has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::New => "new",
            Self::Good => "good",
            Self::Incomplete => "incomplete",
            Self::Overdue => "overdue",
            Self::Failed => "failed",
            Self::Broken => "broken",
        }
    }

    /// What a command that shows it ends with.
    #[must_use]
    pub const fn status(self) -> Status {
        match self {
            Self::Disabled | Self::New | Self::Good => Status::Success,
            Self::Incomplete => Status::Incomplete,
            Self::Overdue | Self::Failed | Self::Broken => Status::Failed,
        }
    }
}

/// A job with what is known of its runs.
#[derive(Debug, Clone)]
pub struct JobOverview {
    /// Its key in the database.
    pub name: String,
    /// The job, where its record can be used.
    pub job: Option<Job>,
    /// How it is.
    pub verdict: Verdict,
    /// Why it is not good, and what to try, in sentences.
    pub reasons: Vec<String>,
    /// Whether it is running now.
    pub running: bool,
    /// Since when the last run would be going on, if it had not broken off.
    pub broken_off: Option<Timestamp>,
    /// Its last run and what was before.
    pub state: Option<JobState>,
    /// When it is due next.
    pub next: Option<Timestamp>,
    /// Since when a run is missing.
    pub overdue: Option<Timestamp>,
    /// The bytes of all files in its last snapshot.
    pub size: Option<u64>,
    /// The room at its destination, with the moment of the answer.
    pub space: Option<PastSpace>,
}

/// The worst of all verdicts decides.
#[must_use]
pub fn status(jobs: &[JobOverview]) -> Status {
    let worst = jobs.iter().map(|job| job.verdict).max();
    worst.map_or(Status::Success, Verdict::status)
}

/// Every job, or the one of that name, as it is at `now`.
///
/// # Errors
/// When the database or a journal cannot be read, or there is no such job.
pub fn overview(context: &Context, only: Option<&JobName>, now: Timestamp) -> Result<Vec<JobOverview>> {
    if let Some(name) = only {
        return Ok(vec![of_record(
            context,
            name.as_str(),
            &catalog::record(context, name)?,
            now,
        )?]);
    }
    let listed = catalog::list(context)?;
    listed
        .iter()
        .map(|listed| of_record(context, &listed.key, &listed.record, now))
        .collect()
}

fn of_record(context: &Context, key: &str, record: &Record, now: Timestamp) -> Result<JobOverview> {
    let mut seen = JobOverview {
        name: key.to_owned(),
        job: None,
        verdict: Verdict::Broken,
        reasons: Vec::new(),
        running: false,
        broken_off: None,
        state: None,
        next: None,
        overdue: None,
        size: None,
        space: None,
    };
    let job = match JobName::new(key) {
        Err(error) => Err(error.to_string()),
        Ok(name) => {
            seen.look_at_runs(context, &name)?;
            Job::read(&name, record).map_err(|error| error.to_string())
        }
    };
    match job {
        Ok(job) if !job.enabled => {
            seen.verdict = Verdict::Disabled;
            seen.job = Some(job);
        }
        Ok(job) => {
            seen.job = Some(job);
            seen.look_at_schedule(context, record, now);
            seen.judge(context);
        }
        Err(reason) => seen.reasons.push(reason),
    }
    Ok(seen)
}

impl JobOverview {
    fn look_at_runs(&mut self, context: &Context, name: &JobName) -> Result<()> {
        let broken = state::broken_off(context, name)?;
        self.running = lock::is_running(context, name);
        // A run that has ended between the two questions is none that broke off.
        let is_same =
            |broken: &BrokenOff| state::broken_off(context, name).is_ok_and(|now| now.as_ref() == Some(broken));
        self.broken_off = broken
            .filter(|broken| !self.running && is_same(broken))
            .map(|broken| broken.began);
        self.state = journal::state(context, name)?;
        let last = self.state.as_ref().map(|state| &state.last);
        self.size = last.and_then(|run| run.bytes_processed);
        self.space = last.and_then(|run| run.usage.clone());
        if last.is_some() && (self.size.is_none() || self.space.is_none()) {
            let runs = journal::runs(context, name, LOOKED_AT)?;
            let find = |run: &PastRun| run.bytes_processed;
            self.size = self.size.or_else(|| runs.iter().find_map(find));
            self.space = self
                .space
                .take()
                .or_else(|| runs.iter().find_map(|run| run.usage.clone()));
        }
        Ok(())
    }

    fn look_at_schedule(&mut self, context: &Context, record: &Record, now: Timestamp) {
        let text = record.get("BackupTime").and_then(|value| str::from_utf8(value).ok());
        let Some(schedule) = text.and_then(|text| Schedule::parse(text).ok()) else {
            return;
        };
        let due_after = |moment: Timestamp| {
            let due = schedule.next_after(&moment.to_zoned(context.zone.clone()));
            due.map(|due| due.timestamp())
        };
        self.next = due_after(now);
        let last = self.state.as_ref().and_then(|state| state.last.started.parse().ok());
        // Of a job that has never run it is known that it was there when its database was last written.
        let since = last.or_else(|| modified(context.backups().path()));
        let due = since.and_then(|since: Timestamp| due_after(since.min(now)));
        self.overdue = due.filter(|due| !self.running && now.duration_since(*due) > GRACE);
    }

    fn judge(&mut self, context: &Context) {
        let last = self.state.as_ref().map(|state| &state.last);
        let result = match last {
            None => Verdict::New,
            Some(run) if run.is_good() => Verdict::Good,
            Some(run) if run.code == Status::Incomplete.code() => Verdict::Incomplete,
            Some(_) => Verdict::Failed,
        };
        let late = self.overdue.map_or(Verdict::Disabled, |_| Verdict::Overdue);
        let broken = self.broken_off.map_or(Verdict::Disabled, |_| Verdict::Failed);
        self.verdict = result.max(late).max(broken);
        let is_known = last.is_some_and(|run| run.broken_off);
        if let Some(began) = self.broken_off.filter(|_| !is_known) {
            let began = began.to_zoned(context.zone.clone());
            let began = began.strftime("%F %T");
            self.reasons
                .push(format!("the run that began at {began} did not come to its end"));
        }
        if let Some(due) = self.overdue {
            let due = due.to_zoned(context.zone.clone());
            self.reasons
                .push(format!("a run was due at {} and has not begun", due.strftime("%F %T")));
        }
        let checked = self.state.as_ref().and_then(|state| state.last_check.as_ref());
        if let Some(damage) = checked.filter(|checked| checked.errors > 0) {
            self.verdict = self.verdict.max(Verdict::Failed);
            // The run that has found it says so itself.
            if last.is_none_or(|run| run.check.is_none()) {
                let (day, errors) = (local_day(context, &damage.time), text::count(damage.errors, "error"));
                self.reasons
                    .push(format!("the check of {day} found {errors} in the repository"));
                let data = if damage.read == "none" { "" } else { " --read-data" };
                self.reasons
                    .push(format!("`holdfast check -b {}{data}` names them", self.name));
            }
        }
        let Some(run) = last.filter(|run| !run.is_good()) else {
            return;
        };
        if let Some(error) = &run.error {
            self.reasons.push(error.message.clone());
            self.reasons.extend(error.hint.clone());
        }
        if run.problems.count > 0 {
            let paths = text::count(run.problems.count, "path");
            self.reasons.push(format!("{paths} could not be saved"));
        }
        let failed = run.parts.iter().filter(|part| !part.success);
        self.reasons
            .extend(failed.map(|part| format!("{} {} failed", part.kind, part.name)));
        self.reasons
            .extend(run.log.as_ref().map(|log| format!("its log is {log}")));
    }
}

/// The day of a moment of the journal in the machine's own time.
fn local_day(context: &Context, moment: &str) -> String {
    match moment.parse::<Timestamp>() {
        Ok(moment) => moment.to_zoned(context.zone.clone()).strftime("%F").to_string(),
        Err(_) => moment.to_owned(),
    }
}

fn modified(path: &Path) -> Option<Timestamp> {
    let modified = fs::metadata(path).and_then(|file| file.modified()).ok()?;
    Timestamp::try_from(modified).ok()
}

#[cfg(test)]
mod tests;
