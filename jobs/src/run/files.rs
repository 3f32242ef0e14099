//! The log of a run and the small files that say how it ended.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use engine_api::{Event, Progress};
use jiff::Zoned;

use super::{RunReport, Step, Watcher};
use crate::atomic;
use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::name::JobName;
use crate::text;

/// Writes the run's steps and problems to a file and hands everything on.
pub(super) struct Log<'a> {
    file: Option<(PathBuf, File)>,
    next: &'a dyn Watcher,
}

impl<'a> Log<'a> {
    /// A log that cannot be written is said, and the run goes on without.
    pub(super) fn open(layout: &Layout, name: &JobName, started: &Zoned, next: &'a dyn Watcher) -> Self {
        let path = layout
            .logs
            .join(format!("backup-{name}-{}.log", started.strftime("%Y%m%d%H%M")));
        let open = || -> Result<File> {
            atomic::create_dir(&layout.logs, 0o750)?;
            // Two runs in one minute share a log rather than lose the first.
            let file = OpenOptions::new().create(true).append(true).mode(0o640).open(&path);
            file.map_err(|error| Error::io("write the log", &path, error))
        };
        let file = match open() {
            Ok(file) => Some((path, file)),
            Err(error) => {
                next.step(&Step::Warning {
                    text: &engine_api::Error::from(error).chain(),
                });
                None
            }
        };
        Self { file, next }
    }

    pub(super) fn path(&self) -> Option<PathBuf> {
        self.file.as_ref().map(|(path, _)| path.clone())
    }

    fn write(&self, lines: &[String]) {
        if let Some((_, file)) = &self.file {
            let text = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
            // A full log disk must not stop a backup; what is said here is said to the listener too.
            let _ = (&*file).write_all(text.as_bytes());
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
        self.write(&step.lines());
        self.next.step(step);
    }
}

/// Writes `status-NAME` and, where the room is known, `disk_usage-NAME`.
pub(super) fn write_status(layout: &Layout, report: &RunReport) -> Result<()> {
    atomic::create_dir(&layout.status, 0o755)?;
    let status = layout.status.join(format!("status-{}", report.name));
    atomic::replace(&status, 0o644, format!("{}\n", report.status.code()).as_bytes())?;
    match report.usage {
        Some(usage) => {
            let file = layout.status.join(format!("disk_usage-{}", report.name));
            atomic::replace(&file, 0o644, usage.to_json().as_bytes())
        }
        None => Ok(()),
    }
}
