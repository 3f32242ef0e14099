//! One file, folder or other thing of a tree, with everything a restore must bring back.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

/// Seconds since 1970 and nanoseconds within the second; before 1970 the seconds are negative, the nanoseconds never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize)]
pub struct Timestamp {
    /// Whole seconds since the epoch.
    pub seconds: i64,
    /// 0 to 999,999,999.
    pub nanos: u32,
}

impl Timestamp {
    /// The moment as jiff's type; `None` when it lies outside the years jiff knows (-9999 to 9999).
    #[must_use]
    pub fn to_jiff(self) -> Option<jiff::Timestamp> {
        let nanos = i32::try_from(self.nanos).ok()?;
        jiff::Timestamp::new(self.seconds, nanos).ok()
    }

    /// From jiff's type.
    #[must_use]
    pub fn from_jiff(moment: jiff::Timestamp) -> Self {
        let total = moment.as_nanosecond();
        let seconds = i64::try_from(total.div_euclid(1_000_000_000)).unwrap_or(i64::MAX);
        let nanos = u32::try_from(total.rem_euclid(1_000_000_000)).unwrap_or(0);
        Self { seconds, nanos }
    }

    /// Now, by the system's clock.
    #[must_use]
    pub fn now() -> Self {
        Self::from_jiff(jiff::Timestamp::now())
    }
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A folder.
    Dir,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A socket: listed, never restored.
    Socket,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
}

/// An extended attribute; POSIX ACLs are `system.posix_acl_access` and `system.posix_acl_default`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Xattr {
    /// The full name with its namespace, such as `user.comment`.
    pub name: OsString,
    /// Its bytes.
    pub value: Vec<u8>,
}

/// Everything about an entry but its name and content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// What it is.
    pub kind: EntryKind,
    /// Permission bits with setuid, setgid and sticky: the low twelve bits, no type bits.
    pub mode: u32,
    /// Owner by number.
    pub uid: u32,
    /// Group by number.
    pub gid: u32,
    /// Owner by name, where it has one.
    pub user: Option<Arc<str>>,
    /// Group by name, where it has one.
    pub group: Option<Arc<str>>,
    /// When the content last changed.
    pub mtime: Timestamp,
    /// When it was last read.
    pub atime: Timestamp,
    /// When the inode last changed; cannot be restored, tells whether a file changed.
    pub ctime: Timestamp,
    /// Content length in bytes; 0 for everything but files.
    pub size: u64,
    /// Inode number.
    pub inode: u64,
    /// Number of the device (filesystem) it lies on.
    pub device: u64,
    /// Hard links to it.
    pub links: u64,
    /// For a device: which one, as `st_rdev`.
    pub rdev: u64,
    /// For a symbolic link: where it points.
    pub link_target: Option<PathBuf>,
    /// Extended attributes and ACLs, sorted by name.
    pub xattrs: Vec<Xattr>,
}

/// One entry of a snapshot's listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Absolute path as it was on the machine that was backed up.
    pub path: PathBuf,
    /// Everything else.
    pub metadata: Metadata,
}
