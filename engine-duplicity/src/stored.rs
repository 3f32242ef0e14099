//! A stored file as a stream.

use std::io::{self, Read};

use engine_api::BlobStore;

use crate::chain::Stored;

/// Reads a stored file from its beginning, piece by piece.
pub struct StoredReader<'a> {
    blobs: &'a dyn BlobStore,
    file: &'a Stored,
    at: u64,
    buffer: Vec<u8>,
    /// Bytes of the buffer that were handed out.
    used: usize,
}

/// Bytes of one request.
const PIECE: u64 = 1 << 20;

impl<'a> StoredReader<'a> {
    /// Nothing is read yet.
    pub fn new(blobs: &'a dyn BlobStore, file: &'a Stored) -> Self {
        Self {
            blobs,
            file,
            at: 0,
            buffer: Vec::new(),
            used: 0,
        }
    }
}

impl Read for StoredReader<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.used == self.buffer.len() {
            let len = (self.file.size - self.at).min(PIECE);
            self.buffer.resize(usize::try_from(len).unwrap_or(0), 0);
            self.used = 0;
            if len > 0 {
                let read = self.blobs.get_range(&self.file.key, self.at, &mut self.buffer);
                read.map_err(io::Error::other)?;
            }
            self.at += len;
        }
        let mut rest = self.buffer.get(self.used..).unwrap_or_default();
        let read = rest.read(to)?;
        self.used += read;
        Ok(read)
    }
}
