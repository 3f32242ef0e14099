//! The log of a run and the small files that say how it ended.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use engine_api::{Event, Progress};
use jiff::{Timestamp, Zoned};

use super::{RunReport, Step, Watcher};
use crate::atomic;
use crate::error::{Error, Result};
use crate::journal::past::WARNINGS;
use crate::layout::Layout;
use crate::name::JobName;
use crate::text;

/// Writes the run's steps and problems to a file and hands everything on.
pub(super) struct Log<'a> {
    file: Option<(PathBuf, File)>,
    warnings: Mutex<Vec<String>>,
    next: &'a dyn Watcher,
    /// Whether it was said that a line could not be written.
    broken: AtomicBool,
}

/// How many runs of a job may begin in one minute and have logs of their own.
const LOGS_A_MINUTE: u32 = 1000;

impl<'a> Log<'a> {
    /// A log that cannot be written is said, and the run goes on without.
    pub(super) fn open(layout: &Layout, name: &JobName, started: &Zoned, next: &'a dyn Watcher) -> Self {
        let file = match create(layout, name, started) {
            Ok(created) => Some(created),
            Err(error) => {
                next.step(&Step::Warning {
                    text: &engine_api::Error::from(error).chain(),
                });
                None
            }
        };
        Self {
            file,
            warnings: Mutex::default(),
            next,
            broken: AtomicBool::new(false),
        }
    }

    /// A log in a file that is open already.
    #[cfg(test)]
    pub(super) fn of(path: PathBuf, file: File, next: &'a dyn Watcher) -> Self {
        Self {
            file: Some((path, file)),
            warnings: Mutex::default(),
            next,
            broken: AtomicBool::new(false),
        }
    }

    pub(super) fn path(&self) -> Option<PathBuf> {
        self.file.as_ref().map(|(path, _)| path.clone())
    }

    /// The first of the warnings up to now, for the journal.
    pub(super) fn warnings(&self) -> Vec<String> {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, warning: &str) {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        if warnings.len() < WARNINGS {
            warnings.push(warning.to_owned());
        }
    }

    fn write(&self, lines: &[String]) {
        if let Some((path, file)) = &self.file {
            let text = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
            // A full log disk must not stop a backup; what is said here is said to the listener too.
            if let Err(error) = (&*file).write_all(text.as_bytes())
                && !self.broken.swap(true, Ordering::Relaxed)
            {
                let error = Error::io("write the log", path, error);
                self.next.step(&Step::Warning {
                    text: &engine_api::Error::from(error).chain(),
                });
            }
        }
    }
}

/// Makes a log that no other run has: also one that begins in the same minute, or in the hour that comes twice.
fn create(layout: &Layout, name: &JobName, started: &Zoned) -> Result<(PathBuf, File)> {
    atomic::create_dir(&layout.logs, 0o750)?;
    let minute = started.strftime("%Y%m%d%H%M");
    let mut number = 1;
    loop {
        let suffix = if number == 1 {
            String::new()
        } else {
            format!("-{number}")
        };
        let path = layout.logs.join(format!("backup-{name}-{minute}{suffix}.log"));
        match OpenOptions::new().create_new(true).append(true).mode(0o640).open(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < LOGS_A_MINUTE => number += 1,
            Err(error) => return Err(Error::io("write the log", &path, error)),
        }
    }
}

impl Progress for Log<'_> {
    fn event(&self, event: Event<'_>) {
        match event {
            Event::Problem(problem) => self.write(&[text::problem(problem)]),
            Event::Notice(notice) => self.write(&[text::clean(notice)]),
            _ => {}
        }
        self.next.event(event);
    }

    fn cancelled(&self) -> bool {
        self.next.cancelled()
    }
}

impl Watcher for Log<'_> {
    fn step(&self, step: &Step<'_>) {
        if let Step::Warning { text } = step {
            self.note(text);
        }
        self.write(&step.lines());
        self.next.step(step);
    }
}

/// Writes `status-NAME` and, where this run has asked for the room, `disk_usage-NAME` with the moment it was asked in: what
/// an earlier run has found stays, and its time tells.
pub(super) fn write_status(layout: &Layout, report: &RunReport) -> Result<()> {
    atomic::create_dir(&layout.status, 0o755)?;
    let status = layout.status.join(format!("status-{}", report.name));
    atomic::replace(&status, 0o644, format!("{}\n", report.status.code()).as_bytes())?;
    match report.usage {
        Some(usage) => {
            let file = layout.status.join(format!("disk_usage-{}", report.name));
            atomic::replace(&file, 0o644, usage.to_json(Timestamp::now()).as_bytes())
        }
        None => Ok(()),
    }
}
