//! Removing what a snapshot has not.

use std::ffi::CString;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{AtFlags, Mode, OFlags, openat, unlinkat};
use rustix::io::Errno;

use super::make::open_up;
use super::{Target, stat_at};
use crate::dir::{Dir, read_names};

impl Target {
    /// Removes what is at `rel` with all below it and says how many entries that were. Symbolic links are removed, not
    /// followed; a folder on which another filesystem is mounted is not touched.
    ///
    /// # Errors
    /// At the first entry that cannot be removed; what comes after it stays.
    pub fn remove(&self, rel: &Path) -> io::Result<u64> {
        let (folder, name) = self.shared.places.find(rel)?;
        let removed = remove(&folder.dir, name, self.shared.euid);
        self.shared.places.forget();
        removed
    }
}

/// A folder that is being emptied.
struct Level {
    dir: Arc<Dir>,
    left: Vec<CString>,
}

fn remove(folder: &Arc<Dir>, name: CString, euid: u32) -> io::Result<u64> {
    let mut removed = 0;
    let mut levels = vec![Level {
        dir: Arc::clone(folder),
        left: vec![name],
    }];
    while let Some(level) = levels.last_mut() {
        let Some(name) = level.left.last().cloned() else {
            levels.pop();
            continue;
        };
        match remove_one(&level.dir, &name, euid)? {
            None => {
                level.left.pop();
                removed += 1;
            }
            // Its name stays last here: it is tried again when it is empty.
            Some(inner) => levels.push(inner),
        }
    }
    Ok(removed)
}

/// Removes an entry, or says what has to be removed first.
fn remove_one(dir: &Arc<Dir>, name: &CString, euid: u32) -> io::Result<Option<Level>> {
    let fd = dir.fd()?;
    match unlinkat(&fd, name, AtFlags::empty()) {
        Ok(()) => return Ok(None),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(error) => return Err(error.into()),
    }
    let stat = stat_at(&fd, name)?;
    if stat.device != stat_at(&fd, c".")?.device {
        return Err(Errno::XDEV.into());
    }
    match unlinkat(&fd, name, AtFlags::REMOVEDIR) {
        Ok(()) => return Ok(None),
        Err(Errno::NOTEMPTY | Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    open_up(&fd, name, &stat, euid)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let left = read_names(&openat(&fd, name, flags, Mode::empty())?)?;
    Ok(Some(Level {
        dir: dir.child(name),
        left,
    }))
}
