//! The commands of NethServer beside `backup-data`: same names, same options, same lines, true exit codes.

use std::path::{Path, PathBuf};
use std::time::Instant;

use engine_api::Snapshot;
use jiff::Zoned;
use jobs::{Access, EngineName, Error, JobName, Repository, Restore, Status, Which, catalog, text};

use super::restore::{finish, tell};
use super::{App, Outcome};
use crate::args::{Filter, LsArgs, Opening, RepoArgs, RestoreFileArgs, absolute};
use crate::{exit, machine};

/// The backups that the command can be called with, for its help.
pub fn known_backups(command: &str) -> String {
    let names = machine::context()
        .and_then(|context| catalog::list(&context))
        .unwrap_or_default();
    if names.is_empty() {
        return "There is no backup configuration".to_owned();
    }
    let lines: Vec<_> = names
        .iter()
        .map(|job| format!("  {command} -b {}", text::clean(&job.key)))
        .collect();
    format!("Configured backups:\n{}", lines.join("\n"))
}

fn open(app: &App, name: &str) -> engine_api::Result<Repository> {
    let access = Access::to(Which::Job(JobName::new(name)?));
    Repository::open(&app.context, &access)
}

fn snapshot(app: &App, repository: &Repository, when: Option<&str>) -> engine_api::Result<Snapshot> {
    let listener = app.listener();
    repository.snapshot(&app.context, &repository.site.filter, when, &listener)
}

/// The latest snapshot's files; without `files` after a line that says which it is.
pub fn list(app: &App, name: &str, files: bool) -> Outcome {
    let repository = open(app, name)?;
    let snapshot = snapshot(app, &repository, None)?;
    if !files && !app.output.is_json() {
        let time = text::time(snapshot.time, &app.context.zone);
        let paths: Vec<_> = snapshot.paths.iter().map(|path| text::path(path)).collect();
        let (id, host) = (&snapshot.short_id, text::clean(&snapshot.host));
        app.output.line(&format!(
            "Snapshot {id} of {} on {host}, made at {time}:",
            paths.join(", ")
        ));
    }
    drop(repository);
    let args = LsArgs {
        repository: RepoArgs {
            backup: Some(name.to_owned()),
            repo: None,
            opening: Opening::default(),
        },
        words: vec![snapshot.id.0.into()],
        filter: Filter::default(),
        long: false,
        null: false,
    };
    super::contents::ls(app, &args)
}

pub fn restore_data(app: &App, name: &str) -> Outcome {
    let started = Instant::now();
    let now = || {
        Zoned::now()
            .with_time_zone(app.context.zone.clone())
            .strftime("%F %T")
            .to_string()
    };
    app.output.line(&format!("Restore started at {}", now()));
    let job = JobName::new(name).and_then(|name| catalog::job(&app.context, &name));
    let engine = job.map_or(EngineName::Restic, |job| job.engine);
    let whole = Restore::under(PathBuf::from("/"));
    let restored = restore(app, name, None, &whole, "restore-data");
    let status = match restored {
        Ok(status) => status,
        Err(error) => exit::report(&app.output, &error),
    };
    let word = if status == Status::Success { "SUCCESS" } else { "FAIL" };
    app.output
        .line(&format!("Action 'restore-data-{engine} -b {name}': {word}"));
    if status != Status::Success {
        app.output.line("Restore: FAIL");
    }
    app.output.line(&format!("Restore ended at {}", now()));
    let seconds = started.elapsed().as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    app.output.line(&format!(
        "Time elapsed: {hours} hours, {minutes} minutes, {seconds} seconds"
    ));
    Ok(status)
}

pub fn restore_file(app: &App, args: &RestoreFileArgs) -> Outcome {
    if args.paths.is_empty() && !args.all {
        return Err(Error::NoPaths.into());
    }
    let restore = Restore {
        // A path without its first slash is meant from the root on, as it always was.
        paths: args.paths.iter().map(|path| Path::new("/").join(path)).collect(),
        beside: args.beside,
        numeric_owners: args.numeric_owners,
        verify: args.verify,
        ..Restore::under(absolute(&args.position))
    };
    self::restore(app, &args.name.name, args.time.as_deref(), &restore, "restore-file")
}

fn restore(app: &App, name: &str, when: Option<&str>, restore: &Restore, command: &str) -> Outcome {
    let repository = open(app, name)?;
    let snapshot = snapshot(app, &repository, when)?;
    let listener = app.listener();
    let restored = repository.restore(&app.context, &snapshot, restore, &listener)?;
    drop(listener);
    tell(app, restore, &restored);
    finish(app, command, &restored.report, &restore.target, false)
}
