use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};

use engine_api::{Body, Key, PutMode};
use rustix::fs::{self, AtFlags, FallocateFlags, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::root::{Root, open_folder, open_or_make, sync_folder};
use super::{LocalStore, TEMPORARY};

/// Below this a file is one or two extents anyway.
const PREALLOCATE_FROM: u64 = 1 << 20;

/// Written at once, for on a share each write is a way there and back.
const PIECE: usize = 1 << 20;

/// The modes of new files and folders, as restic's local storage derives them from the repository's `config` file.
pub(super) struct Modes {
    file: Mode,
    folder: Mode,
}

impl Modes {
    pub(super) fn of(root: &Root) -> Self {
        let config = fs::statat(root, "config", AtFlags::empty());
        let group = config.is_ok_and(|stat| Mode::from_raw_mode(stat.st_mode).contains(Mode::RGRP));
        // Finished objects are read-only: nobody should change one by accident. An SMB server refuses to rename or remove
        // what is read-only there.
        let write = if root.is_smb() { Mode::WUSR } else { Mode::empty() };
        if group {
            return Self {
                file: Mode::RUSR | Mode::RGRP | write,
                folder: Mode::RWXU | Mode::RWXG,
            };
        }
        Self {
            file: Mode::RUSR | write,
            folder: Mode::RWXU,
        }
    }
}

/// How a finished file gets a name that nobody may have taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exclusive {
    /// A rename that refuses to replace.
    Rename,
    /// A second hard link, then the temporary name goes.
    Link,
    /// Look first; two writers at once are not told apart.
    Look,
}

impl Exclusive {
    /// Finds out what the filesystem offers, with two empty temporary files.
    pub(super) fn probe(root: &Root) -> Self {
        let (Ok(first), Ok(second)) = (Temporary::create(root), Temporary::create(root)) else {
            return Self::Look;
        };
        let works = |way: &Self| {
            let free = temporary_name();
            let refused = way.give_name(root, &first.name, &second.name) == Err(Errno::EXIST);
            let given = refused && way.give_name(root, &first.name, &free).is_ok();
            // The second name of a link, or the only one after a rename: both are this process's own.
            let _ = fs::unlinkat(root, &*free, AtFlags::empty());
            given
        };
        [Self::Rename, Self::Link].into_iter().find(works).unwrap_or(Self::Look)
    }

    pub(super) fn is_exclusive(self) -> bool {
        self != Self::Look
    }

    fn give_name(self, folder: impl AsFd, from: &[u8], to: &[u8]) -> Result<(), Errno> {
        let folder = folder.as_fd();
        match self {
            Self::Rename => fs::renameat_with(folder, from, folder, to, RenameFlags::NOREPLACE),
            Self::Link => fs::linkat(folder, from, folder, to, AtFlags::empty()),
            Self::Look => match fs::statat(folder, to, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(_) => Err(Errno::EXIST),
                Err(Errno::NOENT) => fs::renameat(folder, from, folder, to),
                Err(errno) => Err(errno),
            },
        }
    }
}

pub(super) fn put(store: &LocalStore, key: &Key, body: Body<'_>, mode: PutMode) -> Result<(), Errno> {
    let (folder_name, name) = split(key);
    let folder = open_or_make(&store.root, folder_name, store.modes.folder)?;
    if mode == PutMode::Create && fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
        return Err(Errno::EXIST);
    }
    let temporary = Temporary::create(&folder)?;
    temporary.fill(&body, store.modes.file)?;
    match mode {
        PutMode::Replace => fs::renameat(&folder, &*temporary.name, &folder, name)?,
        PutMode::Create => store.exclusive.give_name(&folder, &temporary.name, name)?,
    }
    if mode == PutMode::Replace || store.exclusive != Exclusive::Link {
        temporary.renamed();
    }
    sync_folder(&folder)
}

pub(super) fn remove(root: &Root, key: &Key) -> Result<(), Errno> {
    if super::is_reserved(key) {
        return Err(Errno::NOENT);
    }
    let (folder_name, name) = split(key);
    let folder = open_folder(root, folder_name).map_err(absent)?;
    fs::unlinkat(&folder, name, AtFlags::empty()).map_err(absent)?;
    sync_folder(&folder)
}

/// A folder in the place of an object, or a file in the place of its folder: the object is not there.
fn absent(errno: Errno) -> Errno {
    match errno {
        Errno::ISDIR | Errno::NOTDIR => Errno::NOENT,
        other => other,
    }
}

fn split(key: &Key) -> (&[u8], &[u8]) {
    let bytes = key.as_bytes();
    let Some(slash) = bytes.iter().rposition(|&byte| byte == b'/') else {
        return (b"", bytes);
    };
    let (folder, name) = bytes.split_at(slash);
    (folder, name.strip_prefix(b"/").unwrap_or(name))
}

/// A file that is being written; what is left of it under its temporary name goes when this is dropped.
struct Temporary<'a> {
    folder: rustix::fd::BorrowedFd<'a>,
    name: Vec<u8>,
    file: File,
    renamed: bool,
}

impl<'a> Temporary<'a> {
    fn create(folder: &'a impl AsFd) -> Result<Self, Errno> {
        let folder = folder.as_fd();
        loop {
            let name = temporary_name();
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            match fs::openat(folder, &*name, flags, Mode::RUSR | Mode::WUSR) {
                Ok(fd) => return Ok(Self::claim(folder, name, fd)),
                // Another machine's process with the same number writes here, too.
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    fn claim(folder: rustix::fd::BorrowedFd<'a>, name: Vec<u8>, fd: OwnedFd) -> Self {
        // Tells a cleaner that this writer is alive; without locks the file's age tells it. Not a shared lock: on an SMB
        // share that would keep even its owner from writing, and NFS wants the file readable for it.
        let _ = fs::flock(&fd, FlockOperation::NonBlockingLockExclusive);
        Self {
            folder,
            name,
            file: File::from(fd),
            renamed: false,
        }
    }

    /// Lets go of the temporary name, which by now may be another machine's.
    fn renamed(mut self) {
        self.renamed = true;
    }

    /// Writes all of `body`, gives the file its mode, and makes both durable.
    fn fill(&self, body: &Body<'_>, mode: Mode) -> Result<(), Errno> {
        let length = body.len();
        if length >= PREALLOCATE_FROM {
            self.preallocate(length)?;
        }
        if self.write(body).map_err(|error| errno_of(&error))? != length {
            // The file behind the body has shrunk: half an object must never get a name.
            return Err(Errno::IO);
        }
        match fs::fchmod(&self.file, mode) {
            // FAT and some shares have no modes.
            Ok(()) | Err(Errno::PERM | Errno::NOTSUP | Errno::NOSYS) => {}
            Err(errno) => return Err(errno),
        }
        match fs::fsync(&self.file) {
            Ok(()) | Err(Errno::INVAL | Errno::NOTSUP) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    /// Lays the file out in one piece and finds out about a full disk before the work.
    fn preallocate(&self, length: u64) -> Result<(), Errno> {
        match fs::fallocate(&self.file, FallocateFlags::empty(), 0, length) {
            Err(errno @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG)) => Err(errno),
            _ => Ok(()),
        }
    }

    fn write(&self, body: &Body<'_>) -> io::Result<u64> {
        let mut file = &self.file;
        match body {
            Body::Bytes(bytes) | Body::Digested { bytes, .. } => file.write_all(bytes).map(|()| bytes.len() as u64),
            Body::Parts(_) | Body::File { .. } => {
                let mut pieces = BufWriter::with_capacity(PIECE, file);
                let written = io::copy(&mut body.reader().take(body.len()), &mut pieces)?;
                pieces.flush()?;
                Ok(written)
            }
        }
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if !self.renamed {
            let _ = fs::unlinkat(self.folder, &*self.name, AtFlags::empty());
        }
    }
}

fn temporary_name() -> Vec<u8> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let process = std::process::id();
    let mut name = TEMPORARY.to_vec();
    name.extend_from_slice(format!("{process:x}-{number:x}").as_bytes());
    name
}

fn errno_of(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}
