//! Giving an entry its metadata.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use engine_api::{NewMetadata, Timestamp, Xattr};
use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, Uid, chmodat, chownat, fchmod, fchown,
    fstat, futimens, openat, utimensat,
};
use rustix::io::Errno;

use super::xattr;

/// What metadata is given to.
pub(super) enum Carrier<'a> {
    /// An open file or folder.
    Open(&'a OwnedFd),
    /// A name in a folder, never followed.
    Entry {
        folder: &'a OwnedFd,
        name: &'a [u8],
        /// The kernel has no call for the attributes of a name below a descriptor (before 6.13): its path in /proc.
        path: Vec<u8>,
    },
}

impl<'a> Carrier<'a> {
    pub(super) fn entry(folder: &'a OwnedFd, name: &'a [u8]) -> Self {
        let mut path = format!("/proc/self/fd/{}/", folder.as_raw_fd()).into_bytes();
        path.extend_from_slice(name);
        Self::Entry { folder, name, path }
    }

    pub(super) fn path(&self) -> &[u8] {
        match self {
            Self::Open(_) => b"",
            Self::Entry { path, .. } => path,
        }
    }

    /// Whether an open file has that owner already: to ask costs less than to set.
    fn is_owned_by(&self, uid: u32, gid: u32) -> bool {
        let Self::Open(fd) = self else { return false };
        fstat(fd).is_ok_and(|stat| (stat.st_uid, stat.st_gid) == (uid, gid))
    }

    fn set_owner(&self, uid: u32, gid: u32) -> Result<(), Errno> {
        let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        match self {
            Self::Open(fd) => fchown(fd, uid, gid),
            Self::Entry { folder, name, .. } => chownat(folder, *name, uid, gid, AtFlags::SYMLINK_NOFOLLOW),
        }
    }

    fn set_mode(&self, mode: u32) -> Result<(), Errno> {
        let mode = Mode::from_raw_mode(mode & 0o7777);
        let (folder, name) = match self {
            Self::Open(fd) => return fchmod(fd, mode),
            Self::Entry { folder, name, .. } => (folder, *name),
        };
        // The kernel's chmod follows links (before 6.6), so the inode is pinned and looked at first.
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let pinned = openat(folder, name, flags, Mode::empty())?;
        if FileType::from_raw_mode(fstat(&pinned)?.st_mode) == FileType::Symlink {
            return Ok(());
        }
        let path = format!("/proc/self/fd/{}", pinned.as_raw_fd());
        chmodat(CWD, path, mode, AtFlags::empty())
    }

    fn set_times(&self, times: &Timestamps) -> Result<(), Errno> {
        match self {
            Self::Open(fd) => futimens(fd, times),
            Self::Entry { folder, name, .. } => utimensat(folder, *name, times, AtFlags::SYMLINK_NOFOLLOW),
        }
    }
}

/// Owner first, because that clears setuid and capabilities; attributes before the mode, which may forbid them to the
/// owner; times last, because the rest changes them. What is `plain` has no attributes but the system's own.
pub(super) fn set(
    carrier: &Carrier<'_>,
    metadata: &NewMetadata<'_>,
    euid: u32,
    plain: bool,
    note: &mut dyn FnMut(&'static str, Errno),
) {
    let mut lend = true;
    if let Some((uid, gid)) = metadata.owner
        && !carrier.is_owned_by(uid, gid)
        && let Err(errno) = carrier.set_owner(uid, gid)
    {
        lend = false;
        note("set the owner of", errno);
    }
    if let Some(xattrs) = metadata.xattrs {
        set_xattrs(carrier, xattrs, plain, euid, note);
    }
    if let Some(mode) = metadata.mode {
        let mode = if lend { mode } else { mode & !0o6000 };
        if let Err(errno) = carrier.set_mode(mode) {
            note("set the mode of", errno);
        }
    }
    if let Some(times) = times(metadata)
        && let Err(errno) = carrier.set_times(&times)
    {
        note("set the times of", errno);
    }
}

fn times(metadata: &NewMetadata<'_>) -> Option<Timestamps> {
    if metadata.mtime.is_none() && metadata.atime.is_none() {
        return None;
    }
    Some(Timestamps {
        last_access: timespec(metadata.atime.or(metadata.mtime)),
        last_modification: timespec(metadata.mtime),
    })
}

fn timespec(time: Option<Timestamp>) -> Timespec {
    time.map_or(
        Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        |time| Timespec {
            tv_sec: time.seconds,
            tv_nsec: i64::from(time.nanos),
        },
    )
}

fn set_xattrs(
    carrier: &Carrier<'_>,
    wanted: &[Xattr],
    plain: bool,
    euid: u32,
    note: &mut dyn FnMut(&'static str, Errno),
) {
    if !plain {
        match xattr::names(carrier) {
            Ok(names) => remove_others(carrier, &names, wanted, euid, note),
            Err(errno) => note("list the extended attributes of", errno),
        }
    }
    for xattr in wanted {
        let Ok(name) = CString::new(xattr.name.as_bytes()) else {
            continue;
        };
        match xattr::set(carrier, &name, &xattr.value) {
            Err(errno) if !is_beyond(euid, &name, errno) => note("set an extended attribute of", errno),
            _ => {}
        }
    }
}

fn remove_others(
    carrier: &Carrier<'_>,
    names: &[CString],
    wanted: &[Xattr],
    euid: u32,
    note: &mut dyn FnMut(&'static str, Errno),
) {
    for name in names {
        let is_wanted = wanted.iter().any(|xattr| xattr.name.as_bytes() == name.to_bytes());
        if is_wanted || is_policy(name) {
            continue;
        }
        match xattr::remove(carrier, name) {
            Err(Errno::NODATA) | Ok(()) => {}
            Err(errno) if is_beyond(euid, name, errno) => {}
            Err(errno) => note("remove an extended attribute of", errno),
        }
    }
}

/// Attributes of the system are root's to set, as owners are.
fn is_beyond(euid: u32, name: &CStr, errno: Errno) -> bool {
    let name = name.to_bytes();
    let denied = matches!(errno, Errno::PERM | Errno::ACCESS);
    euid != 0 && denied && (name.starts_with(b"security.") || name.starts_with(b"trusted."))
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
