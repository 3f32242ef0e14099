//! What a walk delivers: an entry with its `lstat`, and the means to read the rest of it.

use std::ffi::{CStr, OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use engine_api::{EntryKind, Metadata, Problem, Xattr};
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

use crate::dir::Dir;
use crate::xattr::{self, Carrier};
use crate::{Names, Stat};

/// An entry of a tree as the walk found it. Cheap to clone, and may be handed to another thread.
#[derive(Clone)]
pub struct Found(Arc<Inner>);

struct Inner {
    folder: Arc<Dir>,
    /// Absolute, with a NUL at the end, so that its tail is the name as the kernel wants it.
    path: Vec<u8>,
    name_at: usize,
    stat: Stat,
}

impl Found {
    /// `above` is the folder's absolute path.
    pub(crate) fn new(folder: Arc<Dir>, above: &[u8], name: &CStr, stat: Stat) -> Self {
        let mut path = Vec::with_capacity(above.len() + name.to_bytes().len() + 2);
        path.extend_from_slice(above);
        if path.last() != Some(&b'/') {
            path.push(b'/');
        }
        let name_at = path.len();
        path.extend_from_slice(name.to_bytes_with_nul());
        Self(Arc::new(Inner {
            folder,
            path,
            name_at,
            stat,
        }))
    }

    /// Its absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        let end = self.0.path.len().saturating_sub(1);
        Path::new(OsStr::from_bytes(self.0.path.get(..end).unwrap_or_default()))
    }

    /// The last component of its path.
    #[must_use]
    pub fn name(&self) -> &OsStr {
        OsStr::from_bytes(self.c_name().to_bytes())
    }

    /// What `lstat` said when the walk came by.
    #[must_use]
    pub fn stat(&self) -> &Stat {
        &self.0.stat
    }

    /// Everything a restore must bring back, and what of it could not be read.
    ///
    /// A link whose target could not be read has no `link_target`: it cannot be saved.
    #[must_use]
    pub fn metadata(&self, names: &Names) -> (Metadata, Vec<Problem>) {
        let folder = match self.0.folder.fd() {
            Ok(folder) => folder,
            Err(error) => {
                let problem = self.problem("open the folder of", &error);
                return (metadata(&self.0.stat, names, None, Vec::new()), vec![problem]);
            }
        };
        let (xattrs, failed) = xattr::read(&Carrier::entry(folder.as_fd(), self.c_name()));
        let mut problems = self.problems(failed);
        let mut target = None;
        if self.0.stat.kind == EntryKind::Symlink {
            match read_link(&folder, self.c_name()) {
                Ok(path) => target = Some(path),
                Err(error) => problems.push(self.problem("read the link", &error)),
            }
        }
        (metadata(&self.0.stat, names, target, xattrs), problems)
    }

    /// The same of a file that [`Found::open`] opened: its attributes are read from the open file.
    #[must_use]
    pub fn metadata_of(&self, file: &File, stat: &Stat, names: &Names) -> (Metadata, Vec<Problem>) {
        let (xattrs, failed) = xattr::read(&Carrier::Open(file.as_fd()));
        (metadata(stat, names, None, xattrs), self.problems(failed))
    }

    /// Opens a regular file for reading and looks at it afresh: what the name stands for may have been replaced since
    /// the walk came by. Its access time is left alone where the system allows that.
    ///
    /// # Errors
    /// When it cannot be opened or is no regular file any more.
    pub fn open(&self) -> Result<(File, Stat), Problem> {
        self.try_open().map_err(|error| self.problem("open", &error))
    }

    fn try_open(&self) -> io::Result<(File, Stat)> {
        let folder = self.0.folder.fd()?;
        let file = open_file(&folder, self.c_name())?;
        let stat = Stat::from(rustix::fs::fstat(&file)?);
        if !stat.is_file() {
            return Err(io::Error::other("it is no regular file any more"));
        }
        Ok((File::from(file), stat))
    }

    fn c_name(&self) -> &CStr {
        let name = self.0.path.get(self.0.name_at..).unwrap_or_default();
        CStr::from_bytes_with_nul(name).unwrap_or_default()
    }

    fn problem(&self, action: &'static str, error: &io::Error) -> Problem {
        Problem {
            path: self.path().to_owned(),
            action,
            cause: error.to_string(),
        }
    }

    fn problems(&self, failed: Vec<(&'static str, String)>) -> Vec<Problem> {
        let problem = |(action, cause)| Problem {
            path: self.path().to_owned(),
            action,
            cause,
        };
        failed.into_iter().map(problem).collect()
    }
}

impl std::fmt::Debug for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Found")
            .field("path", &self.path())
            .field("stat", &self.0.stat)
            .finish_non_exhaustive()
    }
}

/// Opens for reading what must be a regular file: no link is followed, no fifo is waited for.
pub(crate) fn open_file(folder: &OwnedFd, name: &CStr) -> io::Result<OwnedFd> {
    // A lease (Samba's oplocks) makes a non-blocking open fail once and is then given back within 45 seconds.
    const PATIENCE: Duration = Duration::from_secs(60);
    const PAUSE: Duration = Duration::from_millis(20);
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let mut extra = OFlags::NOATIME;
    let mut waited = Duration::ZERO;
    loop {
        match openat(folder, name, flags | extra, Mode::empty()) {
            Err(Errno::PERM) if !extra.is_empty() => extra = OFlags::empty(),
            Err(Errno::AGAIN) if waited < PATIENCE => {
                std::thread::sleep(PAUSE);
                waited += PAUSE;
            }
            other => return Ok(other?),
        }
    }
}

/// Where a symbolic link points.
pub(crate) fn read_link(folder: &OwnedFd, name: &CStr) -> io::Result<PathBuf> {
    let target = rustix::fs::readlinkat(folder, name, Vec::new())?;
    Ok(PathBuf::from(OsString::from_vec(target.into_bytes())))
}

pub(crate) fn metadata(stat: &Stat, names: &Names, link_target: Option<PathBuf>, xattrs: Vec<Xattr>) -> Metadata {
    Metadata {
        kind: stat.kind,
        mode: stat.mode,
        uid: stat.uid,
        gid: stat.gid,
        user: names.user(stat.uid),
        group: names.group(stat.gid),
        mtime: stat.mtime,
        atime: stat.atime,
        ctime: stat.ctime,
        size: stat.size,
        inode: stat.inode,
        device: stat.device,
        links: stat.links,
        rdev: stat.rdev,
        link_target,
        xattrs,
    }
}
