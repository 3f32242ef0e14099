//! Giving an entry its metadata.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use engine_api::{EntryKind, Metadata, Problem, Timestamp};
use rustix::fs::{
    AtFlags, CWD, Gid, Mode, OFlags, Timespec, Timestamps, Uid, chmodat, chownat, fchmod, fchown, fstat, futimens,
    openat, utimensat,
};
use rustix::io::Errno;

use super::{Shared, is_denied, stat_at};
use crate::Stat;
use crate::xattr::{self, Carrier};

/// What metadata is given to.
pub(super) enum Handle<'a> {
    /// An open file or folder.
    Open(BorrowedFd<'a>),
    /// A name in a folder, never followed.
    Entry(BorrowedFd<'a>, &'a CStr),
}

/// What is known of the extended attributes that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attributes {
    /// There are none but the system's own.
    None,
    /// There may be some.
    Unknown,
}

impl Shared {
    pub(super) fn set_metadata(&self, rel: &Path, metadata: &Metadata) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Err(error) = self.find_and_apply(rel, metadata, &mut problems) {
            problems.push(self.problem(rel, "set the metadata", &error));
        }
        problems
    }

    fn find_and_apply(&self, rel: &Path, metadata: &Metadata, problems: &mut Vec<Problem>) -> io::Result<()> {
        let (folder, name) = self.places.find(rel)?;
        let fd = folder.dir.fd()?;
        let there = stat_at(&fd, &name)?;
        if there.kind != metadata.kind {
            return Err(io::Error::other("something else is there now"));
        }
        let flags = match metadata.kind {
            EntryKind::Dir => Some(OFlags::DIRECTORY),
            EntryKind::File => Some(OFlags::NONBLOCK | OFlags::NOCTTY),
            _ => None,
        };
        let common = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = flags.and_then(|flags| openat(&fd, &name, common | flags, Mode::empty()).ok());
        let handle = match &open {
            Some(open) => Handle::Open(open.as_fd()),
            None => Handle::Entry(fd.as_fd(), &name),
        };
        if self.euid != 0 && open.is_some() && there.mode & 0o200 == 0 {
            // If it fails, so will what it was to make possible, and that is reported.
            let _ = handle.set_mode(there.mode | 0o200);
        }
        self.apply(&handle, rel, Attributes::Unknown, metadata, problems);
        if metadata
            .xattrs
            .iter()
            .any(|xattr| xattr.name == "system.posix_acl_default")
        {
            self.places.forget();
        }
        Ok(())
    }

    /// Owner first, because that clears setuid and capabilities; attributes before the mode, which may forbid them to the
    /// owner; times last, because the rest changes them.
    pub(super) fn apply(
        &self,
        handle: &Handle<'_>,
        rel: &Path,
        attributes: Attributes,
        metadata: &Metadata,
        problems: &mut Vec<Problem>,
    ) {
        let mut note = |action, error: io::Error| problems.push(self.problem(rel, action, &error));
        let owned = match self.set_owner(handle, metadata) {
            Ok(owned) => owned,
            Err(error) => {
                note("set the owner", error.into());
                Owned {
                    user: false,
                    group: false,
                }
            }
        };
        self.set_xattrs(handle, attributes, metadata, &mut note);
        if metadata.kind != EntryKind::Symlink
            && let Err(error) = handle.set_mode(owned.allowed(metadata))
        {
            note("set the mode", error);
        }
        if let Err(error) = handle.set_times(metadata) {
            note("set the times", error.into());
        }
    }

    fn set_owner(&self, handle: &Handle<'_>, metadata: &Metadata) -> Result<Owned, Errno> {
        if !self.options.owners {
            return Ok(Owned {
                user: metadata.uid == self.euid,
                group: false,
            });
        }
        let (uid, gid) = self.owner(metadata);
        match handle.set_owner(Some(uid), Some(gid)) {
            Ok(()) => Ok(Owned {
                user: true,
                group: true,
            }),
            Err(error) if self.euid != 0 && is_denied(error) => {
                // A user may still give a file to a group of theirs.
                Ok(Owned {
                    user: uid == self.euid,
                    group: handle.set_owner(None, Some(gid)).is_ok(),
                })
            }
            Err(error) => Err(error),
        }
    }

    fn owner(&self, metadata: &Metadata) -> (u32, u32) {
        if self.options.numeric_ids {
            return (metadata.uid, metadata.gid);
        }
        let uid = metadata.user.as_deref().and_then(|name| self.names.uid(name));
        let gid = metadata.group.as_deref().and_then(|name| self.names.gid(name));
        (uid.unwrap_or(metadata.uid), gid.unwrap_or(metadata.gid))
    }

    fn set_xattrs(
        &self,
        handle: &Handle<'_>,
        attributes: Attributes,
        metadata: &Metadata,
        note: &mut dyn FnMut(&'static str, io::Error),
    ) {
        let carrier = handle.carrier();
        if attributes == Attributes::Unknown {
            match xattr::names(&carrier) {
                Ok(names) => self.remove_xattrs(&carrier, names, metadata, note),
                Err(error) => note("list the extended attributes", error),
            }
        }
        for wanted in &metadata.xattrs {
            let Ok(name) = CString::new(wanted.name.as_bytes()) else {
                continue;
            };
            match xattr::set(&carrier, &name, &wanted.value) {
                Err(error) if !self.is_beyond_us(&name, error) => {
                    note("set an extended attribute", with_name(&name, error));
                }
                _ => {}
            }
        }
    }

    fn remove_xattrs(
        &self,
        carrier: &Carrier<'_>,
        names: Vec<CString>,
        metadata: &Metadata,
        note: &mut dyn FnMut(&'static str, io::Error),
    ) {
        for name in names {
            let wanted = metadata
                .xattrs
                .iter()
                .any(|xattr| xattr.name.as_bytes() == name.to_bytes());
            if wanted || is_policy(&name) {
                continue;
            }
            match xattr::remove(carrier, &name) {
                Err(Errno::NODATA) | Ok(()) => {}
                Err(error) if self.is_beyond_us(&name, error) => {}
                Err(error) => note("remove an extended attribute", with_name(&name, error)),
            }
        }
    }

    /// Attributes of the system are root's to set, as owners are.
    fn is_beyond_us(&self, name: &CStr, error: Errno) -> bool {
        let name = name.to_bytes();
        self.euid != 0 && is_denied(error) && (name.starts_with(b"security.") || name.starts_with(b"trusted."))
    }
}

/// Whether owner and group are what they were.
struct Owned {
    user: bool,
    group: bool,
}

impl Owned {
    /// The mode, without the bits that would lend the rights of somebody else than before.
    fn allowed(&self, metadata: &Metadata) -> u32 {
        let mut mode = metadata.mode & 0o7777;
        if metadata.kind == EntryKind::Dir {
            return mode;
        }
        if !self.user {
            mode &= !0o4000;
        }
        if !self.group {
            mode &= !0o2000;
        }
        mode
    }
}

impl<'a> Handle<'a> {
    fn carrier(&self) -> Carrier<'a> {
        match self {
            Self::Open(fd) => Carrier::Open(*fd),
            Self::Entry(folder, name) => Carrier::entry(*folder, name),
        }
    }

    fn set_owner(&self, uid: Option<u32>, gid: Option<u32>) -> Result<(), Errno> {
        let (uid, gid) = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
        match self {
            Self::Open(fd) => fchown(fd, uid, gid),
            Self::Entry(folder, name) => chownat(folder, *name, uid, gid, AtFlags::SYMLINK_NOFOLLOW),
        }
    }

    fn set_mode(&self, mode: u32) -> io::Result<()> {
        let mode = Mode::from_raw_mode(mode);
        let (folder, name) = match self {
            Self::Open(fd) => return Ok(fchmod(fd, mode)?),
            Self::Entry(folder, name) => (folder, name),
        };
        // The kernel's chmod follows links, so the inode is pinned and looked at first.
        let pinned = openat(
            folder,
            *name,
            OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        if Stat::from(fstat(&pinned)?).kind == EntryKind::Symlink {
            return Err(io::Error::other("a symbolic link is there now"));
        }
        Ok(chmodat(
            CWD,
            format!("/proc/self/fd/{}", pinned.as_raw_fd()),
            mode,
            AtFlags::empty(),
        )?)
    }

    fn set_times(&self, metadata: &Metadata) -> Result<(), Errno> {
        let times = Timestamps {
            last_access: timespec(metadata.atime),
            last_modification: timespec(metadata.mtime),
        };
        match self {
            Self::Open(fd) => futimens(fd, &times),
            Self::Entry(folder, name) => utimensat(folder, *name, &times, AtFlags::SYMLINK_NOFOLLOW),
        }
    }
}

fn timespec(time: Timestamp) -> Timespec {
    Timespec {
        tv_sec: time.seconds,
        tv_nsec: i64::from(time.nanos),
    }
}

/// Labels that the system gives by its own policy; a file's capabilities are not among them.
fn is_policy(name: &CStr) -> bool {
    let name = name.to_bytes();
    let ours = name.starts_with(b"user.")
        || name.starts_with(b"trusted.")
        || name.starts_with(b"system.posix_acl_")
        || name == b"security.capability";
    !ours
}

fn with_name(name: &CStr, error: Errno) -> io::Error {
    io::Error::other(format!("{}: {}", name.to_string_lossy(), io::Error::from(error)))
}
