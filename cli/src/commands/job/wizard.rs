//! Asks for what a new backup still needs.

use std::ffi::OsStr;
use std::path::PathBuf;

use jobs::esmith::Record;
use jobs::{Error, JobName, PlaceKind, RecordError, catalog};

use super::change::{place_of, schedule};
use crate::args::absolute;
use crate::commands::App;
use crate::terminal::Terminal;

/// A backup that is being thought of.
pub struct Draft {
    pub name: Option<String>,
    pub record: Record,
    pub paths: Vec<PathBuf>,
}

/// Asks until the record is good. Where nothing is missing, nothing is asked.
///
/// # Errors
/// When the terminal fails or is closed, or something is wrong that no answer mends.
pub fn complete(app: &App, terminal: &Terminal, mut draft: Draft) -> Result<(JobName, Draft), Error> {
    let from_nothing = draft.name.is_none() || draft.record.get("VFSType").is_none();
    let name = name(app, terminal, draft.name.take())?;
    place(terminal, &mut draft)?;
    engine(terminal, &mut draft, from_nothing)?;
    needed(terminal, &name, &mut draft)?;
    if draft.paths.is_empty() && !jobs::lists::common_exist(&app.context)? && !jobs::lists::has_own(&app.context, &name)
    {
        paths(terminal, &mut draft)?;
    }
    if from_nothing {
        habits(terminal, &name, &mut draft)?;
    }
    Ok((name, draft))
}

fn name(app: &App, terminal: &Terminal, given: Option<String>) -> Result<JobName, Error> {
    if let Some(name) = given {
        return JobName::new(&name);
    }
    loop {
        let answer = terminal.ask("Name of the new backup", Some("backup-data"))?;
        match JobName::new(&answer) {
            Ok(name) if catalog::record(&app.context, &name).is_err() => return Ok(name),
            Ok(name) => terminal.say(&format!("There is a backup {name} already."))?,
            Err(error) => terminal.say(&error.to_string())?,
        }
    }
}

fn place(terminal: &Terminal, draft: &mut Draft) -> Result<(), Error> {
    while draft.record.get("VFSType").is_none() {
        let answer = terminal.ask(
            "Where does it go (a folder, usb:LABEL, sftp://USER@HOST/FOLDER, … ? for all forms)",
            None,
        )?;
        let read = if answer == "?" {
            catalog::read_address("").map(|_| Vec::new()).map_err(Error::Usage)
        } else {
            place_of(OsStr::new(&answer))
        };
        match read {
            Ok(properties) => {
                for (name, value) in properties {
                    draft.record.props.insert(name.into_bytes(), value);
                }
            }
            Err(error) => terminal.say(&error.to_string())?,
        }
    }
    Ok(())
}

fn kind(record: &Record) -> Option<PlaceKind> {
    let value = record.get("VFSType")?;
    PlaceKind::ALL
        .into_iter()
        .find(|kind| kind.as_str().as_bytes() == value)
}

fn engine(terminal: &Terminal, draft: &mut Draft, ask: bool) -> Result<(), Error> {
    while draft.record.kind.is_empty() {
        let answer = if ask {
            terminal.ask("Engine (restic: deduplicated and encrypted; duplicity: full backups and increments; rsync: plain folders)", Some("restic"))?
        } else {
            "restic".to_owned()
        };
        match jobs::EngineName::parse(&answer) {
            Some(engine) => draft.record.kind = engine.as_str().into(),
            None => terminal.say("Write restic, duplicity or rsync.")?,
        }
    }
    Ok(())
}

/// Asks for every property that the record still needs, and for the logins that it may need.
fn needed(terminal: &Terminal, name: &JobName, draft: &mut Draft) -> Result<(), Error> {
    for property in logins(kind(&draft.record)) {
        if !draft.record.props.contains_key(property.as_bytes()) {
            let value = ask(terminal, property, "empty for none")?;
            draft.record.props.insert((*property).into(), value.into_bytes());
        }
    }
    loop {
        let errors = catalog::check(name, &draft.record);
        let Some(error) = errors.into_iter().next() else {
            return Ok(());
        };
        let (property, allowed) = match &error {
            RecordError::Missing { property, allowed, .. } | RecordError::Value { property, allowed, .. } => {
                (property.clone(), allowed.clone())
            }
            _ => return Err(Error::Refused(error)),
        };
        if matches!(error, RecordError::Value { .. }) {
            terminal.say(&error.to_string())?;
        }
        let value = ask(terminal, &property, &allowed)?;
        if property == "type" {
            draft.record.kind = value.into_bytes();
        } else {
            draft.record.props.insert(property.into_bytes(), value.into_bytes());
        }
    }
}

fn logins(kind: Option<PlaceKind>) -> &'static [&'static str] {
    match kind {
        Some(PlaceKind::Cifs) => &["SMBLogin", "SMBPassword"],
        Some(PlaceKind::WebDav) => &["WebDAVLogin", "WebDAVPassword"],
        Some(PlaceKind::Rest) => &["RestUser", "RestPassword"],
        _ => &[],
    }
}

fn ask(terminal: &Terminal, property: &str, allowed: &str) -> Result<String, Error> {
    let question = format!("{property} ({allowed})");
    if catalog::is_secret(property) {
        terminal.ask_unseen(&question)
    } else {
        terminal.ask(&question, None)
    }
}

fn paths(terminal: &Terminal, draft: &mut Draft) -> Result<(), Error> {
    loop {
        let answer = terminal.ask("What does it save (one path; empty when that is all)", None)?;
        if answer.is_empty() && !draft.paths.is_empty() {
            return Ok(());
        }
        let path = absolute(answer.as_ref());
        if answer.is_empty() || !path.exists() {
            terminal.say("There is nothing of that name.")?;
        } else {
            draft.paths.push(path);
        }
    }
}

/// Asks for what has a good default.
fn habits(terminal: &Terminal, name: &JobName, draft: &mut Draft) -> Result<(), Error> {
    let questions = [
        (
            "BackupTime",
            "When does it run (a time of day, five fields of cron, or never)",
            "3:00",
        ),
        (
            "CleanupOlderThan",
            "After what age do snapshots go (such as 30D, 6M, 1Y, or never)",
            "never",
        ),
        ("Notify", "When is a mail sent (always, error or never)", "error"),
        ("NotifyTo", "To whom", "root@localhost"),
    ];
    for (property, question, default) in questions {
        let silent = property == "NotifyTo" && draft.record.get("Notify") == Some(b"never");
        if draft.record.props.contains_key(property.as_bytes()) || silent {
            continue;
        }
        loop {
            let answer = terminal.ask(question, Some(default))?;
            let value = if property == "BackupTime" {
                schedule(&answer)
            } else {
                answer
            };
            draft.record.props.insert(property.into(), value.into_bytes());
            match catalog::check(name, &draft.record).into_iter().next() {
                Some(error) => terminal.say(&error.to_string())?,
                None => break,
            }
        }
    }
    Ok(())
}
