//! What differs between two snapshots.

use std::cmp::Ordering;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine_api::{DiffEntry, DiffKind, EntryKind, FileStore, Metadata, SnapshotId};

use crate::error::{Error, Result};
use crate::manifest::{Record, path_order};
use crate::read::{PIECE, fill};
use crate::snapshots::Stored;
use crate::tree::{Folders, Listing, absolute, list, relative};
use crate::{RsyncEngine, snapshots};

/// Hands every difference at or below `under` to `each`.
pub fn run(
    engine: &RsyncEngine,
    first: &SnapshotId,
    second: &SnapshotId,
    under: Option<&PathBuf>,
    each: &mut dyn FnMut(DiffEntry) -> ControlFlow<()>,
) -> Result<()> {
    let store = engine.store();
    let (first, second) = (snapshots::by_id(engine, first)?, snapshots::by_id(engine, second)?);
    let under = under.map_or(Path::new("/"), PathBuf::as_path);
    let not_found = || Error::PathNotFound {
        path: under.to_path_buf(),
        snapshot: format!("{} or {}", first.name(), second.name()),
    };
    let under = relative(under).ok_or_else(not_found)?;
    let (mut before, mut after) = (Side::open(store, &first, &under)?, Side::open(store, &second, &under)?);
    if before.listing.is_none() && after.listing.is_none() {
        return Err(not_found());
    }
    loop {
        let order = match (before.look()?, after.look()?) {
            (Some(before), Some(after)) => path_order(&before.path, &after.path),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return Ok(()),
        };
        let old = if order.is_le() { before.next.take() } else { None };
        let new = if order.is_ge() { after.next.take() } else { None };
        let kind = match (&old, &new) {
            (Some(old), Some(new)) => difference(store, (old, &mut before.folders), (new, &mut after.folders))?,
            (Some(_), None) => Some(DiffKind::Removed),
            _ => Some(DiffKind::Added),
        };
        let Some(kind) = kind else { continue };
        if tell(kind, old.as_ref(), new.as_ref(), each).is_break() {
            return Ok(());
        }
    }
}

fn tell(
    kind: DiffKind,
    old: Option<&Record>,
    new: Option<&Record>,
    each: &mut dyn FnMut(DiffEntry) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let Some(some) = old.or(new).filter(|record| !record.path.is_empty()) else {
        return ControlFlow::Continue(());
    };
    let size = |record: Option<&Record>| record.map_or(0, |record| record.metadata.size);
    each(DiffEntry {
        kind,
        path: absolute(&some.path),
        entry: some.metadata.kind,
        size_before: size(old),
        size_after: size(new),
    })
}

struct Side<'a> {
    listing: Option<Listing<'a>>,
    next: Option<Record>,
    folders: Folders,
}

impl<'a> Side<'a> {
    fn open(store: &'a dyn FileStore, stored: &Stored, under: &[u8]) -> Result<Self> {
        let listing = match list(store, stored, under, true) {
            Ok(listing) => Some(listing),
            Err(Error::PathNotFound { .. }) => None,
            Err(error) => return Err(error),
        };
        Ok(Self {
            listing,
            next: None,
            folders: Folders::new(stored.folder.clone()),
        })
    }

    fn look(&mut self) -> Result<Option<&Record>> {
        if self.next.is_none()
            && let Some(listing) = &mut self.listing
        {
            self.next = listing.next().transpose()?;
        }
        Ok(self.next.as_ref())
    }
}

fn difference(
    store: &dyn FileStore,
    (old, old_folders): (&Record, &mut Folders),
    (new, new_folders): (&Record, &mut Folders),
) -> Result<Option<DiffKind>> {
    let (before, after) = (&old.metadata, &new.metadata);
    if before.kind != after.kind {
        return Ok(Some(DiffKind::Type));
    }
    if before.link_target != after.link_target || before.size != after.size {
        return Ok(Some(DiffKind::Content));
    }
    let same = match (old.digest, new.digest) {
        _ if before.kind != EntryKind::File => true,
        (Some(old), Some(new)) => old == new,
        _ => same_content(store, (&old.path, old_folders), (&new.path, new_folders))?,
    };
    // Where a manifest is missing on one side, the other has more to tell than both had in common.
    let comparable = old.digest.is_some() == new.digest.is_some() || before.kind != EntryKind::File;
    Ok(match same {
        false => Some(DiffKind::Content),
        true if comparable && is_same(before, after) => None,
        true if !comparable && is_same_at_the_place(before, after) => None,
        true => Some(DiffKind::Metadata),
    })
}

/// Whether both are one file at the place, or have the same bytes.
fn same_content(store: &dyn FileStore, old: (&[u8], &mut Folders), new: (&[u8], &mut Folders)) -> Result<bool> {
    let missing = |path: &[u8]| Error::Usage(format!("{} cannot be a path", absolute(path).display()));
    let (old_folder, old_name) = old.1.find(old.0).map_err(|_| missing(old.0))?;
    let (new_folder, new_name) = new.1.find(new.0).map_err(|_| missing(new.0))?;
    let identity = |folder, name| -> Result<_> { Ok(store.stat(folder, name)?.and_then(|stat| stat.identity)) };
    let (one, other) = (identity(&old_folder, old_name)?, identity(&new_folder, new_name)?);
    if one.is_some() && one == other {
        return Ok(true);
    }
    let (old, new) = (store.open(&old_folder, old_name)?, store.open(&new_folder, new_name)?);
    let (mut left, mut right) = (vec![0; PIECE], vec![0; PIECE]);
    let mut offset = 0;
    loop {
        let (one, other) = (fill(&*old, offset, &mut left)?, fill(&*new, offset, &mut right)?);
        if left.get(..one) != right.get(..other) {
            return Ok(false);
        }
        if one < PIECE {
            return Ok(true);
        }
        offset += one as u64;
    }
}

/// Whether a restore of either gives the same: when it was read, and where it lay on the disk, does not count.
fn is_same(old: &Metadata, new: &Metadata) -> bool {
    // A manifest that was made from a tree knows no names.
    let name = |old: &Option<Arc<str>>, new: &Option<Arc<str>>| old.is_none() || new.is_none() || old == new;
    let names = name(&old.user, &new.user) && name(&old.group, &new.group);
    is_same_at_the_place(old, new) && names && old.xattrs == new.xattrs
}

fn is_same_at_the_place(old: &Metadata, new: &Metadata) -> bool {
    old.mode == new.mode && old.mtime == new.mtime && old.rdev == new.rdev && (old.uid, old.gid) == (new.uid, new.gid)
}
