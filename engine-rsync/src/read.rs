//! Reading what is stored.

use engine_api::{Event, Progress, StoreError, StoredFile};

use crate::error::Error;
use crate::manifest::Digest;

/// So much is read at once.
pub const PIECE: usize = 256 << 10;

/// Why a stored file could not be read to its end.
pub enum Unread {
    /// The storage failed.
    Failed(StoreError),
    /// The user or the system asked to stop.
    Stopped,
}

/// Reads a file from its start to its end, piece by piece, and says what digest it has, and its length.
pub fn digest_of(source: &dyn StoredFile, progress: &dyn Progress, piece: &mut [u8]) -> Result<(Digest, u64), Unread> {
    let mut hasher = blake3::Hasher::new();
    let mut offset = 0;
    loop {
        if progress.cancelled() {
            return Err(Unread::Stopped);
        }
        let read = source.read_at(offset, piece).map_err(Unread::Failed)?;
        if read == 0 {
            return Ok((*hasher.finalize().as_bytes(), offset));
        }
        hasher.update(piece.get(..read).unwrap_or_default());
        offset += read as u64;
        progress.event(Event::Advanced(read as u64));
    }
}

/// Fills the buffer as far as the file goes.
pub fn fill(file: &dyn StoredFile, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(offset + filled as u64, rest)? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

impl From<Unread> for Error {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::Failed(error) => Self::Store(error),
            Unread::Stopped => Self::Interrupted,
        }
    }
}
