//! The records of a snapshot, wherever they come from.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use engine_api::{EntryKind, FileStat, FileStore, Folder};

use super::walk::{TreeWalk, record_of};
use crate::error::{Error, Result};
use crate::manifest::{Record, Records};
use crate::snapshots::Stored;

/// Records of a snapshot, in walk order.
pub enum Listing<'a> {
    /// As they were saved.
    Manifest {
        /// The records.
        records: Records,
        /// Whose.
        snapshot: String,
    },
    /// As the place has them.
    Tree {
        /// The entry that was asked for, before all below it.
        first: Option<Record>,
        /// What is below it.
        walk: Option<TreeWalk<'a>>,
    },
}

impl Iterator for Listing<'_> {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Manifest { records, snapshot } => {
                let record = records.next()?;
                Some(record.map_err(|error| Error::manifest(snapshot, error)))
            }
            Self::Tree { first, walk } => {
                if let Some(first) = first.take() {
                    return Some(Ok(first));
                }
                let step = walk.as_mut()?.next()?;
                Some(step.map_err(|unreadable| Error::Unreadable {
                    path: absolute(&unreadable.path),
                    source: unreadable.error,
                }))
            }
        }
    }
}

/// The record of `under` and of all below it. The topmost folder is among them only if the manifest has it.
///
/// # Errors
/// [`Error::PathNotFound`], or what the storage says.
pub fn list<'a>(store: &'a dyn FileStore, stored: &Stored, under: &[u8], xattrs: bool) -> Result<Listing<'a>> {
    let not_found = || Error::PathNotFound {
        path: absolute(under),
        snapshot: stored.name().to_owned(),
    };
    if let Some(manifest) = &stored.manifest {
        if !under.is_empty() {
            let found = manifest
                .find(under)
                .map_err(|error| Error::manifest(stored.name(), error))?;
            found.ok_or_else(not_found)?;
        }
        return Ok(Listing::Manifest {
            records: manifest.below(under),
            snapshot: stored.name().to_owned(),
        });
    }
    if under.is_empty() {
        let walk = TreeWalk::new(store, stored.folder.clone(), under, xattrs);
        return Ok(Listing::Tree {
            first: None,
            walk: Some(walk),
        });
    }
    let (folder, name, stat) = locate(store, &stored.folder, under)?.ok_or_else(not_found)?;
    let first = record_of(store, &folder, name, under, &stat, xattrs)?;
    let child = folder.child(name).ok().filter(|_| stat.kind == EntryKind::Dir);
    Ok(Listing::Tree {
        first: Some(first),
        walk: child.map(|child| TreeWalk::new(store, child, under, xattrs)),
    })
}

/// What is at `path` below the folder `top` of a snapshot: the folder it lies in, its name there, and what it is.
pub fn locate<'p>(store: &dyn FileStore, top: &Folder, path: &'p [u8]) -> Result<Option<(Folder, &'p [u8], FileStat)>> {
    let mut names = path.split(|byte| *byte == b'/').peekable();
    let mut folder = top.clone();
    while let Some(name) = names.next() {
        if !Folder::is_name(name) {
            break;
        }
        // A folder that is none would be an error of another kind at every storage.
        let Some(stat) = store.stat(&folder, name)? else { break };
        if names.peek().is_none() {
            return Ok(Some((folder, name, stat)));
        }
        match folder.child(name) {
            Ok(child) if stat.kind == EntryKind::Dir => folder = child,
            _ => break,
        }
    }
    Ok(None)
}

/// The path as it was on the machine that was saved.
pub fn absolute(path: &[u8]) -> PathBuf {
    PathBuf::from(OsString::from_vec([b"/", path].concat()))
}

/// The path in the snapshot of what was at `path`; `None` when it cannot be any.
pub fn relative(path: &Path) -> Option<Vec<u8>> {
    let mut names: Vec<&[u8]> = Vec::new();
    for part in path.components() {
        match part {
            Component::RootDir | Component::CurDir => {}
            Component::Normal(name) => names.push(name.as_bytes()),
            Component::ParentDir | Component::Prefix(_) => return None,
        }
    }
    Some(names.join(&b'/'))
}
