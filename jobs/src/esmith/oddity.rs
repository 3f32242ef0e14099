//! What is strange in a database file: lines that say something twice, or that no program could have meant.

use std::collections::{BTreeMap, BTreeSet};

use super::record::{split_fields, unescape_newlines};

/// Something strange in the lines of a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Oddity {
    /// Several lines have the key; the last counts.
    #[error("lines {} have this key; the last counts", numbers(lines))]
    Doubled {
        /// Their numbers, from 1.
        lines: Vec<usize>,
    },
    /// The line has no `=`: there is a key and no record.
    #[error("line {line} has no `=`: it is no record")]
    NoRecord {
        /// Its number, from 1.
        line: usize,
    },
    /// A property stands twice in the record; the last counts.
    #[error("{property} stands twice in the record; the last counts")]
    DoubledProperty {
        /// Its name.
        property: String,
    },
    /// A property without a name.
    #[error("a property has no name")]
    NoName,
    /// The line ends as those of Windows do.
    #[error("line {line} ends in a carriage return, which belongs to the last value")]
    CarriageReturn {
        /// Its number, from 1.
        line: usize,
    },
}

/// A line's number and what follows its `=`.
type Line<'a> = (usize, Option<&'a [u8]>);

/// What is strange in a file's content, by key.
pub(super) fn find(content: &[u8]) -> BTreeMap<Vec<u8>, Vec<Oddity>> {
    let mut lines: BTreeMap<&[u8], Vec<Line<'_>>> = BTreeMap::new();
    for (index, line) in content.split(|&byte| byte == b'\n').enumerate() {
        let text = line.trim_ascii_start();
        if text.is_empty() || text.starts_with(b"#") {
            continue;
        }
        let mut parts = line.splitn(2, |&byte| byte == b'=');
        let key = parts.next().unwrap_or_default();
        lines.entry(key).or_default().push((index + 1, parts.next()));
    }
    let mut found = BTreeMap::new();
    for (key, lines) in lines {
        let mut oddities = Vec::new();
        if lines.len() > 1 {
            let lines = lines.iter().map(|(number, _)| *number).collect();
            oddities.push(Oddity::Doubled { lines });
        }
        if let Some((line, value)) = lines.last() {
            oddities.extend(of_line(*line, *value));
        }
        if !oddities.is_empty() {
            found.insert(key.to_vec(), oddities);
        }
    }
    found
}

fn of_line(line: usize, value: Option<&[u8]>) -> Vec<Oddity> {
    let Some(value) = value else {
        return vec![Oddity::NoRecord { line }];
    };
    let mut oddities = Vec::new();
    if value.ends_with(b"\r") {
        oddities.push(Oddity::CarriageReturn { line });
    }
    let fields = split_fields(&unescape_newlines(value));
    let (mut seen, mut twice) = (BTreeSet::new(), BTreeSet::new());
    for name in fields.iter().skip(1).step_by(2) {
        if name.is_empty() {
            oddities.push(Oddity::NoName);
        } else if !seen.insert(name) && twice.insert(name) {
            let property = String::from_utf8_lossy(name).into_owned();
            oddities.push(Oddity::DoubledProperty { property });
        }
    }
    oddities
}

fn numbers(lines: &[usize]) -> String {
    let texts: Vec<_> = lines.iter().map(ToString::to_string).collect();
    texts.join(", ")
}
