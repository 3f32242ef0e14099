//! A snapshot's listing.

use std::ops::ControlFlow;
use std::path::Path;

use engine_api::{Entry, SnapshotId};

use crate::error::{Error, Result};
use crate::manifest::Record;
use crate::tree::{absolute, list, relative};
use crate::{RsyncEngine, snapshots};

/// Hands the entry at `under` and every entry below it to `each`, depth first in byte order.
pub fn run(
    engine: &RsyncEngine,
    snapshot: &SnapshotId,
    under: Option<&Path>,
    each: &mut dyn FnMut(Entry) -> ControlFlow<()>,
) -> Result<()> {
    let stored = snapshots::by_id(engine, snapshot)?;
    let under = under.unwrap_or(Path::new("/"));
    let not_found = || Error::PathNotFound {
        path: under.to_path_buf(),
        snapshot: stored.name().to_owned(),
    };
    let under = relative(under).ok_or_else(not_found)?;
    for record in list(engine.store(), &stored, &under, true)? {
        let record = record?;
        if !record.path.is_empty() && each(entry(record)).is_break() {
            break;
        }
    }
    Ok(())
}

/// The record as everybody knows it.
pub fn entry(record: Record) -> Entry {
    Entry {
        path: absolute(&record.path),
        metadata: record.metadata,
    }
}
