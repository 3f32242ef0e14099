//! Reading the commands of a delta.

use std::io::{self, Read};

use crate::emit::MAGIC;
use crate::error::Error;

/// One command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    /// So many bytes follow in the delta.
    Literal(u64),
    /// Bytes of the old file.
    Copy { offset: u64, len: u64 },
    /// All is said.
    End,
}

/// Takes a delta apart.
pub(crate) struct Decoder<R> {
    from: R,
    at: u64,
}

impl<R: Read> Decoder<R> {
    /// Begins with the magic number.
    pub(crate) fn begin(from: R) -> Result<Self, Error> {
        let mut decoder = Self { from, at: 0 };
        let found = u32::from_be_bytes(decoder.bytes()?);
        if found != MAGIC {
            return Err(Error::Magic { what: "delta", found });
        }
        Ok(decoder)
    }

    /// How many bytes are taken.
    pub(crate) const fn at(&self) -> u64 {
        self.at
    }

    pub(crate) const fn source_mut(&mut self) -> &mut R {
        &mut self.from
    }

    /// The source was moved on by `len` bytes.
    pub(crate) const fn skipped(&mut self, len: u64) {
        self.at = self.at.saturating_add(len);
    }

    /// The next command; a literal's bytes have to be taken before the one after.
    pub(crate) fn command(&mut self) -> Result<Command, Error> {
        let at = self.at;
        let [opcode] = self.bytes()?;
        match opcode {
            0 => self.end(),
            1..=0x40 => Ok(Command::Literal(u64::from(opcode))),
            0x41..=0x44 => Ok(Command::Literal(self.number(opcode - 0x41)?)),
            0x45..=0x54 => {
                let widths = opcode - 0x45;
                let offset = self.number(widths / 4)?;
                let len = self.number(widths % 4)?;
                Ok(Command::Copy { offset, len })
            }
            _ => Err(Error::Command { opcode, at }),
        }
    }

    /// Takes bytes of a literal.
    pub(crate) fn literal(&mut self, buffer: &mut [u8]) -> Result<(), Error> {
        self.from.read_exact(buffer).map_err(|source| self.failed(source))?;
        self.at += buffer.len() as u64;
        Ok(())
    }

    fn end(&mut self) -> Result<Command, Error> {
        let at = self.at;
        let mut behind = [0];
        loop {
            return match self.from.read(&mut behind) {
                Ok(0) => Ok(Command::End),
                Ok(_) => Err(Error::Trailing { at }),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => Err(Error::Read { what: "delta", source }),
            };
        }
    }

    /// A number of one, two, four or eight bytes.
    fn number(&mut self, log: u8) -> Result<u64, Error> {
        Ok(match log {
            0 => u64::from(u8::from_be_bytes(self.bytes()?)),
            1 => u64::from(u16::from_be_bytes(self.bytes()?)),
            2 => u64::from(u32::from_be_bytes(self.bytes()?)),
            _ => u64::from_be_bytes(self.bytes()?),
        })
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let mut bytes = [0; N];
        self.literal(&mut bytes)?;
        Ok(bytes)
    }

    fn failed(&self, source: io::Error) -> Error {
        let (what, at) = ("delta", self.at);
        match source.kind() {
            io::ErrorKind::UnexpectedEof => Error::Truncated { what, at },
            _ => Error::Read { what, source },
        }
    }
}
