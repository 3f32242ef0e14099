//! A snapshot's listing.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use engine_api::{Entry, Silent, SnapshotId};

use crate::DuplicityEngine;
use crate::error::{Error, Result};
use crate::format::{Extras, TreePath};
use crate::listing::Listing;
use crate::manifests::{self, Signatures};
use crate::merge::Merge;
use crate::meta::metadata;
use crate::restore::{not_found, plans, wanted};
use crate::snapshots::{self, Found};
use crate::source::{Source, Wanted};

/// Hands the entry at `under` and every entry below it to `each`, depth first in byte order.
pub(crate) fn run(
    engine: &DuplicityEngine,
    snapshot: &SnapshotId,
    under: Option<&Path>,
    each: &mut dyn FnMut(Entry) -> ControlFlow<()>,
) -> Result<()> {
    let found = snapshots::by_id(engine, snapshot)?;
    let base = manifests::saved_folder(&found.manifest);
    let paths: Vec<PathBuf> = under.map(Path::to_path_buf).into_iter().collect();
    let wanted = wanted(&base, &paths, &found)?;
    let mut any = wanted.is_all();
    each_entry(engine, &found, &wanted, &mut |entry| {
        any = true;
        each(entry)
    })?;
    match under {
        Some(path) if !any => Err(not_found(path.to_path_buf(), &found)),
        _ => Ok(()),
    }
}

/// Hands over every wanted entry of the state. Where signature files lack, the volumes are read.
pub(crate) fn each_entry(
    engine: &DuplicityEngine,
    found: &Found,
    wanted: &Wanted,
    each: &mut dyn FnMut(Entry) -> ControlFlow<()>,
) -> Result<()> {
    let base = manifests::saved_folder(&found.manifest);
    let mut listing = match Listing::open(engine, &found.sets) {
        Err(Error::Missing { .. }) => return from_volumes(engine, found, wanted, &base, each),
        other => other?,
    };
    while let Some(listed) = listing.next()? {
        if !wanted.holds(&listed.path) || is_outermost(&base, &listed.path) {
            continue;
        }
        let entry = Entry {
            path: listed.path.under(&base),
            metadata: listing.metadata(&listed)?,
        };
        if each(entry).is_break() {
            break;
        }
    }
    Ok(())
}

fn from_volumes(
    engine: &DuplicityEngine,
    found: &Found,
    wanted: &Wanted,
    base: &Path,
    each: &mut dyn FnMut(Entry) -> ControlFlow<()>,
) -> Result<()> {
    let plans = plans(engine, found, wanted)?;
    let signatures = Signatures::of(engine, found.sets.clone());
    let source = Source::of(engine, &Silent, &signatures);
    std::thread::scope(|scope| {
        let mut merge = Merge::open(source, scope, plans, wanted);
        while let Some(merged) = merge.next()? {
            if !wanted.holds(&merged.path) || is_outermost(base, &merged.path) {
                continue;
            }
            let extras = Extras::read(&merged.header.private);
            let size = match extras.size {
                None => merge.content(&merged)?.length()?,
                size => size,
            };
            let entry = Entry {
                path: merged.path.under(base),
                metadata: metadata(&merged.header, &extras, size),
            };
            if each(entry).is_break() {
                break;
            }
        }
        Ok(())
    })
}

/// The root of the file system is nobody's entry.
pub(crate) fn is_outermost(base: &Path, path: &TreePath) -> bool {
    path.is_root() && base == Path::new("/")
}
