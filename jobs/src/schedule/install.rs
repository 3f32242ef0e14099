//! The schedule handed to whoever starts things on this machine.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::{Timestamp, Zoned};

use super::{Planned, crontab, overview, state, timers};
use crate::atomic;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::name::JobName;

/// Who starts the jobs: property `Scheduler` of `backup-data` in the database `configuration`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheduler {
    /// A file of cron's.
    Cron,
    /// Timers of systemd.
    Systemd,
}

impl Scheduler {
    /// The one that is chosen; unless it is, cron, and systemd for an ordinary user.
    ///
    /// # Errors
    /// When the property is neither, or cron is chosen by a user who has none.
    pub fn of(context: &Context) -> Result<Self> {
        let database = context.configuration().read()?;
        let record = database.record(b"backup-data");
        let chosen = record.as_ref().and_then(|record| record.get("Scheduler"));
        let cron = context.layout.crontab.is_some();
        match chosen.map(<[u8]>::trim_ascii) {
            None if cron => Ok(Self::Cron),
            Some(b"cron") if cron => Ok(Self::Cron),
            None | Some(b"systemd") => Ok(Self::Systemd),
            Some(other) => Err(Error::Usage(format!(
                "the property Scheduler of backup-data in the database configuration is `{}`, and must be {}",
                String::from_utf8_lossy(other),
                if cron {
                    "cron or systemd"
                } else {
                    "systemd for a user who is not root"
                }
            ))),
        }
    }
}

/// What was installed.
#[derive(Debug)]
pub struct Installed {
    /// By whom the jobs are started now.
    pub scheduler: Scheduler,
    /// The files that are there now because of it.
    pub written: Vec<PathBuf>,
    /// The files that were removed.
    pub removed: Vec<PathBuf>,
    /// Jobs that never run by themselves, with the reason.
    pub left_out: Vec<(String, String)>,
}

/// A job that is to be started, and when.
pub(super) struct Entry<'a> {
    pub(super) name: JobName,
    pub(super) planned: &'a Planned,
}

/// How the program is called by whoever starts it.
pub(super) struct Caller<'a> {
    pub(super) program: &'a Path,
    pub(super) root: Option<&'a Path>,
}

/// Tells cron or systemd when to start which job; `program` is the path of the program that does it. Jobs whose schedule is
/// none are left out and named.
///
/// The jobs that the other of the two was told before are taken from it.
///
/// # Errors
/// When the databases cannot be read or the files not be written.
pub fn install(context: &Context, program: &Path, now: &Zoned) -> Result<Installed> {
    let scheduler = Scheduler::of(context)?;
    let jobs = overview(context, now)?;
    let entries = jobs.iter().filter_map(|planned| {
        let name = planned.name()?;
        Some(Entry { name, planned })
    });
    let entries: Vec<_> = entries.collect();
    let caller = Caller {
        program,
        root: context.layout.root.as_deref(),
    };
    let wanted = match (scheduler, &context.layout.crontab) {
        (Scheduler::Cron, Some(crontab)) => vec![(crontab.clone(), crontab::text(&context.layout, &caller, &entries))],
        _ => timers::files(&context.layout.units, &caller, &entries),
    };
    let mut written = Vec::new();
    for (path, text) in &wanted {
        path.parent()
            .map_or(Ok(()), |folder| atomic::create_dir(folder, 0o755))?;
        if fs::read(path).ok().as_deref() != Some(text.as_bytes()) {
            atomic::replace(path, 0o644, text.as_bytes())?;
        }
        written.push(path.clone());
    }
    written.extend(timers::enable(&context.layout.units, &wanted)?);
    let removed = remove_others(context, &written)?;
    timers::activate(context, &written, &removed);
    note_schedules(context, &jobs, now.timestamp())?;
    let left_out = jobs
        .iter()
        .filter_map(|job| Some((job.key.clone(), job.problem.clone()?)));
    Ok(Installed {
        scheduler,
        written,
        removed,
        left_out: left_out.collect(),
    })
}

/// From now on counts what is due by these schedules, and is missed when it does not come.
pub(super) fn note_schedules(context: &Context, jobs: &[Planned], now: Timestamp) -> Result<()> {
    for job in jobs {
        let Ok(name) = JobName::new(&job.key) else { continue };
        let schedule = if job.schedule.is_some() { &job.text } else { "" };
        state::scheduled(context, &name, schedule, now)?;
    }
    Ok(())
}

/// Removes what an earlier installation has written and this one has not.
fn remove_others(context: &Context, keep: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut old = timers::ours(&context.layout.units)?;
    if let Some(crontab) = &context.layout.crontab
        && fs::read_to_string(crontab).is_ok_and(|text| text.starts_with(MARK) || text.contains(ORIGINAL))
    {
        old.push(crontab.clone());
    }
    old.retain(|path| !keep.contains(path));
    for path in &old {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(Error::io("remove", path, error)),
            _ => {}
        }
    }
    Ok(old)
}

/// What the file of the original calls: it would start every backup a second time.
const ORIGINAL: &str = "/sbin/e-smith/backup-data-wrapper ";

/// How every file begins that is written here, and by which it is known again.
pub(super) const MARK: &str = "# Written by Holdfast from the records of the backups; changes here are lost.\n";
