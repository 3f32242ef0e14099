//! A manifest as a file of a store, of which the two ends were read before anything of it is wanted.

use std::io;

use engine_api::{StoreError, StoredFile};

use super::Source;
use crate::read::fill;

/// So much of the start of a manifest whose records will be read is read at once, and of its end, where the index lies.
pub(super) const START: usize = 256 << 10;
const END: u64 = 64 << 10;

/// A file of the store that is read.
pub(super) struct Stored {
    file: Box<dyn StoredFile>,
    /// In bytes, where it is known.
    len: Option<u64>,
    start: Vec<u8>,
    end: Vec<u8>,
}

impl Stored {
    pub(super) const fn new(file: Box<dyn StoredFile>) -> Self {
        Self {
            file,
            len: None,
            start: Vec::new(),
            end: Vec::new(),
        }
    }

    /// A file of `len` bytes, with both ends of it.
    pub(super) fn with_ends(file: Box<dyn StoredFile>, len: u64) -> Result<Self, StoreError> {
        let start = usize::try_from(len).map_or(START, |len| len.min(START));
        let tail_at = len.saturating_sub(END).max(start as u64);
        let mut start = vec![0; start];
        // No more than `END`.
        let mut end = vec![0; usize::try_from(len - tail_at).unwrap_or_default()];
        std::thread::scope(|scope| {
            let reading = scope.spawn(|| fill(file.as_ref(), tail_at, &mut end));
            fill(file.as_ref(), 0, &mut start)?;
            reading.join().unwrap_or(Ok(0))
        })?;
        Ok(Self {
            file,
            len: Some(len),
            start,
            end,
        })
    }

    /// Copies what is known of it at `offset`; how much.
    fn copy(&self, offset: u64, buffer: &mut [u8]) -> usize {
        let end_at = self.end_at();
        let (part, skipped) = if offset < end_at {
            (&self.start, offset)
        } else {
            (&self.end, offset - end_at)
        };
        let known = usize::try_from(skipped).ok().and_then(|skipped| part.get(skipped..));
        let known = known.unwrap_or_default();
        let length = known.len().min(buffer.len());
        if let (Some(from), Some(to)) = (known.get(..length), buffer.get_mut(..length)) {
            to.copy_from_slice(from);
        }
        length
    }

    fn end_at(&self) -> u64 {
        self.len.map_or(u64::MAX, |len| len - self.end.len() as u64)
    }
}

impl Source for Stored {
    fn len(&self) -> io::Result<u64> {
        match self.len {
            Some(len) => Ok(len),
            None => self.file.stat().map(|stat| stat.size).map_err(io::Error::other),
        }
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let (mut rest, mut at) = (buffer, offset);
        while !rest.is_empty() {
            let mut read = self.copy(at, rest);
            if read == 0 {
                read = self.file.read_at(at, rest).map_err(io::Error::other)?;
            }
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            rest = rest.get_mut(read..).unwrap_or_default();
            at += read as u64;
        }
        Ok(())
    }
}
