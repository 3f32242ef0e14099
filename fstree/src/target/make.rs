//! Making entries.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use engine_api::{EntryKind, Metadata};
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, chmodat, linkat, mkdirat, mknodat, openat, symlinkat, unlinkat,
};
use rustix::io::Errno;

use super::file::{NEW_FILE, TargetFile};
use super::{Target, stat_at};
use crate::Stat;
use crate::found::read_link;

/// Whether [`Target::make_dir`] found the folder or made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// It was there; its metadata is as it was.
    Existed,
    /// It is new, with mode 0700 until its metadata is set.
    Created,
}

const PRIVATE: Mode = Mode::RUSR.union(Mode::WUSR);

impl Target {
    /// Makes a folder whose parent is there. What is there and no folder is replaced only if `replace` says so.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn make_dir(&self, rel: &Path, replace: bool) -> io::Result<Made> {
        let (folder, name) = self.shared.places.find(rel)?;
        let fd = folder.dir.fd()?;
        match mkdirat(&fd, &name, Mode::RWXU) {
            Ok(()) => return Ok(Made::Created),
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let there = stat_at(&fd, &name)?;
        if there.is_dir() {
            open_up(&fd, &name, &there, self.shared.euid)?;
            return Ok(Made::Existed);
        }
        if !replace {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "something that is no folder is in the way",
            ));
        }
        unlinkat(&fd, &name, AtFlags::empty())?;
        mkdirat(&fd, &name, Mode::RWXU)?;
        Ok(Made::Created)
    }

    /// Makes a new file that will be `size` bytes long; what is in the way is removed first, unless it is a folder with
    /// something in it. Until it is finished its mode is 0600.
    ///
    /// # Errors
    /// When it cannot be made, such as when there is no room for a large file.
    pub fn create_file(&self, rel: &Path, size: u64) -> io::Result<TargetFile> {
        let (folder, name) = self.shared.places.find(rel)?;
        let fd = folder.dir.fd()?;
        let file = in_the_clear(&fd, &name, || openat(&fd, &name, NEW_FILE, PRIVATE))?;
        TargetFile::new(&self.shared, rel, &folder, file, size).inspect_err(|_| {
            let _ = unlinkat(&fd, &name, AtFlags::empty());
        })
    }

    /// Opens a file to change parts of it in place: only a regular file with a single link that may be written; else
    /// this is [`Target::create_file`], as [`TargetFile::is_new`] tells.
    ///
    /// # Errors
    /// When neither works.
    pub fn update_file(&self, rel: &Path, size: u64) -> io::Result<TargetFile> {
        let (folder, name) = self.shared.places.find(rel)?;
        match TargetFile::existing(&self.shared, rel, folder.dir.fd()?.as_ref(), &name, size)? {
            Some(file) => Ok(file),
            None => self.create_file(rel, size),
        }
    }

    /// Makes a symbolic link; replaces what is in the way like [`Target::create_file`].
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn symlink(&self, rel: &Path, points_to: &Path) -> io::Result<()> {
        let (folder, name) = self.shared.places.find(rel)?;
        let fd = folder.dir.fd()?;
        if read_link(&fd, &name).is_ok_and(|there| there.as_os_str().as_bytes() == points_to.as_os_str().as_bytes()) {
            return Ok(());
        }
        in_the_clear(&fd, &name, || symlinkat(points_to, &fd, &name))
    }

    /// Makes `rel` another name of `existing`; replaces what is in the way.
    ///
    /// # Errors
    /// When it cannot be made: the filesystem has no hard links, or `existing` has too many.
    pub fn hard_link(&self, existing: &Path, rel: &Path) -> io::Result<()> {
        let (from, from_name) = self.shared.places.find(existing)?;
        let (folder, name) = self.shared.places.find(rel)?;
        let (from, fd) = (from.dir.fd()?, folder.dir.fd()?);
        if let Ok(there) = stat_at(&fd, &name)
            && there.same_inode(&stat_at(&from, &from_name)?)
        {
            return Ok(());
        }
        in_the_clear(&fd, &name, || linkat(&from, &from_name, &fd, &name, AtFlags::empty()))
    }

    /// Makes a named pipe; replaces what is in the way.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn fifo(&self, rel: &Path) -> io::Result<()> {
        self.make_node(rel, FileType::Fifo, 0)
    }

    /// Makes a device, of the kind and number that `metadata` has; replaces what is in the way.
    ///
    /// # Errors
    /// When it cannot be made, such as when the user is not root, or `metadata` is not a device's.
    pub fn device(&self, rel: &Path, metadata: &Metadata) -> io::Result<()> {
        match metadata.kind {
            EntryKind::CharDevice => self.make_node(rel, FileType::CharacterDevice, metadata.rdev),
            EntryKind::BlockDevice => self.make_node(rel, FileType::BlockDevice, metadata.rdev),
            _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no device")),
        }
    }

    fn make_node(&self, rel: &Path, kind: FileType, device: u64) -> io::Result<()> {
        let (folder, name) = self.shared.places.find(rel)?;
        let fd = folder.dir.fd()?;
        in_the_clear(&fd, &name, || mknodat(&fd, &name, kind, PRIVATE, device))
    }
}

/// Makes something that must be new; when something is in the way, removes that and tries once more.
fn in_the_clear<T>(folder: &OwnedFd, name: &CStr, make: impl Fn() -> Result<T, Errno>) -> io::Result<T> {
    match make() {
        Err(Errno::EXIST) => {
            match unlinkat(folder, name, AtFlags::empty()) {
                Err(Errno::ISDIR) => unlinkat(folder, name, AtFlags::REMOVEDIR)?,
                other => other?,
            }
            Ok(make()?)
        }
        other => Ok(other?),
    }
}

/// A user who is not root could neither fill nor empty a folder that is closed to its owner.
pub(super) fn open_up(folder: &OwnedFd, name: &CStr, there: &Stat, euid: u32) -> io::Result<()> {
    if euid == 0 || there.uid != euid || there.mode & 0o700 == 0o700 {
        return Ok(());
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = openat(folder, name, flags, Mode::empty())?;
    let path = format!("/proc/self/fd/{}", dir.as_raw_fd());
    Ok(chmodat(
        CWD,
        path,
        Mode::from_raw_mode(there.mode | 0o700),
        AtFlags::empty(),
    )?)
}
