//! A file that is being restored.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use engine_api::{Metadata, Problem};
use rustix::fs::{FallocateFlags, Mode, OFlags, fallocate, fstat, ftruncate, openat};
use rustix::io::{Errno, pwrite};

use super::Shared;
use super::apply::{Attributes, Handle};
use super::place::Folder;
use crate::Stat;

pub(super) const NEW_FILE: OFlags = OFlags::WRONLY
    .union(OFlags::CREATE)
    .union(OFlags::EXCL)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// The unit of holes.
const BLOCK: usize = 4096;

/// Files from this size on get their room at once: they lie in one piece then, and a full disk is told at the start.
const LARGE: u64 = 1 << 20;

/// A file that is being restored. May be written by many threads, in any order. One that is dropped before it is finished
/// stays as it is then, open to nobody but its owner if it is new.
pub struct TargetFile {
    shared: Arc<Shared>,
    rel: PathBuf,
    file: OwnedFd,
    size: u64,
    /// How long the file is at least.
    end: AtomicU64,
    is_new: bool,
    attributes: Attributes,
}

impl TargetFile {
    pub(super) fn new(shared: &Arc<Shared>, rel: &Path, folder: &Folder, file: OwnedFd, size: u64) -> io::Result<Self> {
        if size >= LARGE && !shared.options.sparse {
            // Not every filesystem can, and it is only an advice, but for what it says of the room there is.
            if let Err(error @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG)) =
                fallocate(&file, FallocateFlags::KEEP_SIZE, 0, size)
            {
                return Err(error.into());
            }
        }
        Ok(Self {
            shared: Arc::clone(shared),
            rel: rel.to_owned(),
            file,
            size,
            end: AtomicU64::new(0),
            is_new: true,
            attributes: if folder.inherits() {
                Attributes::Unknown
            } else {
                Attributes::None
            },
        })
    }

    /// Opens what is there, if it may be changed in place.
    pub(super) fn existing(
        shared: &Arc<Shared>,
        rel: &Path,
        folder: &OwnedFd,
        name: &CStr,
        size: u64,
    ) -> io::Result<Option<Self>> {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let Ok(file) = openat(folder, name, flags, Mode::empty()) else {
            return Ok(None);
        };
        let stat = Stat::from(fstat(&file)?);
        if !stat.is_file() || stat.links != 1 {
            return Ok(None);
        }
        Ok(Some(Self {
            shared: Arc::clone(shared),
            rel: rel.to_owned(),
            file,
            size,
            end: AtomicU64::new(stat.size),
            is_new: false,
            attributes: Attributes::Unknown,
        }))
    }

    /// Whether it is a new, empty file; otherwise it still holds what it held.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// Says how long it will be, where that was not known when it was made.
    pub const fn set_size(&mut self, size: u64) {
        self.size = size;
    }

    /// Writes `data` at `offset`.
    ///
    /// # Errors
    /// When it could not be written whole.
    pub fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        if !self.shared.options.sparse {
            return self.write(data, offset);
        }
        let mut rest = data;
        let mut at = offset;
        while !rest.is_empty() {
            let (len, zeros) = run(rest, at);
            let (piece, tail) = rest.split_at(len);
            if zeros {
                self.leave_hole(piece, at)?
            } else {
                self.write(piece, at)?
            }
            rest = tail;
            at += len as u64;
        }
        Ok(())
    }

    /// Makes a new file share all blocks of `source`, of its whole size, where the filesystem can do that.
    ///
    /// # Errors
    /// When it cannot, such as when both are not on one filesystem; then nothing is written.
    pub fn share_blocks(&self, source: BorrowedFd<'_>) -> io::Result<()> {
        rustix::fs::ioctl_ficlone(&self.file, source)?;
        self.end.store(Stat::from(fstat(&self.file)?).size, Ordering::Release);
        Ok(())
    }

    /// Brings it to its size and sets its metadata; each failure is its own problem.
    #[must_use]
    pub fn finish(self, metadata: &Metadata) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.end.load(Ordering::Acquire) != self.size
            && let Err(error) = ftruncate(&self.file, self.size)
        {
            problems.push(self.shared.problem(&self.rel, "set the size", &error.into()));
        }
        let handle = Handle::Open(self.file.as_fd());
        self.shared
            .apply(&handle, &self.rel, self.attributes, metadata, &mut problems);
        problems
    }

    fn write(&self, data: &[u8], offset: u64) -> io::Result<()> {
        let mut rest = data;
        let mut at = offset;
        while !rest.is_empty() {
            match pwrite(&self.file, rest, at) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    rest = rest.get(written..).unwrap_or_default();
                    at += written as u64;
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.end.fetch_max(at, Ordering::AcqRel);
        Ok(())
    }

    /// A new file is zeros where nothing is written; an old one must be told.
    fn leave_hole(&self, zeros: &[u8], offset: u64) -> io::Result<()> {
        if self.is_new {
            return Ok(());
        }
        let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        if offset + zeros.len() as u64 > self.end.load(Ordering::Acquire)
            || fallocate(&self.file, punch, offset, zeros.len() as u64).is_err()
        {
            return self.write(zeros, offset);
        }
        Ok(())
    }
}

/// The longest start of `data` that is all zeros or has none, in blocks of the file; `data` lies at `offset` in it.
fn run(data: &[u8], offset: u64) -> (usize, bool) {
    let block = BLOCK as u64;
    let first = usize::try_from(block - offset % block).unwrap_or(BLOCK).min(data.len());
    let (head, tail) = data.split_at(first);
    let zeros = is_zero(head);
    let more = tail
        .chunks(BLOCK)
        .take_while(|piece| is_zero(piece) == zeros)
        .map(<[u8]>::len)
        .sum::<usize>();
    (first + more, zeros)
}

fn is_zero(piece: &[u8]) -> bool {
    static ZEROS: [u8; BLOCK] = [0; BLOCK];
    ZEROS.get(..piece.len()).is_some_and(|zeros| zeros == piece)
}
