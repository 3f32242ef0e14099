//! The single backup of NethServer up to 1.4: its properties stood in `configuration`, and become a record of `backups`.
//!
//! Nothing is taken away before it has been read back from its new place, and nothing that has no place there is taken
//! away at all. Until it is moved the old backup is seen as it would become.

use std::collections::BTreeMap;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::esmith::{Database, Record};
use crate::record::{EngineName, PlaceKind, is_common, is_property};
use crate::when::cron::of_time;

/// The key of the old backup, in `configuration` and in `backups`.
pub(crate) const KEY: &str = "backup-data";

/// What no program reads any more.
const DROPPED: [&str; 3] = ["Mount", "LogFile", "ForceFull"];

/// As NethServer 6 spelled them.
const LOWER: [&str; 3] = ["notify", "notifyTo", "notifyFrom"];

/// What a migration has done, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Migration {
    /// The record that was made, or changed.
    pub record: Option<Record>,
    /// Properties of `configuration` that were taken away after they were safe elsewhere.
    pub moved: Vec<String>,
    /// What was changed on the way, and what was left where it is, a sentence each.
    pub notes: Vec<String>,
}

/// The old backup as a record, and what is to be said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Old {
    pub(crate) record: Record,
    /// The properties of `configuration` that it was made of, with their values.
    pub(crate) taken: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) notes: Vec<String>,
}

/// The old backup that `configuration` holds, if it does.
pub(crate) fn old(configuration: &Database) -> Option<Old> {
    let mut taken = configuration.record(KEY.as_bytes())?.props;
    // Settings of the machine stand in the same record, and stay: IncludeLogs, Scheduler, a mail server and whatever else.
    let of_backup = |name: &[u8]| is_property(name) && !is_common(name);
    taken.retain(|name, _| LOWER.iter().any(|old| old.as_bytes() == name.as_slice()) || of_backup(name));
    if taken.is_empty() {
        return None;
    }
    let mut old = Old {
        record: Record::default(),
        taken: taken.clone(),
        notes: Vec::new(),
    };
    let program = taken.remove(b"Program".as_slice()).unwrap_or_default();
    old.record.kind = if program.is_empty() {
        b"duplicity".to_vec()
    } else {
        program
    };
    for (name, value) in taken {
        old.take(&name, value);
    }
    Some(old)
}

impl Old {
    fn take(&mut self, name: &[u8], value: Vec<u8>) {
        let text = String::from_utf8_lossy(name).into_owned();
        if DROPPED.contains(&text.as_str()) {
            if !value.is_empty() {
                self.notes.push(format!("{text} is dropped: nothing reads it any more"));
            }
            return;
        }
        let (name, value) = match text.as_str() {
            lower if LOWER.contains(&lower) => (text.replacen('n', "N", 1), value),
            "BackupTime" => (text, self.schedule(value)),
            "CleanupOlderThan" => (text, self.weeks(value)),
            _ => (text, value),
        };
        let entry = self.record.props.entry(name.into_bytes()).or_default();
        // The later spelling counts where both are there: it stands first, its letter being a capital.
        if entry.is_empty() {
            *entry = value;
        }
    }

    fn schedule(&mut self, value: Vec<u8>) -> Vec<u8> {
        match str::from_utf8(&value).ok().and_then(of_time) {
            Some(cron) => {
                let before = String::from_utf8_lossy(&value);
                self.notes.push(format!("BackupTime {before} is written as `{cron}`"));
                cron.into_bytes()
            }
            None => value,
        }
    }

    /// What the forms of later versions offer instead.
    fn weeks(&mut self, value: Vec<u8>) -> Vec<u8> {
        let weeks = match value.as_slice() {
            b"30D" => "28D",
            b"60D" => "56D",
            _ => return value,
        };
        let before = String::from_utf8_lossy(&value);
        self.notes.push(format!(
            "CleanupOlderThan {before} becomes {weeks}, as NethServer's own migration has it"
        ));
        weeks.into()
    }
}

/// Moves the old backup into `backups`, or says what would be done.
///
/// The record is written, read back and compared before anything is taken out of `configuration`. A record that is there
/// already is never overwritten; only its engine follows `Program` where that is all that stands in `configuration`, which
/// is what the manual's `config setprop backup-data Program ENGINE` leaves there.
///
/// # Errors
/// When a database cannot be read or written, or cannot hold a value; the old properties are then where they were.
pub fn migrate(context: &Context, dry_run: bool) -> Result<Migration> {
    let Some(old) = old(&context.configuration().read()?) else {
        return Ok(Migration::default());
    };
    let there = context.backups().read()?.record(KEY.as_bytes());
    let migration = match &there {
        None => Migration {
            record: Some(old.record.clone()),
            moved: names(&old),
            notes: old.notes.clone(),
        },
        Some(record) => beside(record, &old),
    };
    if dry_run {
        return Ok(migration);
    }
    if let Some(record) = &migration.record {
        write(context, there.as_ref(), record)?;
    }
    take_away(context, &migration.moved, &old.taken)?;
    Ok(migration)
}

fn names(old: &Old) -> Vec<String> {
    old.taken
        .keys()
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect()
}

/// What becomes of old properties when the record exists.
fn beside(record: &Record, old: &Old) -> Migration {
    let mut migration = Migration::default();
    let own: Vec<&[u8]> = old.taken.keys().map(Vec::as_slice).collect();
    if own == [b"Program".as_slice()] {
        migration.follow_program(record, &old.record.kind);
        return migration;
    }
    for (name, value) in &old.taken {
        let text = String::from_utf8_lossy(name).into_owned();
        let same = old
            .record
            .props
            .get(name)
            .is_some_and(|new| record.props.get(name) == Some(new));
        let same_engine = text == "Program" && record.kind == *value;
        if value.is_empty() || same || same_engine || DROPPED.contains(&text.as_str()) {
            migration.moved.push(text);
        } else {
            migration.notes.push(format!(
                "{text} stays in `configuration`: the record {KEY} in `backups` says something else, and counts"
            ));
        }
    }
    migration
}

impl Migration {
    fn follow_program(&mut self, record: &Record, program: &[u8]) {
        let text = String::from_utf8_lossy(program).into_owned();
        if record.kind == program {
            self.moved.push("Program".to_owned());
            return;
        }
        let place = record.get("VFSType").and_then(|name| str::from_utf8(name).ok());
        let place = PlaceKind::ALL.into_iter().find(|kind| Some(kind.as_str()) == place);
        match EngineName::parse(&text) {
            Some(engine) if place.is_none_or(|place| place.goes_with(engine)) => {
                let before = String::from_utf8_lossy(&record.kind);
                self.notes.push(format!(
                    "the engine of backup {KEY} was {before} and is {engine} now: `Program` was set to it after the record was made"
                ));
                self.record = Some(Record {
                    kind: program.to_vec(),
                    ..record.clone()
                });
                self.moved.push("Program".to_owned());
            }
            _ => self.notes.push(format!(
                "Program stays in `configuration`: backup {KEY} cannot have the engine {text} where its repository is"
            )),
        }
    }
}

/// Writes the record if nobody changed it in between, and looks whether it is there.
fn write(context: &Context, before: Option<&Record>, record: &Record) -> Result<()> {
    let file = context.backups();
    file.update(|database| {
        if database.record(KEY.as_bytes()).as_ref() != before {
            return Err(Error::JobExists {
                name: KEY.to_owned(),
                database: file.path().to_owned(),
            });
        }
        database
            .set(KEY.as_bytes(), record)
            .map_err(|misfit| file.unfit(misfit))
    })?;
    if file.read()?.record(KEY.as_bytes()).as_ref() == Some(record) {
        Ok(())
    } else {
        Err(Error::Usage(format!(
            "the record {KEY} in {} is not what was just written",
            file.path().display()
        )))
    }
}

/// Removes what is safe in its new place, as long as it is still what was copied.
fn take_away(context: &Context, moved: &[String], taken: &BTreeMap<Vec<u8>, Vec<u8>>) -> Result<()> {
    if moved.is_empty() {
        return Ok(());
    }
    let file = context.configuration();
    file.update(|database| {
        let Some(mut record) = database.record(KEY.as_bytes()) else {
            return Ok(());
        };
        for name in moved {
            if record.props.get(name.as_bytes()) == taken.get(name.as_bytes()) {
                record.props.remove(name.as_bytes());
            }
        }
        database
            .set(KEY.as_bytes(), &record)
            .map_err(|misfit| file.unfit(misfit))
    })
}

#[cfg(test)]
mod tests;
