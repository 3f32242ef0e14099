//! The encrypted packet: CFB over the content, with a hash of all of it at its end.

use std::io::{self, Write};

use aes::Aes256;
use cfb_mode::BufEncryptor;
use cfb_mode::cipher::KeyIvInit;
use sha1::{Digest, Sha1};
use zeroize::Zeroizing;

use super::error::CryptError;
use super::packet::{PartialWriter, tag};

/// Bytes of an AES-256 key.
pub(super) const KEY_LEN: usize = 32;
const BLOCK: usize = 16;
const PIECE: usize = 16 << 10;

/// Encrypts what is written with AES-256, with integrity protection (version 1, as GnuPG 2.2 writes and reads it).
pub(super) struct Envelope<W> {
    to: PartialWriter<W>,
    cipher: BufEncryptor<Aes256>,
    hash: Sha1,
    piece: Zeroizing<Vec<u8>>,
}

impl<W: Write> Envelope<W> {
    pub(super) fn begin(key: &[u8; KEY_LEN], to: W) -> io::Result<Self> {
        let mut to = PartialWriter::new(tag::PROTECTED, to);
        to.write_all(&[1])?;
        let mut envelope = Self {
            to,
            cipher: BufEncryptor::new(key.into(), &[0; BLOCK].into()),
            hash: Sha1::new(),
            piece: Zeroizing::new(Vec::with_capacity(PIECE)),
        };
        // What a reader tells a wrong key by: random bytes, the last two of them twice.
        let mut random = [0; BLOCK];
        getrandom::fill(&mut random).map_err(|error| CryptError::Sealing(error.to_string()))?;
        envelope.write_all(&random)?;
        let [.., last, least] = random;
        envelope.write_all(&[last, least])?;
        Ok(envelope)
    }

    /// Writes the hash and the end.
    pub(super) fn finish(mut self) -> io::Result<W> {
        const HASH_HEADER: [u8; 2] = [0xd3, 0x14];
        self.write_all(&HASH_HEADER)?;
        let digest = self.hash.finalize_reset();
        self.write_all(&digest)?;
        self.to.finish()
    }
}

impl<W: Write> Write for Envelope<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (now, _) = bytes.split_at(bytes.len().min(PIECE));
        self.hash.update(now);
        self.piece.clear();
        self.piece.extend_from_slice(now);
        self.cipher.encrypt(&mut self.piece);
        self.to.write_all(&self.piece)?;
        Ok(now.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
