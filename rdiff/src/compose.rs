use std::io::{self, BufReader, Write};

use crate::command::{Command, Decoder};
use crate::error::Error;
use crate::patch::{PIECE, inside, longer, pieces, read_exact_at, size, write};
use crate::read_at::{Cursor, ReadAt};

/// Writes the file that `deltas`, the oldest first, make of `old` one after the other, and gives its length.
///
/// No file in between is made: each delta is read once for its commands, of `old` and of the deltas' literals only what
/// the newest file still has. It takes 16 bytes of memory for each command of each delta.
///
/// # Errors
/// When something cannot be read or written, or a delta is wrong; nothing is written before all deltas' commands are
/// found to be right.
pub fn compose(old: &dyn ReadAt, deltas: &[&dyn ReadAt], mut to: impl Write) -> Result<u64, Error> {
    let mut newest: Box<dyn ReadAt + '_> = Box::new(old);
    for delta in deltas {
        newest = Box::new(Patched::open(newest, *delta)?);
    }
    let len = size(&newest, "old file")?;
    let mut buffer = vec![0; PIECE];
    pieces(&mut buffer, len, |piece, done| {
        read_exact_at(&newest, piece, done, "old file or a delta")?;
        write(&mut to, piece)
    })?;
    Ok(len)
}

/// The new file that a delta makes of an old one, readable anywhere without being made.
pub struct Patched<B, D> {
    basis: B,
    delta: D,
    segments: Vec<Segment>,
}

/// A part of the new file.
#[derive(Clone, Copy)]
struct Segment {
    /// Where it ends in the new file; it begins where the one before ends.
    end: u64,
    /// Where it begins in the old file, or with [`LITERAL`] set in the delta.
    from: u64,
}

/// Offsets are below it.
const LITERAL: u64 = 1 << 63;

impl<B: ReadAt, D: ReadAt> Patched<B, D> {
    /// Reads the commands of `delta`, which is trusted in nothing.
    ///
    /// # Errors
    /// When something cannot be read or the delta is wrong.
    pub fn open(basis: B, delta: D) -> Result<Self, Error> {
        let segments = segments(size(&basis, "old file")?, &delta)?;
        Ok(Self { basis, delta, segments })
    }
}

impl<B: ReadAt, D: ReadAt> ReadAt for Patched<B, D> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let index = self.segments.partition_point(|segment| segment.end <= offset);
        let Some(segment) = self.segments.get(index) else {
            return Ok(0);
        };
        let before = index.checked_sub(1).and_then(|index| self.segments.get(index));
        let within = offset - before.map_or(0, |segment| segment.end);
        let left = usize::try_from(segment.end - offset).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let part = buffer.get_mut(..wanted).unwrap_or_default();
        let read = if segment.from & LITERAL == 0 {
            self.basis.read_at(part, segment.from + within)?
        } else {
            self.delta.read_at(part, (segment.from & !LITERAL) + within)?
        };
        // The commands were inside when they were read: the source has shrunk since.
        if read == 0 && wanted > 0 {
            Err(io::ErrorKind::UnexpectedEof.into())
        } else {
            Ok(read)
        }
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.segments.last().map_or(0, |segment| segment.end))
    }
}

/// The new file's parts as the delta's commands have them.
fn segments(basis: u64, delta: &dyn ReadAt) -> Result<Vec<Segment>, Error> {
    let size = size(delta, "delta")?;
    let mut decoder = Decoder::begin(BufReader::with_capacity(PIECE, Cursor::new(delta)))?;
    let mut segments = Vec::new();
    let mut end = 0;
    loop {
        let at = decoder.at();
        let command = decoder.command()?;
        end = longer(end, command)?;
        let from = match command {
            Command::End => return Ok(segments),
            Command::Copy { offset, len } => {
                inside(at, offset, len, basis)?;
                offset
            }
            Command::Literal(len) => {
                let from = decoder.at();
                let truncated = Error::Truncated {
                    what: "delta",
                    at: size,
                };
                let by = i64::try_from(len).ok().filter(|_| len <= size.saturating_sub(from));
                let moved = decoder.source_mut().seek_relative(by.ok_or(truncated)?);
                moved.map_err(|source| Error::Read { what: "delta", source })?;
                decoder.skipped(len);
                from | LITERAL
            }
        };
        if segments.last().is_none_or(|last: &Segment| last.end < end) {
            segments.push(Segment { end, from });
        }
    }
}
