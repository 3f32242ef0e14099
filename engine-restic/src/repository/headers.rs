//! The headers at the ends of packs.

use super::{FileKind, Repository};
use crate::Id;
use crate::crypto::OVERHEAD;
use crate::error::{Error, Result};
use crate::pack::{HEADER_LENGTH, PackedBlob, parse_header};

/// What is read first of a pack's end: room for the header of most packs.
const FIRST_READ: u64 = 64 << 10;

impl Repository {
    /// Opens the header at the end of `tail`, where it lies; fails with what is wrong with it.
    pub fn open_header(&self, tail: &mut [u8]) -> Result<Vec<PackedBlob>, String> {
        let length = header_length(tail)?;
        let (rest, _) = tail.split_last_chunk_mut::<HEADER_LENGTH>().ok_or(SHORT)?;
        let begin = rest.len().checked_sub(length).ok_or(SHORT)?;
        let sealed = rest.get_mut(begin..).ok_or(SHORT)?;
        let opened = self.key.open_in_place(sealed);
        parse_header(opened.map_err(|_| "the authentication code of its header does not fit")?)
    }

    /// Reads the header of a pack that has `size` bytes.
    pub fn read_header(&self, pack: Id, size: u64) -> Result<Vec<PackedBlob>> {
        let damaged = |why: &str| Error::damaged(FileKind::Pack.object(pack), why);
        let mut tail = self.read_tail(pack, size, FIRST_READ)?;
        let length = header_length(&tail).map_err(|why| damaged(&why))? as u64 + HEADER_LENGTH as u64;
        if length > size {
            return Err(damaged("its header would be longer than the pack"));
        }
        if length > tail.len() as u64 {
            tail = self.read_tail(pack, size, length)?;
        }
        let blobs = self.open_header(&mut tail).map_err(|why| damaged(&why))?;
        let content: u64 = blobs.iter().map(|blob| u64::from(blob.length)).sum();
        if content + length == size {
            Ok(blobs)
        } else {
            Err(damaged("its header speaks of another length"))
        }
    }

    fn read_tail(&self, pack: Id, size: u64, length: u64) -> Result<Vec<u8>> {
        let length = length.min(size);
        // At most a header, and those are below 4 GiB: their length is a number of four bytes.
        let mut tail = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        self.store
            .get_range(&FileKind::Pack.key(pack)?, size - length, &mut tail)?;
        Ok(tail)
    }
}

const SHORT: &str = "it is too short for its header";

/// Length of the sealed header in bytes, as the end of the pack says.
fn header_length(tail: &[u8]) -> Result<usize, String> {
    let length = tail.last_chunk::<HEADER_LENGTH>().ok_or(SHORT)?;
    let length = u32::from_le_bytes(*length) as usize;
    if length < OVERHEAD {
        return Err("the length of its header makes no sense".to_owned());
    }
    Ok(length)
}
