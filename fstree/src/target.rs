//! The restorer.

mod apply;
mod file;
mod make;
mod place;
mod remove;

use std::ffi::{CStr, OsString};
use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine_api::{EntryKind, Metadata, Problem};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, statat};
use rustix::io::Errno;

use crate::dir::{Dir, read_names};
use crate::found::{metadata, open_file, read_link};
use crate::xattr::{self, Carrier};
use crate::{Error, Names, Stat};
pub use file::TargetFile;
pub use make::Made;
use place::Places;

/// How a [`Target`] restores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TargetOptions {
    /// Make the root folder, and what is missing above it, when it is not there.
    pub create: bool,
    /// Write runs of zeros as holes.
    pub sparse: bool,
    /// Give entries their owner and group. A user who is not root can only give what is theirs; then no problem is
    /// made of it, and a setuid or setgid bit that would mean somebody else is left out.
    pub owners: bool,
    /// Take owners by their number; otherwise by name, and by number where this system has not that name.
    pub numeric_ids: bool,
}

impl Default for TargetOptions {
    fn default() -> Self {
        Self {
            create: true,
            sparse: false,
            owners: true,
            numeric_ids: false,
        }
    }
}

/// A folder under which a tree is restored. All paths are relative to it (a slash at the start is ignored); none leads
/// out of it, whatever symbolic links lie in the way. May be used by many threads.
pub struct Target {
    shared: Arc<Shared>,
}

struct Shared {
    places: Places,
    options: TargetOptions,
    names: Names,
    euid: u32,
}

impl Target {
    /// Opens the root of a restore.
    ///
    /// # Errors
    /// When it is not there, cannot be made or is no folder.
    pub fn open(root: &Path, options: TargetOptions) -> Result<Self, Error> {
        let refuse = |source: io::Error| Error::Open {
            path: root.to_owned(),
            source,
        };
        if options.create {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(root);
            made.map_err(|source| Error::Create {
                path: root.to_owned(),
                source,
            })?;
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = openat(CWD, root, flags, Mode::empty()).map_err(|error| refuse(error.into()))?;
        let path = std::path::absolute(root).map_err(refuse)?;
        let shared = Shared {
            places: Places::new(Dir::root(fd, path, OFlags::PATH)),
            options,
            names: Names::new(),
            euid: rustix::process::geteuid().as_raw(),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// The root's absolute path.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.shared.places.root_path()
    }

    /// What is at `rel`; `None` when nothing is.
    ///
    /// # Errors
    /// When that cannot be found out, such as when a folder above it is a symbolic link.
    pub fn stat(&self, rel: &Path) -> io::Result<Option<Stat>> {
        let (folder, name) = self.shared.places.find(rel)?;
        let looked = folder.dir.fd().and_then(|fd| stat_at(&fd, &name));
        match looked {
            Ok(stat) => Ok(Some(stat)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Everything about what is at `rel`, and what of it could not be read.
    ///
    /// # Errors
    /// When there is nothing or it cannot be reached.
    pub fn metadata(&self, rel: &Path) -> io::Result<(Metadata, Vec<Problem>)> {
        let (folder, name) = self.shared.places.find(rel)?;
        let fd = folder.dir.fd()?;
        let stat = stat_at(&fd, &name)?;
        let link_target = match stat.kind {
            EntryKind::Symlink => Some(read_link(&fd, &name)?),
            _ => None,
        };
        let (xattrs, failed) = xattr::read(&Carrier::entry(fd.as_fd(), &name));
        let problem = |(action, cause)| Problem {
            path: self.shared.absolute(rel),
            action,
            cause,
        };
        let problems = failed.into_iter().map(problem).collect();
        Ok((metadata(&stat, &self.shared.names, link_target, xattrs), problems))
    }

    /// Whether another filesystem is mounted on the folder at `rel`. What is in it may be no business of the restore:
    /// a snapshot that was made with `one_file_system` has nothing of it.
    ///
    /// # Errors
    /// When there is nothing or it cannot be reached.
    pub fn is_mount_point(&self, rel: &Path) -> io::Result<bool> {
        let (folder, name) = self.shared.places.find(rel)?;
        let fd = folder.dir.fd()?;
        Ok(stat_at(&fd, &name)?.device != stat_at(&fd, c".")?.device)
    }

    /// Opens a regular file for reading.
    ///
    /// # Errors
    /// When it is no regular file or cannot be opened.
    pub fn open_existing(&self, rel: &Path) -> io::Result<File> {
        let (folder, name) = self.shared.places.find(rel)?;
        let fd = open_file(folder.dir.fd()?.as_ref(), &name)?;
        if !Stat::from(rustix::fs::fstat(&fd)?).is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        Ok(File::from(fd))
    }

    /// The names in a folder, sorted by bytes.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn list(&self, rel: &Path) -> io::Result<Vec<OsString>> {
        let (folder, name) = self.shared.places.find(rel)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(folder.dir.fd()?, &name, flags, Mode::empty())?;
        let names = read_names(&fd)?;
        Ok(names
            .into_iter()
            .map(|name| OsString::from_vec(name.into_bytes()))
            .collect())
    }

    /// Gives what is at `rel` its owner, attributes, mode and times, in this order; each failure is its own problem.
    /// Attributes that it has and should not have are removed, save those that belong to the system's own policy.
    #[must_use]
    pub fn set_metadata(&self, rel: &Path, metadata: &Metadata) -> Vec<Problem> {
        self.shared.set_metadata(rel, metadata)
    }

    /// Makes everything that was restored on the root's filesystem durable, and tells of writes that failed after they
    /// seemed done.
    ///
    /// # Errors
    /// When the filesystem reports one.
    pub fn sync(&self) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = openat(self.shared.places.root().fd()?, c".", flags, Mode::empty())?;
        Ok(rustix::fs::syncfs(fd)?)
    }
}

impl Shared {
    fn absolute(&self, rel: &Path) -> PathBuf {
        self.places.root_path().join(rel.strip_prefix("/").unwrap_or(rel))
    }

    fn problem(&self, rel: &Path, action: &'static str, error: &io::Error) -> Problem {
        Problem {
            path: self.absolute(rel),
            action,
            cause: error.to_string(),
        }
    }
}

fn stat_at(folder: &OwnedFd, name: &CStr) -> io::Result<Stat> {
    Ok(Stat::from(statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?))
}

/// Whether the error only says that this user is not root.
fn is_denied(error: Errno) -> bool {
    matches!(error, Errno::PERM | Errno::ACCESS)
}
