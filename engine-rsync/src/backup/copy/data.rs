//! Reading a file of this machine: its runs of data, with its holes as zeros in between.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use engine_api::Event;
use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

use super::super::Context;
use super::Failed;

/// So much is read at once.
pub const PIECE: usize = 512 << 10;
/// Holes of a smaller file are not worth looking for: a filesystem's block.
const LEAST: u64 = 4096;

/// The runs of data of a file.
pub struct Runs {
    size: u64,
    sparse: bool,
}

impl Runs {
    pub fn of(file: &File, size: u64) -> io::Result<Self> {
        let first_hole = if size > LEAST { hole_after(file, 0)? } else { None };
        Ok(Self {
            size,
            sparse: first_hole.is_some_and(|hole| hole < size),
        })
    }

    pub const fn has_holes(&self) -> bool {
        self.sparse
    }

    /// The next run at or after `at`; an empty one at the end when only a hole follows.
    fn next(&self, file: &File, at: u64) -> io::Result<(u64, u64)> {
        if !self.sparse {
            return Ok((at, self.size));
        }
        let start = match seek(file, SeekFrom::Data(at)) {
            Ok(start) => start.min(self.size),
            Err(Errno::NXIO) => return Ok((self.size, self.size)),
            Err(errno) => return Err(errno.into()),
        };
        let end = hole_after(file, start)?.unwrap_or(self.size);
        Ok((start, end.min(self.size)))
    }
}

fn hole_after(file: &File, at: u64) -> io::Result<Option<u64>> {
    match seek(file, SeekFrom::Hole(at)) {
        Ok(hole) => Ok(Some(hole)),
        // The end, or a filesystem that knows no holes.
        Err(Errno::NXIO | Errno::INVAL | Errno::OPNOTSUPP) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// Takes the first so many bytes of a buffer, which lie at that position; may put another buffer in its place.
pub type Take<'a> = dyn FnMut(u64, &mut Vec<u8>, usize) -> Result<(), Failed> + 'a;

/// Reads the file to its end, or the size it had; hashes all of it and hands the data to `take`. Returns how long it was.
pub fn read(
    file: &File,
    runs: Runs,
    piece: &mut Vec<u8>,
    context: &Context<'_>,
    hasher: &mut blake3::Hasher,
    take: &mut Take<'_>,
) -> Result<u64, Failed> {
    let mut at = 0;
    while at < runs.size {
        let (start, end) = runs.next(file, at)?;
        hash_zeros(hasher, start - at);
        at = start;
        while at < end {
            context.check()?;
            let wanted = usize::try_from(end - at).unwrap_or(PIECE).min(PIECE);
            piece.resize(PIECE, 0);
            let Some(window) = piece.get_mut(..wanted) else { break };
            let read = read_some(file, window, at)?;
            if read == 0 {
                // It was cut off meanwhile.
                return Ok(at);
            }
            hasher.update(window.get(..read).unwrap_or_default());
            take(at, piece, read)?;
            at += read as u64;
            context.progress.event(Event::Bytes(read as u64));
        }
    }
    Ok(at)
}

fn read_some(file: &File, window: &mut [u8], at: u64) -> io::Result<usize> {
    loop {
        match file.read_at(window, at) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

fn hash_zeros(hasher: &mut blake3::Hasher, count: u64) {
    static ZEROS: [u8; 1 << 16] = [0; 1 << 16];
    let mut left = count;
    while left > 0 {
        let some = usize::try_from(left).unwrap_or(ZEROS.len()).min(ZEROS.len());
        hasher.update(ZEROS.get(..some).unwrap_or_default());
        left -= some as u64;
    }
}
