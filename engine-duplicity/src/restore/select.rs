//! Which part of a set is restored.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::format::TreePath;
use crate::snapshots::Found;
use crate::source::Wanted;

/// The wanted part of what was saved from `base`: all of it when no path is named, or one that `base` lies below.
pub(crate) fn wanted(base: &Path, paths: &[PathBuf], found: &Found) -> Result<Wanted> {
    let mut below = Vec::new();
    for path in paths {
        let path: PathBuf = Path::new("/").join(path).components().collect();
        if base.starts_with(&path) {
            return Ok(Wanted::default());
        }
        below.push(TreePath::below(base, &path).ok_or_else(|| not_found(path, found))?);
    }
    Ok(Wanted::below(below))
}

/// The error for a path that the set has not.
pub(crate) fn not_found(path: PathBuf, found: &Found) -> Error {
    Error::PathNotFound {
        path,
        set: found.snapshot.short_id.clone(),
    }
}
