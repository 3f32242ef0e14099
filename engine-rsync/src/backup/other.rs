//! Folders, links, pipes and devices.

use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use engine_api::{Change, EntryKind, Metadata, StoreError};

use super::batch::{Item, Saved};
use super::level::Level;
use super::{Context, file, stored};
use crate::error::Result;

/// A folder's own metadata: its entries are saved elsewhere, and wait for nothing here.
pub fn save_folder(item: &Item, context: &Context<'_>) -> Result<Saved> {
    let metadata = read(item, context);
    let same = item
        .before
        .as_ref()
        .is_some_and(|before| same(&before.metadata, &metadata));
    let record = Box::new(item.record(metadata.clone()));
    if let Some(inside) = &item.inside {
        inside.set_metadata(metadata);
        inside.done(1, context)?;
    }
    let change = if same { Change::Unchanged } else { item.change() };
    Ok(Saved::As(record, change))
}

/// A link, a pipe or a device.
pub fn save(level: &Arc<Level>, item: &Item, context: &Context<'_>) -> Result<Saved> {
    let metadata = read(item, context);
    if metadata.kind == EntryKind::Symlink && metadata.link_target.is_none() {
        // The problem is told already; a link to nowhere would be no copy of it.
        return Ok(Saved::LeftOut);
    }
    let before = item.before.as_ref().filter(|before| {
        let saved = &before.metadata;
        saved.link_target == metadata.link_target && saved.rdev == metadata.rdev
    });
    let unchanged = before.is_some_and(|before| same(&before.metadata, &metadata));
    let linkable = before.is_some_and(|before| context.keeps.same_metadata(&before.metadata, &metadata));
    let record = Box::new(item.record(metadata));
    let change = if unchanged { Change::Unchanged } else { item.change() };
    if context.dry_run || !context.keeps.can_hold(record.metadata.kind) {
        return Ok(Saved::As(record, change));
    }
    if linkable && file::link_before(level, item, context)? {
        return Ok(Saved::As(record, change));
    }
    match make(level, item, &record.metadata, context)? {
        Ok(()) => Ok(Saved::As(record, change)),
        Err(error) => {
            context.counters.problem(stored::problem(item.found.path(), &error));
            Ok(Saved::LeftOut)
        }
    }
}

/// Makes it anew; the inner error is one that concerns only this entry.
fn make(
    level: &Arc<Level>,
    item: &Item,
    metadata: &Metadata,
    context: &Context<'_>,
) -> Result<std::result::Result<(), StoreError>> {
    let folder = level.ready(context)?;
    file::clear(level, item, context)?;
    let made = match &metadata.link_target {
        Some(target) => context
            .store
            .symlink(folder, item.name(), target.as_os_str().as_bytes()),
        None => context
            .store
            .make_node(folder, item.name(), metadata.kind, metadata.rdev),
    };
    match made {
        Ok(()) => {}
        Err(error) if stored::is_of_one_entry(&error) => return Ok(Err(error)),
        Err(error) => return Err(error.into()),
    }
    let xattrs = context.keeps.xattrs(&metadata.xattrs);
    let new = context.keeps.new_metadata(metadata, &xattrs);
    for error in context.store.set_metadata(folder, item.name(), &new) {
        context.counters.problem(stored::problem(item.found.path(), &error));
    }
    Ok(Ok(()))
}

fn read(item: &Item, context: &Context<'_>) -> Metadata {
    let (metadata, problems) = item.found.metadata(&context.names);
    problems
        .into_iter()
        .for_each(|problem| context.counters.problem(problem));
    metadata
}

/// Whether a restore would make no difference between the two.
fn same(one: &Metadata, other: &Metadata) -> bool {
    (one.mode, one.uid, one.gid, one.mtime) == (other.mode, other.uid, other.gid, other.mtime)
        && one.xattrs == other.xattrs
}
