//! Paths compared as what they are, not as they are written.

use std::fs;
use std::path::{Path, PathBuf};

/// The path with every symbolic link followed, as far as it exists.
pub(crate) fn real(path: &Path) -> PathBuf {
    if let Ok(real) = fs::canonicalize(path) {
        return real;
    }
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => real(parent).join(name),
        _ => path.to_owned(),
    }
}
