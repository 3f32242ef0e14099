//! Whether there is room for what is restored beside what is there: all of it is new.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use engine_api::{EntryKind, Snapshot};
use rustix::fs::statvfs;

use crate::error::{Error, Result};
use crate::open::Repository;

/// Refuses to begin where the files at `paths` have no room in `folder`. No snapshot tells how much of a file is holes, so that
/// each counts with its whole length.
pub(super) fn check(
    repository: &Repository,
    snapshot: &Snapshot,
    paths: &[PathBuf],
    folder: &Path,
) -> engine_api::Result<()> {
    let mut seen = HashSet::new();
    let needed = paths.iter().fold(0_u64, |sum, path| {
        sum.saturating_add(size(repository, snapshot, path, &mut seen))
    });
    let free = free(folder)?;
    if needed > free {
        let folder = folder.to_owned();
        return Err(Error::NoRoom { folder, needed, free }.into());
    }
    Ok(())
}

/// The bytes of all files at that path, one with several names once. What cannot be listed says so when it is restored.
fn size(repository: &Repository, snapshot: &Snapshot, path: &Path, seen: &mut HashSet<(u64, u64)>) -> u64 {
    let mut bytes = 0_u64;
    let listed = repository.engine().entries(&snapshot.id, Some(path), &mut |entry| {
        let metadata = &entry.metadata;
        let again = metadata.links > 1 && !seen.insert((metadata.device, metadata.inode));
        if metadata.kind == EntryKind::File && !again {
            bytes = bytes.saturating_add(metadata.size);
        }
        ControlFlow::Continue(())
    });
    listed.map_or(0, |()| bytes)
}

/// What this user can still write there, in bytes.
fn free(folder: &Path) -> Result<u64> {
    let room = statvfs(folder).map_err(|error| Error::io("look for room in", folder, error.into()))?;
    Ok(room.f_bavail.saturating_mul(room.f_frsize))
}
