use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use engine_api::{Space, StoreError};
use rustix::fs::{self, AtFlags, CWD, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::errors::Context;

/// The destination's directory, held open.
pub(super) struct Root {
    fd: OwnedFd,
    path: PathBuf,
    location: String,
    identity: Identity,
}

#[derive(PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    fn of(stat: &Stat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
        }
    }
}

/// SMB, CIFS and SMB2.
const SMB: [i64; 3] = [0x517b, 0xff53_4d42, 0xfe53_4d42];

/// NFS, FUSE (anything may be behind it), Ceph, 9P, AFS, Coda, GFS2, OCFS2 and Lustre.
const FAR_AWAY: [i64; 9] = [
    0x6969,
    0x6573_5546,
    0x00c3_6400,
    0x0102_1997,
    0x5346_414f,
    0x7375_7245,
    0x0116_1970,
    0x7461_636f,
    0x0bd0_0bd0,
];

impl Root {
    pub(super) fn open(dir: &Path, create: bool) -> Result<Self, StoreError> {
        let location = dir.to_string_lossy().into_owned();
        let context = Context::folder("open", "", &location);
        // An absolute path stays right when the process changes its working directory.
        let path = std::path::absolute(dir).map_err(|_| context.errno(Errno::NOENT))?;
        let fd = match open_folder(CWD, path.as_os_str().as_bytes()) {
            Err(Errno::NOENT) if create => make(&path).map_err(|errno| context.errno(errno)),
            other => other.map_err(|errno| context.errno(errno)),
        }?;
        let stat = fs::fstat(&fd).map_err(|errno| context.errno(errno))?;
        Ok(Self {
            fd,
            path,
            location,
            identity: Identity::of(&stat),
        })
    }

    pub(super) fn location(&self) -> &str {
        &self.location
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the directory that is held open has not been removed.
    pub(super) fn is_linked(&self) -> bool {
        fs::fstat(&self.fd).is_ok_and(|stat| stat.st_nlink > 0)
    }

    /// Whether the path still leads to the directory that is held open.
    pub(super) fn is_in_place(&self) -> bool {
        fs::stat(&self.path).is_ok_and(|stat| Identity::of(&stat) == self.identity)
    }

    /// Whether this is a share of an SMB server.
    pub(super) fn is_smb(&self) -> bool {
        self.kind().is_some_and(|kind| SMB.contains(&kind))
    }

    /// Whether other machines may write here, of which this one's kernel keeps listings for a while; also when nobody can tell.
    pub(super) fn may_be_far_away(&self) -> bool {
        self.kind()
            .is_none_or(|kind| SMB.contains(&kind) || FAR_AWAY.contains(&kind))
    }

    /// The filesystem's kind, by the numbers of statfs(2).
    fn kind(&self) -> Option<i64> {
        fs::fstatfs(&self.fd).ok().map(|info| info.f_type)
    }

    pub(super) fn space(&self) -> Result<Space, Errno> {
        let info = fs::fstatvfs(&self.fd)?;
        let bytes = |blocks: u64| blocks.saturating_mul(info.f_frsize);
        Ok(Space {
            total: bytes(info.f_blocks),
            used: bytes(info.f_blocks.saturating_sub(info.f_bfree)),
            available: bytes(info.f_bavail),
        })
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Opens the folder `path` below `base`; the empty path is `base` itself.
pub(super) fn open_folder(base: impl AsFd, path: &[u8]) -> Result<OwnedFd, Errno> {
    let path = if path.is_empty() { b"." } else { path };
    fs::openat(
        base,
        path,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
}

/// Opens the folder `path` below `base` and makes what is missing of it, each new name synced.
pub(super) fn open_or_make(base: impl AsFd, path: &[u8], mode: Mode) -> Result<OwnedFd, Errno> {
    match open_folder(&base, path) {
        Err(Errno::NOENT) => {}
        other => return other,
    }
    let mut folder = open_folder(&base, b"")?;
    for name in path.split(|&byte| byte == b'/') {
        folder = step(&folder, name, mode)?;
    }
    Ok(folder)
}

fn step(folder: &OwnedFd, name: &[u8], mode: Mode) -> Result<OwnedFd, Errno> {
    match open_folder(folder, name) {
        Err(Errno::NOENT) => {}
        other => return other,
    }
    match fs::mkdirat(folder, name, mode) {
        // Somebody else was faster, which is as good.
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno),
    }
    sync_folder(folder)?;
    open_folder(folder, name)
}

/// Makes `path` with its parents.
fn make(path: &Path) -> Result<OwnedFd, Errno> {
    let below_root = path.as_os_str().as_bytes().strip_prefix(b"/").unwrap_or_default();
    let slash = open_folder(CWD, b"/")?;
    let names: Vec<&[u8]> = below_root
        .split(|&byte| byte == b'/')
        .filter(|name| !name.is_empty())
        .collect();
    open_or_make(&slash, &names.join(&b'/'), Mode::RWXU)
}

/// Makes the names in `folder` durable.
pub(super) fn sync_folder(folder: impl AsFd) -> Result<(), Errno> {
    match fs::fsync(folder) {
        // Filesystems that cannot sync a folder say so; there is nothing else to be done about it.
        Ok(()) | Err(Errno::INVAL | Errno::NOTSUP | Errno::BADF) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// The size of `path` below `base` when it is a regular file, reached through a link or not.
pub(super) fn regular_size(base: impl AsFd, path: &[u8]) -> Result<u64, Errno> {
    let stat = fs::statat(base, path, AtFlags::empty())?;
    size_if_regular(&stat)
}

pub(super) fn size_if_regular(stat: &Stat) -> Result<u64, Errno> {
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Errno::NOENT);
    }
    u64::try_from(stat.st_size).map_err(|_| Errno::OVERFLOW)
}
