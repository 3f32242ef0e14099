//! The commands that only read.

use super::{Answer, Call, Outcome};
use crate::esmith::database::Database;
use crate::esmith::json::{self, Named};
use crate::esmith::record::{Record, unescape_newlines};

pub(super) fn keys(call: &Call<'_>) -> Outcome {
    let database = call.file.read()?;
    let mut output = Vec::new();
    for key in database.keys() {
        push_line(&mut output, &[key]);
    }
    Ok(Answer::of(output, !database.is_empty()))
}

pub(super) fn print(call: &Call<'_>) -> Outcome {
    each(call, |output, key, raw| {
        push_line(output, &[key, b"=", &unescape_newlines(raw)]);
    })
}

pub(super) fn show(call: &Call<'_>) -> Outcome {
    each(call, |output, key, raw| {
        let record = Record::decode(raw);
        push_line(output, &[key, b"=", &record.kind]);
        for (name, value) in &record.props {
            push_line(output, &[b"    ", name, b"=", value]);
        }
    })
}

pub(super) fn printtype(call: &Call<'_>) -> Outcome {
    each(call, |output, key, raw| {
        push_line(output, &[key, b"=", &Record::decode(raw).kind]);
    })
}

pub(super) fn get(call: &Call<'_>) -> Outcome {
    let database = call.file.read()?;
    let raw = database.raw(call.arg(0));
    Ok(one(raw.map(unescape_newlines)).with_warning(damage(call, &database)))
}

pub(super) fn gettype(call: &Call<'_>) -> Outcome {
    let record = call.file.read()?.record(call.arg(0));
    Ok(one(record.map(|record| record.kind)))
}

pub(super) fn getprop(call: &Call<'_>) -> Outcome {
    let database = call.file.read()?;
    let record = database.record(call.arg(0));
    let value = record.and_then(|mut record| record.props.remove(call.arg(1)));
    Ok(one(value).with_warning(damage(call, &database)))
}

pub(super) fn printprop(call: &Call<'_>) -> Outcome {
    let database = call.file.read()?;
    let Some(record) = database.record(call.arg(0)) else {
        return Ok(Answer::of(Vec::new(), false));
    };
    let wanted = call.rest(1);
    let mut output = Vec::new();
    for (name, value) in &record.props {
        if wanted.is_empty() || wanted.contains(name) {
            push_line(&mut output, &[name, b"=", value]);
        }
    }
    let success = !wanted.is_empty() || !record.props.is_empty();
    Ok(Answer::of(output, success).with_warning(damage(call, &database)))
}

pub(super) fn printjson(call: &Call<'_>) -> Outcome {
    json(call, |value| value.compact())
}

pub(super) fn showjson(call: &Call<'_>) -> Outcome {
    json(call, |value| {
        let mut output = value.indented();
        output.extend(b"\n\n");
        output
    })
}

enum Shown<'a> {
    One(Named<'a>),
    All(Vec<Named<'a>>),
}

impl Shown<'_> {
    fn compact(&self) -> Vec<u8> {
        match self {
            Self::One(named) => json::compact(named),
            Self::All(all) => json::compact(all),
        }
    }

    fn indented(&self) -> Vec<u8> {
        match self {
            Self::One(named) => json::indented(named),
            Self::All(all) => json::indented(all),
        }
    }
}

/// A missing key prints `1`, which is what callers test for.
fn json(call: &Call<'_>, layout: impl Fn(&Shown<'_>) -> Vec<u8>) -> Outcome {
    let database = call.file.read()?;
    let output = if let Some(key) = call.optional_key() {
        match database.record(key) {
            Some(record) => layout(&Shown::One(Named { key, record: &record })),
            None => b"1".to_vec(),
        }
    } else {
        let records: Vec<_> = database
            .raw_lines()
            .map(|(key, raw)| (key, Record::decode(raw)))
            .collect();
        let all = records.iter().map(|(key, record)| Named { key, record }).collect();
        layout(&Shown::All(all))
    };
    Ok(Answer::of(output, true).with_warning(damage(call, &database)))
}

fn each(call: &Call<'_>, mut write: impl FnMut(&mut Vec<u8>, &[u8], &[u8])) -> Outcome {
    let database = call.file.read()?;
    let wanted = call.optional_key();
    let (mut output, mut found) = (Vec::new(), false);
    for (key, raw) in database.raw_lines() {
        if wanted.is_none_or(|wanted| wanted == key) {
            write(&mut output, key, raw);
            found = true;
        }
    }
    Ok(Answer::of(output, found).with_warning(damage(call, &database)))
}

fn one(value: Option<Vec<u8>>) -> Answer {
    match value {
        Some(mut value) => {
            value.push(b'\n');
            Answer::of(value, true)
        }
        None => Answer::of(Vec::new(), false),
    }
}

fn push_line(output: &mut Vec<u8>, parts: &[&[u8]]) {
    parts.iter().for_each(|part| output.extend(*part));
    output.push(b'\n');
}

/// Says which of the records shown has lost a separator: its last properties cannot be trusted.
fn damage(call: &Call<'_>, database: &Database) -> Option<String> {
    let wanted = call.optional_key();
    let damaged: Vec<_> = database
        .raw_lines()
        .filter(|(key, raw)| wanted.is_none_or(|wanted| wanted == *key) && Record::decode(raw).dangling.is_some())
        .map(|(key, _)| format!("`{}`", String::from_utf8_lossy(key)))
        .collect();
    let file = call.file.path().display();
    let keys = damaged.join(", ");
    (!damaged.is_empty())
        .then(|| format!("{keys} in {file} has a property without a value: a value before it may have swallowed a `|`"))
}
