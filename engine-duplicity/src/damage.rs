//! Paths whose content in the latest chain is known to be damaged, kept in the archive folder from the check that finds
//! them to the backup that saves them anew.

use std::collections::BTreeSet;

use crate::archive::{Archive, remove};
use crate::chain::Chain;
use crate::engine::DuplicityEngine;
use crate::error::Result;
use crate::format::quote::{quote_to, unquote};
use crate::format::{SetTime, TreePath};

/// The list's name in the archive folder: the chain's full set's time, then a quoted path a line.
const NAME: &str = "holdfast-damaged";

/// Notes that the next backup must save these paths of the chain whole.
///
/// # Errors
/// When the archive folder is in use or cannot be written. Without an archive folder nothing is kept.
pub fn note(engine: &DuplicityEngine, chain: &Chain, paths: &BTreeSet<TreePath>) -> Result<()> {
    if engine.settings().archive.is_none() {
        return Ok(());
    }
    let archive = Archive::open(engine)?;
    let Some(start) = chain.start().filter(|_| !paths.is_empty()) else {
        return remove(&archive.dir().join(NAME));
    };
    let mut text = format!("{start}\n").into_bytes();
    for path in paths {
        quote_to(&mut text, path.as_bytes());
        text.push(b'\n');
    }
    archive.write(&archive.dir().join(NAME), &text)
}

/// What was noted of this chain.
pub fn of_chain(engine: &DuplicityEngine, archive: &Archive, chain: Option<&Chain>) -> BTreeSet<TreePath> {
    let start = chain.and_then(Chain::start);
    if engine.settings().archive.is_none() {
        return BTreeSet::new();
    }
    let text = std::fs::read(archive.dir().join(NAME)).unwrap_or_default();
    // An empty line is the root of the tree; only the last line feed ends the list.
    let text = text.strip_suffix(b"\n").unwrap_or(&text);
    let mut lines = text.split(|byte| *byte == b'\n');
    if start.is_none() || lines.next().and_then(SetTime::parse) != start {
        return BTreeSet::new();
    }
    lines.filter_map(|line| TreePath::parse(&unquote(line))).collect()
}

/// Forgets the list: a backup has saved what is on it.
pub fn forget(archive: &Archive) -> Result<()> {
    remove(&archive.dir().join(NAME))
}
