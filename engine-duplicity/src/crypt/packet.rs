//! The frames of packets: headers, lengths, and bodies that come in parts.

use std::io::{self, Read, Write};

use super::error::CryptError;

/// Which kind of packet.
pub(super) mod tag {
    pub(crate) const PUBLIC_KEY_SESSION: u8 = 1;
    pub(crate) const SIGNATURE: u8 = 2;
    pub(crate) const PASSPHRASE_SESSION: u8 = 3;
    pub(crate) const ONE_PASS: u8 = 4;
    pub(crate) const COMPRESSED: u8 = 8;
    pub(crate) const ENCRYPTED: u8 = 9;
    pub(crate) const MARKER: u8 = 10;
    pub(crate) const LITERAL: u8 = 11;
    pub(crate) const PROTECTED: u8 = 18;
    pub(crate) const GNUPG_AEAD: u8 = 20;
    pub(crate) const PADDING: u8 = 21;
}

/// How long a body, or the next part of it, is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    /// So many bytes, and it ends.
    Rest(u64),
    /// So many bytes, and another length follows.
    Part(u64),
    /// Up to the end of the file.
    Open,
}

/// Reads a packet's header; nothing at the end of the file.
pub(super) fn header(from: &mut dyn Read) -> io::Result<Option<(u8, Length)>> {
    let mut first = [0];
    if from.read(&mut first)? == 0 {
        return Ok(None);
    }
    let [first] = first;
    if first & 0x80 == 0 {
        return Err(CryptError::damaged("it is no OpenPGP message").into());
    }
    if first & 0x40 != 0 {
        return Ok(Some((first & 0x3f, new_length(from)?)));
    }
    let length = match first & 3 {
        0 => Length::Rest(u64::from(byte(from)?)),
        1 => Length::Rest(u64::from(u16::from_be_bytes(bytes(from)?))),
        2 => Length::Rest(u64::from(u32::from_be_bytes(bytes(from)?))),
        _ => Length::Open,
    };
    Ok(Some((first >> 2 & 0xf, length)))
}

/// A length of the new format.
pub(super) fn new_length(from: &mut dyn Read) -> io::Result<Length> {
    Ok(match byte(from)? {
        short @ ..=191 => Length::Rest(u64::from(short)),
        middle @ 192..=223 => Length::Rest((u64::from(middle) - 192) * 256 + u64::from(byte(from)?) + 192),
        part @ 224..=254 => Length::Part(1 << (part & 31)),
        255 => Length::Rest(u64::from(u32::from_be_bytes(bytes(from)?))),
    })
}

fn byte(from: &mut dyn Read) -> io::Result<u8> {
    bytes(from).map(|[byte]| byte)
}

fn bytes<const N: usize>(from: &mut dyn Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// The header of a packet of the new format whose body has `len` bytes.
pub(super) fn write_header(tag: u8, len: usize, to: &mut dyn Write) -> io::Result<()> {
    to.write_all(&[0xc0 | tag])?;
    write_length(len, to)
}

fn write_length(len: usize, to: &mut dyn Write) -> io::Result<()> {
    let [.., three, two, one, zero] = len.to_be_bytes();
    match len {
        0..=191 => to.write_all(&[zero]),
        192..=8383 => {
            let [.., high, low] = (len - 192).to_be_bytes();
            to.write_all(&[high + 192, low])
        }
        _ => to.write_all(&[255, three, two, one, zero]),
    }
}

/// Bytes of a part: the largest that GnuPG's own buffers hold many times.
const PART_LOG: u8 = 16;
const PART: usize = 1 << PART_LOG;

/// Writes a packet whose length is not known, in parts.
pub(super) struct PartialWriter<W> {
    to: W,
    tag: Option<u8>,
    waiting: Vec<u8>,
}

impl<W: Write> PartialWriter<W> {
    pub(super) fn new(tag: u8, to: W) -> Self {
        Self {
            to,
            tag: Some(tag),
            waiting: Vec::with_capacity(PART),
        }
    }

    /// Where it is written to.
    pub(super) const fn to(&self) -> &W {
        &self.to
    }

    /// Writes the last part.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.tag()?;
        write_length(self.waiting.len(), &mut self.to)?;
        self.to.write_all(&self.waiting)?;
        Ok(self.to)
    }

    fn tag(&mut self) -> io::Result<()> {
        match self.tag.take() {
            Some(tag) => self.to.write_all(&[0xc0 | tag]),
            None => Ok(()),
        }
    }
}

impl<W: Write> Write for PartialWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.waiting.len() == PART {
            self.tag()?;
            self.to.write_all(&[224 | PART_LOG])?;
            self.to.write_all(&self.waiting)?;
            self.waiting.clear();
        }
        let taken = bytes.len().min(PART - self.waiting.len());
        self.waiting.extend_from_slice(bytes.split_at(taken).0);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
