//! A file as chunks.

use std::io::{self, Read};

use super::{MAX, MIN, Scanner};

/// Bytes that are read at once after the first read of a chunk.
const STEP: usize = 256 << 10;

/// Bytes by which a buffer that is too small grows at least.
const GROWTH: usize = 2 << 20;

/// Room behind what is read, so that the end of the file shows without more of it.
const SPARE: usize = 32;

/// Cuts what a reader gives.
pub struct Chunks<'s, R> {
    scanner: &'s Scanner,
    reader: R,
    /// What was read beyond the last cut.
    ahead: Vec<u8>,
    ended: bool,
}

/// What [`Chunks::next`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadChunk {
    /// The buffer holds the next chunk.
    Chunk,
    /// There is nothing more; the buffer is empty.
    End,
}

impl<'s, R: Read> Chunks<'s, R> {
    /// Cuts what `reader` gives from now on.
    pub const fn new(scanner: &'s Scanner, reader: R) -> Self {
        Self {
            scanner,
            reader,
            ahead: Vec::new(),
            ended: false,
        }
    }

    /// Puts the next chunk into `buffer`, in place of what is there.
    pub fn next(&mut self, buffer: &mut Vec<u8>) -> io::Result<ReadChunk> {
        buffer.clear();
        buffer.append(&mut self.ahead);
        let mut scanned = 0;
        let mut want = MIN + STEP;
        loop {
            if let Some(length) = self.scanner.cut(buffer, scanned) {
                self.ahead.extend_from_slice(buffer.get(length..).unwrap_or_default());
                buffer.truncate(length);
                return Ok(ReadChunk::Chunk);
            }
            scanned = buffer.len();
            if self.ended {
                return Ok(if buffer.is_empty() {
                    ReadChunk::End
                } else {
                    ReadChunk::Chunk
                });
            }
            let missing = want.saturating_sub(buffer.len()).clamp(STEP, MAX + STEP);
            want += STEP;
            if buffer.capacity() - buffer.len() < missing + SPARE {
                // By less than double, for there are many of these buffers; seldom, for each time moves what is there.
                buffer.reserve_exact(missing.max(GROWTH) + SPARE);
            }
            let read = (&mut self.reader).take(missing as u64).read_to_end(buffer)?;
            self.ended = read < missing;
        }
    }
}
