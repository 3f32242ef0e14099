//! The commands of NethServer beside `backup-data`: same names, same options, same lines, true exit codes.

use std::path::Path;

use engine_api::Snapshot;
use jobs::{Access, Error, JobName, Repository, Restore, Which, WholeStep, catalog, text};

use super::events::Shown;
use super::restore::{finish, finish_as, tell};
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
    let name = JobName::new(name)?;
    let listener = app.listener();
    let shown = Shown::by(app);
    let report = jobs::restore_data(&app.context, &name, &shown, &listener, &mut |step| {
        app.output.lines(&step.lines());
        if let WholeStep::Restored { restore, restored } = step {
            tell(app, restore, restored);
        }
    })?;
    drop(listener);
    if let Some(error) = &report.error {
        exit::report(&app.output, error);
    }
    match report.restored {
        Some(restored) => finish_as(app, "restore-data", &restored.report, Path::new("/"), report.status),
        None => Ok(report.status),
    }
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
