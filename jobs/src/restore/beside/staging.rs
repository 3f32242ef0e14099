//! The folder in which everything waits for its name, and the moves out of it.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, Timespec, Timestamps, fchmod, futimens, openat};

use super::super::place::{candidates, open_folder, put};
use super::{Round, STAGING, Wish};
use crate::error::{Error, Result};

/// A folder that only this user can look into, gone when it is dropped.
pub(super) struct Staging {
    /// The folder that it is in.
    base: PathBuf,
    name: OsString,
    /// The same, however the way there is changed meanwhile: it leads by the open folder.
    pub(super) target: PathBuf,
    _open: OwnedFd,
}

impl Staging {
    pub(super) fn make(base: &Path) -> Result<Self> {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).map_err(|error| Error::io("make a folder in", base, io::Error::other(error)))?;
        let name = OsString::from(format!("{STAGING}{:016x}", u64::from_be_bytes(bytes)));
        let path = base.join(&name);
        let failed = |error| Error::io("make a folder in", base, error);
        DirBuilder::new().mode(0o700).create(&path).map_err(failed)?;
        let folder = open_folder(&path).map_err(failed)?;
        Ok(Self {
            base: base.to_owned(),
            name,
            target: PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())),
            _open: folder,
        })
    }

    fn staged(&self, wish: &Wish) -> PathBuf {
        self.target.join(wish.saved.strip_prefix("/").unwrap_or(&wish.saved))
    }

    /// Gives the entry its new name: in the folder where it belongs, or where that is gone, in the one that was restored.
    pub(super) fn settle(&self, wish: &Wish, day: &str) -> io::Result<PathBuf> {
        let staged = self.staged(wish);
        fs::symlink_metadata(&staged)?;
        let name = wish.below.file_name().unwrap_or_default();
        let above = Kept::open(staged.parent().unwrap_or(Path::new("/")))?;
        let names = candidates(name, day);
        let has_folder = wish.below.components().count() == 1;
        let put = if has_folder {
            let folder = open_folder(&wish.folder)?;
            shift(&staged, &above, folder.as_fd(), names)
        } else {
            shift(&staged, &above, above.folder.as_fd(), names)
        };
        above.give_back()?;
        Ok(wish.folder.join(wish.below.with_file_name(put?)))
    }

    /// Brings the folders that were gone with what was restored in them, each once.
    pub(super) fn join_folders(&self, wishes: &[Wish], round: &mut Round<'_>) {
        let mut brought: Vec<PathBuf> = Vec::new();
        for wish in wishes {
            let mut parts = wish.below.components();
            let (Some(first), Some(_)) = (parts.next(), parts.next()) else {
                continue;
            };
            let whole = wish.folder.join(first);
            if brought.contains(&whole) {
                continue;
            }
            let depth = wish.below.components().count() - 1;
            let staged = self.staged(wish);
            let top = staged.ancestors().nth(depth).unwrap_or(&staged);
            if let Err(error) = bring(top, &wish.folder, first.as_os_str()) {
                round.restored.placed.retain(|placed| placed.saved != wish.saved);
                round.failed(wish, &error);
            }
            brought.push(whole);
        }
    }
}

fn bring(staged: &Path, folder: &Path, name: &OsStr) -> io::Result<()> {
    let above = Kept::open(staged.parent().unwrap_or(Path::new("/")))?;
    let folder = open_folder(folder)?;
    shift(staged, &above, folder.as_fd(), std::iter::once(name.to_owned())).map(|_| ())
}

impl Drop for Staging {
    fn drop(&mut self) {
        // What is left of it is named so that it is found, and nothing but a failing disk leaves it.
        let _ = remove(&self.target);
        if let Ok(base) = open_folder(&self.base) {
            let _ = rustix::fs::unlinkat(base, &self.name, AtFlags::REMOVEDIR);
        }
    }
}

/// Removes what is in the folder; its folders may be closed even to their owner.
fn remove(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            fs::set_permissions(&path, Permissions::from_mode(0o700))?;
            remove(&path)?;
            fs::remove_dir(&path)?;
        } else {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// A restored folder that is moved, or from which something is: its mode and times are given back.
struct Kept {
    folder: OwnedFd,
    mode: u32,
    times: Timestamps,
}

impl Kept {
    fn open(path: &Path) -> io::Result<Self> {
        let before = fs::metadata(path)?;
        let mode = before.mode() & 0o7777;
        if mode & 0o700 != 0o700 {
            fs::set_permissions(path, Permissions::from_mode(mode | 0o700))?;
        }
        let time = |tv_sec, tv_nsec| Timespec { tv_sec, tv_nsec };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self {
            folder: openat(CWD, path, flags, Mode::empty())?,
            mode,
            times: Timestamps {
                last_access: time(before.atime(), before.atime_nsec()),
                last_modification: time(before.mtime(), before.mtime_nsec()),
            },
        })
    }

    fn give_back(&self) -> io::Result<()> {
        futimens(&self.folder, &self.times)?;
        if self.mode & 0o700 != 0o700 {
            fchmod(&self.folder, Mode::from_raw_mode(self.mode))?;
        }
        Ok(())
    }
}

/// Moves an entry; a folder that is closed to its owner is opened for it.
fn shift(
    staged: &Path,
    above: &Kept,
    to: BorrowedFd<'_>,
    names: impl Iterator<Item = OsString>,
) -> io::Result<OsString> {
    let moved = match fs::symlink_metadata(staged)?.is_dir() {
        true => Some(Kept::open(staged)?),
        false => None,
    };
    let name = staged.file_name().unwrap_or_default();
    let put = put(above.folder.as_fd(), name, to, names);
    if let Some(moved) = moved {
        moved.give_back()?;
    }
    put
}
