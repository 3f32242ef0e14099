//! Reading the body of a packet that comes in parts.

use std::fmt;
use std::io::{self, Read};

use super::packet::{Length, new_length};

/// The body of one packet.
pub(super) struct Body<R> {
    from: R,
    length: Length,
}

impl<R: Read> Body<R> {
    pub(super) const fn new(from: R, length: Length) -> Self {
        Self { from, length }
    }

    /// What is left of it.
    pub(super) const fn length(&self) -> Length {
        self.length
    }
}

impl<R: Read> Read for Body<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = loop {
            match self.length {
                Length::Part(0) => self.length = new_length(&mut self.from)?,
                Length::Rest(left) | Length::Part(left) => break left,
                Length::Open => return self.from.read(buffer),
            }
        };
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.from.read(buffer.get_mut(..most).unwrap_or_default())?;
        if read == 0 && most > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match &mut self.length {
            Length::Rest(left) | Length::Part(left) => *left -= read as u64,
            Length::Open => {}
        }
        Ok(read)
    }
}

impl<R> fmt::Debug for Body<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({:?})", self.length)
    }
}
