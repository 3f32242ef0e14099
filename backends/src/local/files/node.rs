//! Entries: what they are, how they are opened, listed and made.

use std::mem::MaybeUninit;
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;

use engine_api::{EntryKind, FileStat, Listed, Timestamp};
use rustix::fs::{FileType, Mode, OFlags, RawDir, fstat, mknodat, openat};
use rustix::io::Errno;

pub(super) fn file_stat(raw: &rustix::fs::Stat) -> FileStat {
    let kind = kind_of(FileType::from_raw_mode(raw.st_mode)).unwrap_or(EntryKind::File);
    let is_device = matches!(kind, EntryKind::CharDevice | EntryKind::BlockDevice);
    let size = u64::try_from(raw.st_size).unwrap_or(0);
    FileStat {
        kind,
        mode: raw.st_mode & 0o7777,
        uid: raw.st_uid,
        gid: raw.st_gid,
        size: if kind == EntryKind::File { size } else { 0 },
        mtime: Timestamp {
            seconds: raw.st_mtime,
            nanos: u32::try_from(raw.st_mtime_nsec).unwrap_or(0),
        },
        rdev: if is_device { raw.st_rdev } else { 0 },
        identity: Some((raw.st_dev, raw.st_ino)),
        links: Some(links(raw)),
    }
}

#[allow(clippy::useless_conversion, reason = "it has 32 bits on some machines")]
fn links(raw: &rustix::fs::Stat) -> u64 {
    u64::from(raw.st_nlink)
}

fn kind_of(file_type: FileType) -> Option<EntryKind> {
    Some(match file_type {
        FileType::RegularFile => EntryKind::File,
        FileType::Directory => EntryKind::Dir,
        FileType::Symlink => EntryKind::Symlink,
        FileType::Fifo => EntryKind::Fifo,
        FileType::Socket => EntryKind::Socket,
        FileType::CharacterDevice => EntryKind::CharDevice,
        FileType::BlockDevice => EntryKind::BlockDevice,
        FileType::Unknown => return None,
    })
}

/// Hands over every name in the folder but `.` and `..`.
pub(super) fn list(folder: &OwnedFd, each: &mut dyn FnMut(Listed<'_>) -> ControlFlow<()>) -> Result<(), Errno> {
    // A descriptor has one position, and other threads may list the folder through theirs.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = openat(folder, c".", flags, Mode::empty())?;
    let mut buffer = vec![MaybeUninit::uninit(); 1 << 15];
    let mut entries = RawDir::new(&folder, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(errno),
        };
        let name = entry.file_name().to_bytes();
        if matches!(name, b"." | b"..") {
            continue;
        }
        let listed = Listed {
            name,
            kind: kind_of(entry.file_type()),
            stat: None,
        };
        if each(listed).is_break() {
            break;
        }
    }
    Ok(())
}

/// Opens for reading what must be a regular file: no link is followed, no fifo is waited for.
pub(super) fn open_file(folder: &OwnedFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match openat(folder, name, flags | OFlags::NOATIME, Mode::empty()) {
        // That is for the owner only.
        Err(Errno::PERM) => openat(folder, name, flags, Mode::empty())?,
        other => other?,
    };
    match FileType::from_raw_mode(fstat(&file)?.st_mode) {
        FileType::RegularFile => Ok(file),
        FileType::Directory => Err(Errno::ISDIR),
        _ => Err(Errno::INVAL),
    }
}

/// Makes a pipe or a device.
pub(super) fn make(folder: &OwnedFd, name: &[u8], kind: EntryKind, rdev: u64) -> Result<(), Errno> {
    let kind = match kind {
        EntryKind::Fifo => FileType::Fifo,
        EntryKind::CharDevice => FileType::CharacterDevice,
        EntryKind::BlockDevice => FileType::BlockDevice,
        _ => return Err(Errno::OPNOTSUPP),
    };
    mknodat(folder, name, kind, Mode::RUSR | Mode::WUSR, rdev)
}
