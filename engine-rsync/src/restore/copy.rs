//! From the file of a snapshot to the file at the target.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use engine_api::{FileCapabilities, StoredFile};
use fstree::TargetFile;

use super::Context;
use crate::error::Result;
use crate::manifest::Digest;
use crate::read::PIECE;

/// Why content could not be copied.
pub enum Failure {
    /// What is stored cannot be read.
    Read(engine_api::StoreError),
    /// The target does not take it.
    Write(io::Error),
    /// The operation as a whole has to end.
    Stop(crate::Error),
}

/// Where the content of a stored file comes from.
pub enum Source {
    /// It is read as it is needed.
    Open(Box<dyn StoredFile>),
    /// It was read when it was opened.
    Read(Vec<u8>),
}

impl Source {
    fn read_at(&self, offset: u64, piece: &mut [u8]) -> Result<usize, Failure> {
        match self {
            Self::Open(file) => file.read_at(offset, piece).map_err(Failure::Read),
            Self::Read(content) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                let rest = content.get(start..).unwrap_or_default();
                let length = rest.len().min(piece.len());
                let (Some(to), Some(from)) = (piece.get_mut(..length), rest.get(..length)) else {
                    return Ok(0);
                };
                to.copy_from_slice(from);
                Ok(length)
            }
        }
    }

    /// Where data begins at or after `offset`; the end when only a hole is left.
    fn next_data(&self, offset: u64, size: u64) -> Result<u64, Failure> {
        let Self::Open(file) = self else { return Ok(offset) };
        let next = file.next_data(offset).map_err(Failure::Read)?;
        Ok(next.map_or(size, |range| range.start.clamp(offset, size)))
    }

    fn file(&self) -> Option<&dyn StoredFile> {
        match self {
            Self::Open(file) => Some(file.as_ref()),
            Self::Read(_) => None,
        }
    }
}

/// Copies `size` bytes and says what digest they have; `None` when their blocks are shared and were not looked at.
/// What `existing` has already is not written again.
pub fn copy(
    context: &Context<'_>,
    source: &Source,
    target: &TargetFile,
    existing: Option<&File>,
    (size, sparse): (u64, bool),
    buffers: &mut Buffers,
) -> Result<Option<Digest>, Failure> {
    let shares = |file| share_blocks(context.store.capabilities(), file, target);
    if target.is_new() && size > 0 && source.file().is_some_and(shares) {
        context.counters.bytes(size, 0);
        return Ok(None);
    }
    let mut hasher = blake3::Hasher::new();
    let mut offset = 0;
    while offset < size {
        context.go_on().map_err(Failure::Stop)?;
        let data = if sparse {
            source.next_data(offset, size)?
        } else {
            offset
        };
        hash_zeros(&mut hasher, data - offset);
        offset = data;
        let wanted = usize::try_from(size - offset).unwrap_or(PIECE).min(PIECE);
        buffers.piece.resize(wanted.max(buffers.piece.len()), 0);
        let piece = buffers.piece.get_mut(..wanted).unwrap_or_default();
        let read = source.read_at(offset, piece)?;
        if read == 0 {
            break;
        }
        let piece = piece.get(..read).unwrap_or_default();
        hasher.update(piece);
        if existing.is_some_and(|existing| has(existing, piece, offset, &mut buffers.there)) {
            context.counters.bytes(0, read as u64);
        } else {
            target.write_at(piece, offset).map_err(Failure::Write)?;
            context.counters.bytes(read as u64, 0);
        }
        offset += read as u64;
    }
    Ok(Some(*hasher.finalize().as_bytes()))
}

/// What each worker uses again for every file.
#[derive(Default)]
pub struct Buffers {
    piece: Vec<u8>,
    there: Vec<u8>,
}

fn share_blocks(place: &FileCapabilities, source: &dyn StoredFile, target: &TargetFile) -> bool {
    place.reflinks
        && source
            .descriptor()
            .is_some_and(|source| target.share_blocks(source).is_ok())
}

fn hash_zeros(hasher: &mut blake3::Hasher, mut count: u64) {
    static ZEROS: [u8; 1 << 14] = [0; 1 << 14];
    while count > 0 {
        let piece = usize::try_from(count).unwrap_or(ZEROS.len()).min(ZEROS.len());
        hasher.update(ZEROS.get(..piece).unwrap_or_default());
        count -= piece as u64;
    }
}

fn has(existing: &File, piece: &[u8], offset: u64, there: &mut Vec<u8>) -> bool {
    there.resize(piece.len(), 0);
    existing.read_exact_at(there, offset).is_ok() && *there == piece
}
