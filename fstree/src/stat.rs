//! What one `lstat` tells.

use engine_api::{EntryKind, Timestamp};
use rustix::fs::FileType;

/// Everything one `lstat` tells about an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// What it is.
    pub kind: EntryKind,
    /// Permission bits with setuid, setgid and sticky: the low twelve bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Content length in bytes; 0 for everything but files.
    pub size: u64,
    /// When the content last changed.
    pub mtime: Timestamp,
    /// When the inode last changed.
    pub ctime: Timestamp,
    /// When it was last read.
    pub atime: Timestamp,
    /// Inode number.
    pub inode: u64,
    /// Number of the filesystem it lies on.
    pub device: u64,
    /// Hard links to it.
    pub links: u64,
    /// For a device: which one, as `st_rdev`; 0 for everything else.
    pub rdev: u64,
}

impl Stat {
    /// Whether it is a folder.
    #[must_use]
    pub fn is_dir(&self) -> bool {
        self.kind == EntryKind::Dir
    }

    /// Whether it is a regular file.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.kind == EntryKind::File
    }

    /// Whether both are the same inode of the same filesystem.
    #[must_use]
    pub fn same_inode(&self, other: &Self) -> bool {
        self.inode == other.inode && self.device == other.device
    }
}

impl From<rustix::fs::Stat> for Stat {
    fn from(raw: rustix::fs::Stat) -> Self {
        let kind = kind(raw.st_mode);
        let is_device = matches!(kind, EntryKind::CharDevice | EntryKind::BlockDevice);
        Self {
            kind,
            mode: raw.st_mode & 0o7777,
            uid: raw.st_uid,
            gid: raw.st_gid,
            size: if kind == EntryKind::File {
                u64::try_from(raw.st_size).unwrap_or(0)
            } else {
                0
            },
            mtime: time(raw.st_mtime, raw.st_mtime_nsec),
            ctime: time(raw.st_ctime, raw.st_ctime_nsec),
            atime: time(raw.st_atime, raw.st_atime_nsec),
            inode: raw.st_ino,
            device: raw.st_dev,
            links: links(&raw),
            rdev: if is_device { raw.st_rdev } else { 0 },
        }
    }
}

#[allow(clippy::useless_conversion, reason = "it has 32 bits on some machines")]
fn links(raw: &rustix::fs::Stat) -> u64 {
    u64::from(raw.st_nlink)
}

fn kind(mode: u32) -> EntryKind {
    match FileType::from_raw_mode(mode) {
        FileType::Directory => EntryKind::Dir,
        FileType::Symlink => EntryKind::Symlink,
        FileType::Fifo => EntryKind::Fifo,
        FileType::Socket => EntryKind::Socket,
        FileType::CharacterDevice => EntryKind::CharDevice,
        FileType::BlockDevice => EntryKind::BlockDevice,
        FileType::RegularFile | FileType::Unknown => EntryKind::File,
    }
}

fn time(seconds: i64, nanos: u64) -> Timestamp {
    Timestamp {
        seconds,
        nanos: u32::try_from(nanos).unwrap_or(0),
    }
}
