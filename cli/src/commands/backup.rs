use std::fs;
use std::io::IsTerminal;
use std::os::unix::ffi::OsStrExt;

use engine_api::{Event, Progress};
use jobs::{Access, JobName, Plan, QuickBackup, QuickReport, RunOptions, Status, Step, Watcher, Which, catalog, text};
use serde::Serialize;

use super::{App, Outcome};
use crate::args::BackupArgs;
use crate::json::ResultLine;
use crate::progress::steps::{self, Saved};
use crate::signals::Interrupt;
use crate::{exit, machine};

pub fn run(app: &App, args: &BackupArgs) -> Outcome {
    let access = args.access()?;
    match &access.which {
        Which::Job(name) => {
            let options = RunOptions {
                access: access.clone(),
                estimate: estimates(app),
                force_read: args.force,
                dry_run: args.dry_run,
            };
            execute(app, name, options, "backup")
        }
        Which::Folder(_) => quick(app, args, access),
    }
}

/// A configured backup, just as it is configured.
pub fn run_job(app: &App, name: &str, command: &str) -> Outcome {
    let name = JobName::new(name)?;
    let mut options = RunOptions::of(name.clone());
    options.estimate = estimates(app);
    execute(app, &name, options, command)
}

/// Counting first pays where somebody looks at the time left.
fn estimates(app: &App) -> bool {
    app.output.is_json() || (std::io::stderr().is_terminal() && !app.global.quiet)
}

fn execute(app: &App, name: &JobName, options: RunOptions, command: &str) -> Outcome {
    let plan = Plan::make(&app.context, name, options)?;
    machine::step_back(&app.output, plan.job().conduct.priority);
    let listener = app.listener();
    let report = plan.execute(&listener);
    drop(listener);
    match &report.error {
        Some(error) if app.output.is_json() => Ok(exit::report(&app.output, error)),
        Some(_) => Ok(report.status),
        None => Ok(steps::result(&app.output, command, &report)),
    }
}

/// A configured backup with nobody there: it speaks by its log only, unless it has none.
pub fn run_unattended(app: &App, name: &str) -> Outcome {
    let name = JobName::new(name)?;
    match catalog::job(&app.context, &name) {
        Ok(job) => machine::step_back(&app.output, job.conduct.priority),
        // What never was a backup has no log.
        Err(error @ jobs::Error::NoJob { .. }) => return Err(error.into()),
        Err(_) => {}
    }
    let report = jobs::unattended(&app.context, &name, RunOptions::of(name.clone()), &Unseen::of(app));
    if let (None, Some(error)) = (&report.log, &report.error) {
        exit::report(&app.output, error);
    }
    Ok(report.status)
}

/// Listens for the wish to stop, and shows nothing.
pub struct Unseen(Interrupt);

impl Unseen {
    pub fn of(app: &App) -> Self {
        Self(app.interrupt.clone())
    }
}

impl Progress for Unseen {
    fn event(&self, _: Event<'_>) {}

    fn cancelled(&self) -> bool {
        self.0.is_set()
    }
}

impl Watcher for Unseen {
    fn step(&self, _: &Step<'_>) {}
}

fn quick(app: &App, args: &BackupArgs, access: Access) -> Outcome {
    let backup = QuickBackup {
        excludes: excludes(args)?,
        exclude_caches: args.exclude_caches,
        one_file_system: args.one_file_system,
        tags: args.tag.clone(),
        force_read: args.force,
        dry_run: args.dry_run,
        estimate: estimates(app),
        ..QuickBackup::of(args.absolute_paths(), access)
    };
    let listener = app.listener();
    let report = backup.run(&app.context, &listener)?;
    drop(listener);
    let status = if report.backup.problems.is_empty() {
        Status::Success
    } else {
        Status::Incomplete
    };
    tell(app, args, &report, status);
    Ok(status)
}

/// The patterns given, and those of the files given.
fn excludes(args: &BackupArgs) -> jobs::Result<Vec<Vec<u8>>> {
    let mut excludes: Vec<_> = args.exclude.iter().map(|pattern| pattern.as_bytes().to_vec()).collect();
    for file in &args.exclude_file {
        let content = fs::read(file).map_err(|source| jobs::Error::Io {
            action: "read the list",
            path: file.clone(),
            source,
        })?;
        excludes.extend(jobs::parse_list(&content));
    }
    Ok(excludes)
}

#[derive(Serialize)]
struct Details<'a> {
    location: &'a str,
    #[serde(flatten)]
    saved: Saved<'a>,
}

fn tell(app: &App, args: &BackupArgs, report: &QuickReport, status: Status) {
    let output = &app.output;
    output.lines(&report.lines());
    if report.made {
        steps::created(output, &report.site);
    }
    let saved = steps::saved(&report.backup, args.dry_run);
    let location = report.site.location.as_str();
    output.event(&ResultLine::new("backup", status, Details { location, saved }));
    if args.dry_run {
        return;
    }
    let folder = shell_word(&report.site.location);
    let password = match &args.opening.password_file {
        Some(file) => format!(" --password-file {}", shell_word(&file.display().to_string())),
        None => String::new(),
    };
    output.lines(&[
        format!("To list it:    holdfast ls --repo {folder}{password}"),
        format!("To restore it: holdfast restore --repo {folder}{password} --target FOLDER"),
    ]);
}

/// The word as a shell takes it.
fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%,=".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    text::clean(&format!("'{}'", word.replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_can_be_pasted_into_a_shell() {
        assert_eq!(shell_word("/mnt/disk-1/a.b"), "/mnt/disk-1/a.b");
        assert_eq!(shell_word("/mnt/my disk"), "'/mnt/my disk'");
        assert_eq!(shell_word("it's $HOME"), r"'it'\''s $HOME'");
    }
}
