//! What differs between two snapshots, by their signature files.

use std::cmp::Ordering;
use std::ops::ControlFlow;
use std::path::PathBuf;

use engine_api::{DiffEntry, DiffKind, EntryKind, Metadata, SnapshotId};

use crate::DuplicityEngine;
use crate::entries::is_outermost;
use crate::error::Result;
use crate::listing::{Listed, Listing};
use crate::manifests::saved_folder;
use crate::restore::{not_found, wanted};
use crate::snapshots;
use crate::source::Wanted;

/// One side of the comparison, with its next entry at hand.
struct Side<'e> {
    listing: Listing<'e>,
    base: PathBuf,
    wanted: Wanted,
    next: Option<(PathBuf, Listed, Metadata)>,
}

/// Hands every difference below `under` to `each`.
pub(crate) fn run(
    engine: &DuplicityEngine,
    first: &SnapshotId,
    second: &SnapshotId,
    under: Option<&PathBuf>,
    each: &mut dyn FnMut(DiffEntry) -> ControlFlow<()>,
) -> Result<()> {
    let (before, after) = (snapshots::by_id(engine, first)?, snapshots::by_id(engine, second)?);
    let paths: Vec<PathBuf> = under.cloned().into_iter().collect();
    let side = |found: &'_ snapshots::Found| {
        let base = saved_folder(&found.manifest);
        let wanted = wanted(&base, &paths, found)?;
        Ok::<_, crate::Error>((base, wanted))
    };
    let ((base, wanted), (second_base, second_wanted)) = (side(&before)?, side(&after)?);
    let mut old = Side::new(Listing::open(engine, &before.sets)?, base, wanted);
    let mut new = Side::new(Listing::open(engine, &after.sets)?, second_base, second_wanted);
    let mut any = under.is_none();
    loop {
        let order = match (old.look()?, new.look()?) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => old.cmp(new),
        };
        any = true;
        let difference = match order {
            Ordering::Less => old.next.take().map(|entry| only(DiffKind::Removed, entry)),
            Ordering::Greater => new.next.take().map(|entry| only(DiffKind::Added, entry)),
            Ordering::Equal => compare(&mut old, &mut new)?,
        };
        if let Some(difference) = difference
            && each(difference).is_break()
        {
            break;
        }
    }
    match under {
        Some(path) if !any => Err(not_found(path.clone(), &before)),
        _ => Ok(()),
    }
}

impl<'e> Side<'e> {
    const fn new(listing: Listing<'e>, base: PathBuf, wanted: Wanted) -> Self {
        Self {
            listing,
            base,
            wanted,
            next: None,
        }
    }

    /// The path of the next entry.
    fn look(&mut self) -> Result<Option<&PathBuf>> {
        while self.next.is_none() {
            let Some(listed) = self.listing.next()? else {
                return Ok(None);
            };
            if self.wanted.holds(&listed.path) && !is_outermost(&self.base, &listed.path) {
                let metadata = self.listing.metadata(&listed)?;
                self.next = Some((listed.path.under(&self.base), listed, metadata));
            }
        }
        Ok(self.next.as_ref().map(|(path, ..)| path))
    }
}

fn only(kind: DiffKind, (path, _, metadata): (PathBuf, Listed, Metadata)) -> DiffEntry {
    let size = |side| if kind == side { metadata.size } else { 0 };
    DiffEntry {
        kind,
        path,
        entry: metadata.kind,
        size_before: size(DiffKind::Removed),
        size_after: size(DiffKind::Added),
    }
}

/// How the entries at the same path differ, if they do.
fn compare(old: &mut Side<'_>, new: &mut Side<'_>) -> Result<Option<DiffEntry>> {
    let (Some((path, was, before)), Some((_, is, after))) = (old.next.take(), new.next.take()) else {
        return Ok(None);
    };
    let kind = if before.kind != after.kind {
        DiffKind::Type
    } else if before.link_target != after.link_target || content_differs(old, &was, new, &is)? {
        DiffKind::Content
    } else if is_same(&before, &after) {
        return Ok(None);
    } else {
        DiffKind::Metadata
    };
    Ok(Some(DiffEntry {
        kind,
        path,
        entry: before.kind,
        size_before: before.size,
        size_after: after.size,
    }))
}

/// By the hash of the content where both have it; else by their signatures, of which the header was read already.
fn content_differs(old: &mut Side<'_>, was: &Listed, new: &mut Side<'_>, is: &Listed) -> Result<bool> {
    if !was.is_file() || !is.is_file() {
        return Ok(false);
    }
    if let (Some(before), Some(after)) = (was.extras.sha256, is.extras.sha256) {
        return Ok(before != after);
    }
    Ok(sums(old, was)? != sums(new, is)?)
}

/// A signature without its header, which the listing has read where it needed the length.
fn sums(side: &mut Side<'_>, listed: &Listed) -> Result<Vec<u8>> {
    let mut signature = side.listing.signature(listed)?;
    if listed.extras.size.is_some() {
        signature.drain(..rdiff::Layout::HEADER_LEN.min(signature.len()));
    }
    Ok(signature)
}

/// Whether a restore of either gives the same.
fn is_same(old: &Metadata, new: &Metadata) -> bool {
    let owner = |metadata: &Metadata| {
        (
            metadata.uid,
            metadata.gid,
            metadata.user.clone(),
            metadata.group.clone(),
        )
    };
    let time = |metadata: &Metadata| (metadata.kind != EntryKind::Symlink).then_some(metadata.mtime);
    old.mode == new.mode
        && time(old) == time(new)
        && old.rdev == new.rdev
        && owner(old) == owner(new)
        && old.xattrs == new.xattrs
}
