use std::io::{self, Read, Write};

use crate::command::{Command, Decoder};
use crate::error::Error;
use crate::read_at::ReadAt;

/// How many bytes are moved at once.
pub(crate) const PIECE: usize = 64 << 10;

/// Writes the new file that `delta` makes of `old`, and gives its length.
///
/// The delta is trusted in nothing: what copies from outside of `old`, ends early or goes on behind its end is an
/// error. What was written before that is for the caller to throw away.
///
/// # Errors
/// When something cannot be read or written, or the delta is wrong.
pub fn patch(old: &dyn ReadAt, delta: impl Read, mut to: impl Write) -> Result<u64, Error> {
    let basis = size(old, "old file")?;
    let mut decoder = Decoder::begin(io::BufReader::with_capacity(PIECE, delta))?;
    let mut buffer = vec![0; PIECE];
    let mut total = 0;
    loop {
        let at = decoder.at();
        let command = decoder.command()?;
        total = longer(total, command)?;
        match command {
            Command::End => return Ok(total),
            Command::Literal(len) => pieces(&mut buffer, len, |piece, _| {
                decoder.literal(piece)?;
                write(&mut to, piece)
            })?,
            Command::Copy { offset, len } => {
                inside(at, offset, len, basis)?;
                pieces(&mut buffer, len, |piece, done| {
                    read_exact_at(old, piece, offset + done, "old file")?;
                    write(&mut to, piece)
                })?;
            }
        }
    }
}

/// The new file's length after `command`.
pub(crate) fn longer(total: u64, command: Command) -> Result<u64, Error> {
    let (Command::Literal(len) | Command::Copy { len, .. }) = command else {
        return Ok(total);
    };
    let longer = total.checked_add(len).filter(|len| i64::try_from(*len).is_ok());
    longer.ok_or(Error::TooLong)
}

/// A copy has to be inside of the old file.
pub(crate) fn inside(at: u64, offset: u64, len: u64, basis: u64) -> Result<(), Error> {
    match offset.checked_add(len) {
        Some(end) if end <= basis => Ok(()),
        _ => Err(Error::OutOfBasis { at, offset, len, basis }),
    }
}

pub(crate) fn size(of: &dyn ReadAt, what: &'static str) -> Result<u64, Error> {
    of.size().map_err(|source| Error::Read { what, source })
}

pub(crate) fn write(to: &mut impl Write, bytes: &[u8]) -> Result<(), Error> {
    to.write_all(bytes).map_err(|source| Error::Write {
        what: "new file",
        source,
    })
}

/// Fills all of `buffer`.
pub(crate) fn read_exact_at(
    from: &dyn ReadAt,
    buffer: &mut [u8],
    offset: u64,
    what: &'static str,
) -> Result<(), Error> {
    let mut done = 0;
    while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match from.read_at(rest, offset + done as u64) {
            Ok(0) => {
                let source = io::ErrorKind::UnexpectedEof.into();
                return Err(Error::Read { what, source });
            }
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(Error::Read { what, source }),
        }
    }
    Ok(())
}

/// Goes through `len` bytes, a buffer at a time; says how many went before.
pub(crate) fn pieces(
    buffer: &mut [u8],
    len: u64,
    mut each: impl FnMut(&mut [u8], u64) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut done = 0;
    while done < len {
        let wanted = usize::try_from(len - done).unwrap_or(usize::MAX).min(buffer.len());
        each(buffer.get_mut(..wanted).unwrap_or_default(), done)?;
        done += wanted as u64;
    }
    Ok(())
}
