//! A storage tried out: what an administrator runs before trusting it with a backup.
//!
//! Objects of random content are written, read, listed, replaced and removed, through the same layers and with the same
//! login as a backup's. What is there already is not touched, and what the trial wrote is gone afterwards.

mod objects;
mod traces;

use std::time::{Duration, Instant};

use engine_api::{Destination, ErrorKind, Failure, FileCapabilities, Space, StoreError, StoreErrorKind};

use crate::context::Context;
use crate::name::JobName;
use crate::open::Connected;
use crate::record::{EngineName, PlaceKind};
use crate::site::{Access, Site, Which};
use objects::Objects;
use traces::Traces;

/// A part of a trial that went well.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct TrialStep {
    /// What was done: `connect`, `write`, `read`, `range`, `list`, `refuse`, `replace` or `remove`.
    pub name: &'static str,
    /// How long it took.
    pub seconds: f64,
    /// Bytes of content that went over the line.
    pub bytes: u64,
    /// Operations that it took.
    pub operations: u64,
}

/// What a trial found out.
#[derive(Debug, Clone, serde::Serialize)]
pub struct TrialReport {
    /// Where, without secrets.
    pub location: String,
    /// The kind of storage, as `VFSType` has it.
    pub storage: String,
    /// The engine of the record.
    pub engine: String,
    /// What was done.
    pub steps: Vec<TrialStep>,
    /// What the place can do, each by a name and a word for it.
    pub abilities: Vec<(&'static str, String)>,
    /// Bytes written in a second, several at once.
    pub write_rate: f64,
    /// Bytes read in a second, several at once.
    pub read_rate: f64,
    /// How long one answer takes, in seconds.
    pub answer_seconds: f64,
    /// The room there is, where the place knows.
    pub space: Option<Space>,
    /// What the trial had to make and cannot take away again.
    pub left: Vec<String>,
    /// What had to be tried again, in lines.
    pub retries: Vec<String>,
}

/// Why a trial came to no good end, besides the storage's own errors.
#[derive(Debug, thiserror::Error)]
enum Ended {
    /// The storage does not do what a backup relies on.
    #[error("{location} cannot be relied on: {reason}")]
    Unreliable { location: String, reason: String },
    /// Somebody asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl Failure for Ended {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Unreliable { .. } => ErrorKind::Storage,
            Self::Interrupted => ErrorKind::Interrupted,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = "use another storage, or have the server mended, and test it again";
        matches!(self, Self::Unreliable { .. }).then(|| hint.to_owned())
    }
}

/// Tries the storage of a job, and tells `each` of every step that went well; ends early when `stop` says so.
///
/// # Errors
/// When the storage cannot be opened, an operation fails, or something comes back that was not written.
pub fn run(
    context: &Context,
    name: &JobName,
    stop: &dyn Fn() -> bool,
    each: &mut dyn FnMut(&TrialStep),
) -> engine_api::Result<TrialReport> {
    let site = Site::find(context, &Access::to(Which::Job(name.clone())))?;
    let mut traces = Traces::default();
    let start = Instant::now();
    let connected = connect(context, &site, &mut traces)?;
    let mut steps = vec![TrialStep {
        name: "connect",
        seconds: start.elapsed().as_secs_f64(),
        bytes: 0,
        operations: 1,
    }];
    steps.iter().for_each(&mut *each);
    let tried = try_all(&site, &connected.destination, stop, &mut |step| {
        each(&step);
        steps.push(step);
    });
    let abilities = if tried.is_ok() {
        abilities(&site, &connected.destination)
    } else {
        Vec::new()
    };
    let retries = connected.retries();
    let space = connected.destination.blobs.space();
    traces.remove(context, &site, connected);
    let answer = tried?;
    Ok(TrialReport {
        location: site.location.clone(),
        storage: site.place.kind().to_string(),
        engine: site.engine.to_string(),
        write_rate: rate(&steps, "write"),
        read_rate: rate(&steps, "read"),
        answer_seconds: answer.as_secs_f64(),
        abilities,
        space: space?,
        left: traces.left,
        retries,
        steps,
    })
}

/// Opens the place, and makes its folder only where there is none yet.
fn connect(context: &Context, site: &Site, traces: &mut Traces) -> engine_api::Result<Connected> {
    match Connected::open(context, site, false) {
        Err(error) if crate::open::is_missing(&error) && traces::may_make(site) => {
            traces.note(site);
            Connected::open(context, site, true)
        }
        // Such a server says of nothing that it is missing before something is written.
        Ok(connected) if site.place.kind() == PlaceKind::Rest && !traces::is_used(&connected)? => {
            drop(connected);
            traces.note(site);
            Connected::open(context, site, true)
        }
        other => other,
    }
}

/// Every step on objects; gives the time of one answer.
fn try_all(
    site: &Site,
    destination: &Destination,
    stop: &dyn Fn() -> bool,
    each: &mut dyn FnMut(TrialStep),
) -> engine_api::Result<Duration> {
    let unreliable = |reason: String| Ended::Unreliable {
        location: site.location.clone(),
        reason,
    };
    let mut objects = Objects::new(destination.blobs.as_ref(), site.place.kind() == PlaceKind::Rest);
    let tried = objects.run(stop, each);
    let cleared = objects.clear();
    let answer = tried.map_err(|failed| match failed {
        objects::Failed::Store(error) => engine_api::Error::from(error),
        objects::Failed::Wrong(reason) => unreliable(reason).into(),
        objects::Failed::Interrupted => Ended::Interrupted.into(),
    })?;
    cleared?;
    if site.engine == EngineName::Rsync {
        let can = destination.files.as_ref().map(|files| files.capabilities());
        if let Some(why) = can.and_then(|can| can.unanswered.as_ref()) {
            return Err(why.error(&site.location).into());
        }
        if !can.is_some_and(|can| can.hard_links) {
            return Err(unreliable("it has no hard links, which the rsync engine needs".to_owned()).into());
        }
    }
    Ok(answer)
}

fn rate(steps: &[TrialStep], name: &str) -> f64 {
    let step = steps.iter().find(|step| step.name == name);
    #[allow(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = step.map_or(0.0, |step| step.bytes as f64 / step.seconds.max(1e-9));
    rate
}

fn abilities(site: &Site, destination: &Destination) -> Vec<(&'static str, String)> {
    let word = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    let blobs = destination.blobs.capabilities();
    let mut found = vec![
        ("refuses to overwrite", word(blobs.exclusive_create)),
        ("operations at once", blobs.concurrency.to_string()),
        ("as fast as a local disk", word(blobs.local)),
    ];
    if site.engine == EngineName::Rsync
        && let Some(files) = &destination.files
    {
        found.extend(of_files(files.capabilities()));
    }
    found
}

fn of_files(files: &FileCapabilities) -> Vec<(&'static str, String)> {
    let word = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    vec![
        ("hard links", word(files.hard_links)),
        ("symbolic links", word(files.symlinks)),
        ("replaces in one step", word(files.atomic_replace)),
        ("any name", word(files.any_name && files.case_sensitive)),
        ("owners", word(files.owners)),
        ("modes", word(files.modes)),
        ("times to the nanosecond", word(files.time_unit == 1)),
        ("extended attributes", word(files.xattrs)),
        ("ACLs", word(files.acls)),
        ("holes", word(files.holes)),
    ]
}

/// An answer that should have been another.
fn unexpected(error: &StoreError, wanted: StoreErrorKind) -> bool {
    error.kind != wanted
}

#[cfg(test)]
mod tests;
