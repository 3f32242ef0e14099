//! Records added, changed and removed.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use jobs::catalog::{self, Change, Migration};
use jobs::esmith::Record;
use jobs::{Error, JobName, RecordError, Secret, Status};
use serde::Serialize;

use super::named;
use super::wizard::{self, Draft};
use crate::args::{JobAddArgs, JobEditArgs, JobOptions, absolute};
use crate::commands::{App, Outcome};
use crate::machine;
use crate::terminal::Terminal;

type Properties = Vec<(String, Vec<u8>)>;

pub fn add(app: &App, args: JobAddArgs) -> Outcome {
    let terminal = if app.output.is_json() || app.output.verbosity.quiet {
        None
    } else {
        Terminal::open()
    };
    let mut record = Record::of_kind(args.options.engine.map(|engine| engine.as_str()).unwrap_or_default());
    for (property, value) in properties(args.to.as_deref(), &args.options)? {
        record = record.with(property, value);
    }
    let status = if args.disabled { "disabled" } else { "enabled" };
    if !record.props.contains_key(b"status".as_slice()) {
        record = record.with("status", status);
    }
    let draft = Draft {
        name: args.name,
        record,
        paths: args.paths.iter().map(|path| absolute(path)).collect(),
    };
    let (name, draft) = match terminal {
        Some(terminal) => wizard::complete(app, &terminal, draft)?,
        None => complete(draft)?,
    };
    let excludes = args
        .options
        .exclude
        .into_iter()
        .map(OsString::into_vec)
        .collect::<Vec<_>>();
    catalog::add_without(&app.context, &name, &draft.record, &draft.paths, &excludes)?;
    app.output.lines(&[
        format!("Added backup {name}"),
        format!("To run it: holdfast backup -b {name}"),
    ]);
    tell_scheduler(app);
    named(app, "job add", &name)
}

/// The draft as it is, where nobody can be asked.
fn complete(mut draft: Draft) -> Result<(JobName, Draft), Error> {
    let Some(name) = draft.name.take() else {
        return Err(Error::Usage(
            "the new backup has no name: write `holdfast job add NAME`".to_owned(),
        ));
    };
    if draft.record.get("VFSType").is_none() {
        return Err(Error::Usage(format!(
            "backup {name} has no place: say where it goes with --to"
        )));
    }
    if draft.record.kind.is_empty() {
        draft.record.kind = "restic".into();
    }
    Ok((JobName::new(&name)?, draft))
}

/// The properties that the options stand for, what is set by its own name last.
fn properties(to: Option<&OsStr>, options: &JobOptions) -> Result<Properties, Error> {
    let mut all = match to {
        Some(place) => place_of(place)?,
        None => Vec::new(),
    };
    let mut push = |name: &str, value: Option<String>| {
        all.extend(value.map(|value| (name.to_owned(), value.into_bytes())));
    };
    push("BackupTime", options.at.as_deref().map(schedule));
    push("CleanupOlderThan", options.keep_within.clone());
    push("Prune", options.prune.clone());
    push("Check", options.check.clone());
    push("CheckData", options.check_data.clone());
    push("Notify", options.notify.clone());
    push(
        "NotifyTo",
        (!options.notify_to.is_empty()).then(|| options.notify_to.join(",")),
    );
    for (name, value) in &options.set {
        push(name, Some(value.clone()));
    }
    for (name, file) in &options.secret {
        push(name, Some(Secret::read(Path::new(file))?.reveal().to_owned()));
    }
    Ok(all)
}

/// A time of day is written as cron has it; what is neither is said when the record is checked.
pub fn schedule(text: &str) -> String {
    match text {
        "never" => String::new(),
        other => jobs::when::cron::of_time(other).unwrap_or_else(|| other.to_owned()),
    }
}

pub fn place_of(place: &OsStr) -> Result<Properties, Error> {
    let text = place.to_str();
    let is_address = text.is_some_and(|text| text.contains("://") || text.starts_with("usb:"));
    if is_address {
        let address = catalog::read_address(text.unwrap_or_default());
        let address = address.map_err(|reason| Error::Usage(format!("`{}` is no place: {reason}", hide(place))))?;
        let owned = |(name, value): (&str, String)| (name.to_owned(), value.into_bytes());
        return Ok(address.into_iter().map(owned).collect());
    }
    let folder = absolute(Path::new(place)).into_os_string().into_vec();
    Ok(vec![
        ("VFSType".to_owned(), b"local".to_vec()),
        ("LocalDirectory".to_owned(), folder),
    ])
}

/// Without what may be a password.
fn hide(place: &OsStr) -> String {
    let text = place.to_string_lossy();
    match text.split_once("://") {
        Some((scheme, rest)) if rest.contains('@') => format!("{scheme}://…"),
        _ => text.into_owned(),
    }
}

pub fn edit(app: &App, args: JobEditArgs) -> Outcome {
    let name = JobName::new(&args.name)?;
    let paths: Vec<PathBuf> = args.paths.iter().map(|path| absolute(path)).collect();
    let set = properties(args.to.as_deref(), &args.options)?;
    let excludes = args
        .options
        .exclude
        .iter()
        .map(|pattern| pattern.as_bytes().to_vec())
        .collect::<Vec<_>>();
    let change = Change {
        engine: args.options.engine,
        set,
        unset: args.unset,
        paths: (!paths.is_empty()).then_some(paths),
        excludes: (!excludes.is_empty()).then_some(excludes),
    };
    let left = catalog::edit(&app.context, &name, &change)?;
    app.output.line(&format!("Changed backup {name}"));
    warn(app, &left);
    tell_scheduler(app);
    named(app, "job edit", &name)
}

/// Tells cron or systemd what has changed, where any backup runs by itself; the change itself is done by then.
fn tell_scheduler(app: &App) {
    let told = || -> Result<(), Error> {
        let written = app
            .context
            .layout
            .crontab
            .as_ref()
            .is_some_and(|crontab| crontab.exists());
        let known = catalog::list(&app.context)?;
        if written || known.iter().any(|job| job.record.get("BackupTime").is_some()) {
            jobs::schedule::install(&app.context, &machine::program()?, &machine::now(&app.context))?;
        }
        Ok(())
    };
    if let Err(error) = told() {
        app.output.warn(&format!(
            "the hours of the backups are not written: {error}; try `holdfast schedule write`"
        ));
    }
}

fn warn(app: &App, left: &[RecordError]) {
    left.iter().for_each(|error| app.output.warn(&error.to_string()));
}

pub fn enable(app: &App, name: &str, enabled: bool) -> Outcome {
    let name = JobName::new(name)?;
    let left = catalog::enable(&app.context, &name, enabled)?;
    let (done, command) = if enabled {
        ("Enabled", "job enable")
    } else {
        ("Disabled", "job disable")
    };
    app.output.line(&format!("{done} backup {name}"));
    warn(app, &left);
    tell_scheduler(app);
    named(app, command, &name)
}

pub fn remove(app: &App, name: &str) -> Outcome {
    let name = JobName::new(name)?;
    catalog::remove(&app.context, &name)?;
    app.output.lines(&[
        format!("Removed backup {name}"),
        "Its repository, password and lists are still there".to_owned(),
    ]);
    tell_scheduler(app);
    named(app, "job remove", &name)
}

#[derive(Serialize)]
struct Migrated {
    dry_run: bool,
    job: Option<&'static str>,
    moved: Vec<String>,
    notes: Vec<String>,
}

pub fn migrate(app: &App, dry_run: bool) -> Outcome {
    let migration = catalog::migrate(&app.context, dry_run)?;
    app.output.lines(&told(&migration, dry_run));
    let details = Migrated {
        dry_run,
        job: migration.record.is_some().then_some("backup-data"),
        moved: migration.moved,
        notes: migration.notes,
    };
    app.done("job migrate", Status::Success, details)
}

fn told(migration: &Migration, dry_run: bool) -> Vec<String> {
    if *migration == Migration::default() {
        return vec!["There is nothing to migrate".to_owned()];
    }
    let would = if dry_run { "Would be moved" } else { "Moved" };
    let mut lines = Vec::new();
    if !migration.moved.is_empty() {
        lines.push(format!(
            "{would} from `configuration` to `backups`: {}",
            migration.moved.join(", ")
        ));
    }
    lines.extend(migration.notes.iter().map(|note| format!("Note: {note}")));
    lines
}
