//! What is known of a job's runs in time: since when it has its schedule, when it ran last, and whether that run came to an
//! end.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::atomic;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::name::JobName;

/// Seconds since 1970 of a job's last run and schedule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LastRun {
    /// When the last run began; `None` before the first.
    pub began: Option<i64>,
    /// When it ended; `None` for one that is going on, or whose process died.
    pub ended: Option<i64>,
    /// Its log; not a path, for a note that cannot be written in JSON would be none.
    pub log: Option<String>,
    /// The beginning of the last run of which it was told that it broke off.
    pub told: Option<i64>,
    /// The schedule that is installed, as the record has it; empty when none is.
    pub schedule: String,
    /// Since when.
    pub since: i64,
}

fn path(context: &Context, name: &JobName) -> PathBuf {
    context.layout.status.join(format!("schedule-{name}"))
}

/// Changes what is known, and writes it where that makes a difference.
fn update(context: &Context, name: &JobName, change: impl FnOnce(&mut LastRun)) -> Result<()> {
    let before = last(context, name)?;
    let mut after = before.clone().unwrap_or_default();
    change(&mut after);
    if before.as_ref() == Some(&after) {
        return Ok(());
    }
    atomic::create_dir(&context.layout.status, 0o755)?;
    let text = serde_json::to_vec(&after).unwrap_or_default();
    atomic::replace(&path(context, name), 0o644, &text)
}

/// Notes that a run begins.
pub(crate) fn begun(context: &Context, name: &JobName, now: Timestamp, log: Option<&Path>) -> Result<()> {
    update(context, name, |last| {
        last.began = Some(now.as_second());
        last.ended = None;
        last.log = log.map(|log| log.display().to_string());
    })
}

/// A run that began and did not come to its end, though nobody is running it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BrokenOff {
    /// When it began.
    pub(crate) began: Timestamp,
    /// Its log.
    pub(crate) log: Option<String>,
    /// Whether it was told already.
    pub(crate) told: bool,
}

/// The last run, where it has begun and not ended; whether it goes on is for the caller to know, who holds the job's lock.
pub(crate) fn broken_off(context: &Context, name: &JobName) -> Result<Option<BrokenOff>> {
    let Some(last) = last(context, name)? else {
        return Ok(None);
    };
    let (Some(began), None) = (last.began, last.ended) else {
        return Ok(None);
    };
    Ok(Some(BrokenOff {
        began: Timestamp::from_second(began).unwrap_or_default(),
        log: last.log,
        told: last.told == Some(began),
    }))
}

/// Notes that it was told of the run that began then and broke off.
pub(crate) fn told(context: &Context, name: &JobName, began: Timestamp) -> Result<()> {
    update(context, name, |last| last.told = Some(began.as_second()))
}

/// Notes that the run that began at that moment came to an end, good or bad.
pub(crate) fn ended(context: &Context, name: &JobName, began: Timestamp, now: Timestamp) -> Result<()> {
    update(context, name, |last| {
        last.began = Some(began.as_second());
        last.ended = Some(now.as_second());
    })
}

/// Notes that this schedule is installed from now on, where it was not before; what lies in the future was noted by a
/// clock that was wrong, and counts as now.
pub(crate) fn scheduled(context: &Context, name: &JobName, schedule: &str, now: Timestamp) -> Result<()> {
    let now = now.as_second();
    update(context, name, |last| {
        if last.schedule != schedule {
            schedule.clone_into(&mut last.schedule);
            last.since = now;
        }
        last.since = last.since.min(now);
        last.began = last.began.map(|began| began.min(now));
    })
}

/// What is known; a note that cannot be understood is none.
pub(crate) fn last(context: &Context, name: &JobName) -> Result<Option<LastRun>> {
    let path = path(context, name);
    match fs::read(&path) {
        Ok(text) => Ok(serde_json::from_slice(&text).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", &path, error)),
    }
}
