//! The commands that write, each in one locked and synced step.

use super::{Answer, Call, CommandError, Outcome};
use crate::error::Error;
use crate::esmith::database::{Database, Misfit};
use crate::esmith::json;
use crate::esmith::record::{Record, Unfit};

/// A property's name and value.
type Pair<'a> = (&'a [u8], &'a [u8]);

pub(super) fn set(call: &Call<'_>) -> Outcome {
    let pairs = pairs(call.rest(2))?;
    write(call, |database| put(database, call, &pairs))
}

pub(super) fn setdefault(call: &Call<'_>) -> Outcome {
    let pairs = pairs(call.rest(2))?;
    write(call, |database| {
        if database.raw(call.arg(0).trim_ascii()).is_none() {
            put(database, call, &pairs)?;
        }
        Ok(())
    })
}

pub(super) fn setjson(call: &Call<'_>) -> Outcome {
    let invalid = |reason: String| CommandError::Failed(Error::Json { reason });
    let text = match call.arg(0) {
        b"-" => (call.stdin)().map_err(|error| invalid(format!("standard input cannot be read: {error}")))?,
        text => text.to_vec(),
    };
    let records = json::parse(&text).map_err(invalid)?;
    let (computed, records): (Vec<_>, Vec<_>) = records.into_iter().partition(|(key, _)| call.file.is_computed(key));
    change(call, |database| {
        for (key, record) in &records {
            database.set(key, record)?;
        }
        Ok(())
    })?;
    let mut answer = Answer::done();
    answer.warnings.extend(computed.iter().map(|(key, _)| deprecated(key)));
    Ok(answer)
}

pub(super) fn delete(call: &Call<'_>) -> Outcome {
    let removed = change(call, |database| Ok(database.remove(call.arg(0))))?;
    Ok(Answer::of(Vec::new(), removed))
}

pub(super) fn settype(call: &Call<'_>) -> Outcome {
    if call.file.is_computed(call.arg(0)) {
        return Ok(Answer::done().with_warning(Some(deprecated(call.arg(0)))));
    }
    let kind = call.arg(1);
    let found = edit(call, |record| {
        kind.clone_into(&mut record.kind);
        // A raw `type|property|value` is what only `set` takes.
        if kind.contains(&b'|') {
            Err(Unfit::Separator)
        } else {
            Ok(())
        }
    })?;
    Ok(Answer::of(Vec::new(), found))
}

pub(super) fn setprop(call: &Call<'_>) -> Outcome {
    let pairs = pairs(call.rest(1))?;
    edit_props(call, |record| {
        for (name, value) in &pairs {
            record.props.insert((*name).to_vec(), (*value).to_vec());
        }
    })
}

pub(super) fn delprop(call: &Call<'_>) -> Outcome {
    edit_props(call, |record| {
        for name in call.rest(1) {
            record.props.remove(name);
        }
    })
}

fn edit_props(call: &Call<'_>, edit_record: impl FnOnce(&mut Record)) -> Outcome {
    if call.file.is_computed(call.arg(0)) {
        return Ok(Answer::done().with_warning(Some(deprecated(call.arg(0)))));
    }
    let found = edit(call, |record| {
        edit_record(record);
        Ok(())
    })?;
    let missing = || {
        let (key, file) = (String::from_utf8_lossy(call.arg(0)), call.file.path().display());
        format!("there is no record `{key}` in {file}: nothing was written")
    };
    let mut answer = Answer::done().with_warning((!found).then(missing));
    answer.missed = !found;
    Ok(answer)
}

/// Changes the record as it is under the lock; says whether there is one.
fn edit(call: &Call<'_>, edit_record: impl FnOnce(&mut Record) -> Result<(), Unfit>) -> Result<bool, CommandError> {
    let key = call.arg(0);
    change(call, |database| {
        let Some(before) = database.record(key) else {
            return Ok(false);
        };
        let mut after = before.clone();
        edit_record(&mut after).map_err(|unfit| Misfit {
            key: key.to_vec(),
            field: Some(b"type".to_vec()),
            unfit,
        })?;
        // A record that stays the same keeps its line as it is, in whatever order it was written.
        if after != before {
            database.set(key, &after)?;
        }
        Ok(true)
    })
}

fn write(call: &Call<'_>, work: impl FnOnce(&mut Database) -> Result<(), Misfit>) -> Outcome {
    if call.file.is_computed(call.arg(0)) {
        return Ok(Answer::done().with_warning(Some(deprecated(call.arg(0)))));
    }
    change(call, work)?;
    Ok(Answer::done())
}

fn change<T>(call: &Call<'_>, work: impl FnOnce(&mut Database) -> Result<T, Misfit>) -> Result<T, CommandError> {
    let update = call
        .file
        .update(|database| work(database).map_err(|misfit| call.file.unfit(misfit)));
    Ok(update?)
}

/// The record of a `set`: a type that holds pipes is a raw value, kept as it is unless properties follow.
fn put(database: &mut Database, call: &Call<'_>, pairs: &[Pair<'_>]) -> Result<(), Misfit> {
    let (key, kind) = (call.arg(0), call.arg(1).trim_ascii());
    if pairs.is_empty() {
        return database.set_raw(key, kind);
    }
    // Checked as raw first: decoding would hide what a broken raw value lost.
    let mut probe = Database::default();
    probe.set_raw(key, kind)?;
    let mut record = Record::decode(kind);
    for (name, value) in pairs {
        record.props.insert((*name).to_vec(), (*value).to_vec());
    }
    database.set(key, &record)
}

fn pairs(words: &[Vec<u8>]) -> Result<Vec<Pair<'_>>, CommandError> {
    let mut pairs = Vec::new();
    for pair in words.chunks(2) {
        match pair {
            [name, value] => pairs.push((name.as_slice(), value.as_slice())),
            other => {
                let name = other.first().map(|name| String::from_utf8_lossy(name).into_owned());
                let name = name.unwrap_or_default();
                return Err(CommandError::Usage(format!("property `{name}` has no value")));
            }
        }
    }
    Ok(pairs)
}

fn deprecated(key: &[u8]) -> String {
    let key = String::from_utf8_lossy(key);
    format!("`{key}` follows the system and cannot be set here: nothing was written")
}
