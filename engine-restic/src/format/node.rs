use std::ffi::OsString;

use engine_api::{EntryKind, Metadata};

use crate::Id;

/// One entry of a folder's listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name in the folder.
    pub name: OsString,
    /// Everything a restore brings back but the content.
    pub metadata: Metadata,
    /// For a file: its chunks in order.
    pub content: Vec<Id>,
    /// For a folder: its listing.
    pub subtree: Option<Id>,
}

// The bits of Go's file modes.
const DIR: u32 = 1 << 31;
const SYMLINK: u32 = 1 << 27;
const DEVICE: u32 = 1 << 26;
const FIFO: u32 = 1 << 25;
const SOCKET: u32 = 1 << 24;
const SETUID: u32 = 1 << 23;
const SETGID: u32 = 1 << 22;
const CHAR_DEVICE: u32 = 1 << 21;
const STICKY: u32 = 1 << 20;

const SPECIAL: [(u32, u32); 3] = [(SETUID, 0o4000), (SETGID, 0o2000), (STICKY, 0o1000)];

/// The mode as Go numbers it, from the twelve Unix bits.
pub fn go_mode(kind: EntryKind, unix: u32) -> u32 {
    let kind = match kind {
        EntryKind::File => 0,
        EntryKind::Dir => DIR,
        EntryKind::Symlink => SYMLINK,
        EntryKind::Fifo => FIFO,
        EntryKind::Socket => SOCKET,
        EntryKind::CharDevice => DEVICE | CHAR_DEVICE,
        EntryKind::BlockDevice => DEVICE,
    };
    let special = SPECIAL.iter().filter(|(_, bit)| unix & bit != 0);
    special.fold(kind | (unix & 0o777), |mode, (go, _)| mode | go)
}

/// The twelve Unix bits of a mode as Go numbers it.
pub fn unix_mode(go: u32) -> u32 {
    let special = SPECIAL.iter().filter(|(bit, _)| go & bit != 0);
    special.fold(go & 0o777, |mode, (_, unix)| mode | unix)
}

/// The name of the kind in a listing.
pub const fn kind_name(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::File => "file",
        EntryKind::Dir => "dir",
        EntryKind::Symlink => "symlink",
        EntryKind::Fifo => "fifo",
        EntryKind::Socket => "socket",
        EntryKind::CharDevice => "chardev",
        EntryKind::BlockDevice => "dev",
    }
}

/// The kind of that name.
pub fn kind_named(name: &str) -> Option<EntryKind> {
    Some(match name {
        "file" => EntryKind::File,
        "dir" => EntryKind::Dir,
        "symlink" => EntryKind::Symlink,
        "fifo" => EntryKind::Fifo,
        "socket" => EntryKind::Socket,
        "chardev" => EntryKind::CharDevice,
        "dev" => EntryKind::BlockDevice,
        _ => return None,
    })
}
