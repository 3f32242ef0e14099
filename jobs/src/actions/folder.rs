//! Which actions a folder has.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A file in a folder of actions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) executable: bool,
}

/// Every file of the folder in the order of their names, links to files too; folders do not count.
///
/// # Errors
/// When the folder cannot be read.
pub(crate) fn in_folder(folder: &Path) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        // A link that leads nowhere is there, and cannot be run: whoever set it wants to hear of it.
        let metadata = fs::metadata(&path);
        if metadata.as_ref().is_ok_and(fs::Metadata::is_dir) {
            continue;
        }
        let executable = metadata.map_or(true, |metadata| metadata.permissions().mode() & 0o111 != 0);
        let name = entry.file_name();
        found.push((name, path, executable));
    }
    found.sort();
    let named = |(name, path, executable): (std::ffi::OsString, PathBuf, bool)| Found {
        name: name.to_string_lossy().into_owned(),
        path,
        executable,
    };
    Ok(found.into_iter().map(named).collect())
}
