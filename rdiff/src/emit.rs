//! Writing the commands of a delta.

use std::io::Write;

use crate::error::Error;

pub(crate) const MAGIC: u32 = 0x7273_0236;

/// The longest literal of one command, in bytes; librsync cuts there too.
pub(crate) const MAX_LITERAL: usize = 32 << 10;

/// Writes commands, of neighbouring copies one.
pub(crate) struct Emitter<W> {
    to: W,
    /// Offset and length of copies that may go on.
    copy: Option<(u64, u64)>,
    begun: bool,
}

impl<W: Write> Emitter<W> {
    pub(crate) const fn new(to: W) -> Self {
        Self {
            to,
            copy: None,
            begun: false,
        }
    }

    pub(crate) const fn sink_mut(&mut self) -> &mut W {
        &mut self.to
    }

    /// `len` bytes from `offset` of the old file.
    pub(crate) fn copy(&mut self, offset: u64, len: u64) -> Result<(), Error> {
        match &mut self.copy {
            Some((first, so_far)) if *first + *so_far == offset => *so_far += len,
            _ => {
                self.flush_copy()?;
                self.copy = Some((offset, len));
            }
        }
        Ok(())
    }

    /// New bytes.
    pub(crate) fn literal(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.flush_copy()?;
        for piece in bytes.chunks(MAX_LITERAL) {
            let command = match u8::try_from(piece.len()) {
                Ok(len @ ..=64) => Command::new(len),
                _ => {
                    let width = Width::of(piece.len() as u64);
                    let mut command = Command::new(0x41 + width.log);
                    command.number(piece.len() as u64, width.bytes);
                    command
                }
            };
            self.write(command.as_bytes())?;
            self.write(piece)?;
        }
        Ok(())
    }

    /// The end.
    pub(crate) fn finish(mut self) -> Result<W, Error> {
        self.flush_copy()?;
        self.write(&[0])?;
        Ok(self.to)
    }

    fn flush_copy(&mut self) -> Result<(), Error> {
        let Some((offset, len)) = self.copy.take() else {
            return Ok(());
        };
        let (from, count) = (Width::of(offset), Width::of(len));
        let mut command = Command::new(0x45 + 4 * from.log + count.log);
        command.number(offset, from.bytes);
        command.number(len, count.bytes);
        self.write(command.as_bytes())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let mut all = |bytes: &[u8]| {
            self.to
                .write_all(bytes)
                .map_err(|source| Error::Write { what: "delta", source })
        };
        if !self.begun {
            all(&MAGIC.to_be_bytes())?;
            self.begun = true;
        }
        all(bytes)
    }
}

/// The fewest bytes that hold a number: one, two, four or eight.
struct Width {
    log: u8,
    bytes: usize,
}

impl Width {
    const fn of(number: u64) -> Self {
        let log = match number {
            0..=0xff => 0,
            0x100..=0xffff => 1,
            0x1_0000..=0xffff_ffff => 2,
            _ => 3,
        };
        Self { log, bytes: 1 << log }
    }
}

/// A command without its literal.
struct Command {
    bytes: [u8; 17],
    len: usize,
}

impl Command {
    const fn new(opcode: u8) -> Self {
        let mut bytes = [0; 17];
        let [first, ..] = &mut bytes;
        *first = opcode;
        Self { bytes, len: 1 }
    }

    fn number(&mut self, number: u64, width: usize) {
        let digits = number.to_be_bytes();
        let free = self.bytes.iter_mut().skip(self.len);
        for (to, from) in free.zip(digits.iter().skip(digits.len() - width)) {
            *to = *from;
        }
        self.len += width;
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}
