//! Writing a message.

use std::io::{self, Write};

use pgp::packet::SignatureHasher;

use super::OpenPgp;
use super::deflate::Deflater;
use super::envelope::Envelope;
use super::error::CryptError;
use super::keys::Signer;
use super::packet::{PartialWriter, tag};
use super::session;
use crate::container::Seal;

type Sink<'a> = Box<dyn Write + Send + 'a>;

/// A message being written.
pub(super) struct Message<'a> {
    content: PartialWriter<Inner<'a>>,
    signing: Option<(&'a Signer, SignatureHasher)>,
}

/// What is in the encrypted packet, compressed or not.
enum Inner<'a> {
    Plain(Box<Envelope<Sink<'a>>>),
    Deflated(Box<Deflater<Envelope<Sink<'a>>>>),
}

pub(super) fn begin<'a>(with: &'a OpenPgp, mut to: Sink<'a>) -> io::Result<Message<'a>> {
    let key = session::new_key(with, &mut to)?;
    let mut envelope = Envelope::begin(&key, to)?;
    let mut inner = if with.compression {
        // The old format's packet of open length, raw deflate: as GnuPG begins it.
        envelope.write_all(&[0xa3, 1])?;
        Inner::Deflated(Box::new(Deflater::new(envelope)))
    } else {
        Inner::Plain(Box::new(envelope))
    };
    let signing = match &with.signer {
        Some(signer) => Some((signer, signer.begin(&mut inner)?)),
        None => None,
    };
    let mut content = PartialWriter::new(tag::LITERAL, inner);
    // Binary, no name, no date.
    content.write_all(&[b'b', 0, 0, 0, 0, 0])?;
    Ok(Message { content, signing })
}

impl Write for Message<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.content.write(bytes)?;
        if let Some((_, hasher)) = &mut self.signing {
            hasher.write_all(bytes.get(..written).unwrap_or_default())?;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seal for Message<'_> {
    fn held(&self) -> u64 {
        match self.content.to() {
            Inner::Plain(_) => 0,
            Inner::Deflated(deflater) => deflater.held(),
        }
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        let mut inner = self.content.finish()?;
        if let Some((signer, hasher)) = self.signing {
            signer.finish(hasher, &mut inner)?;
        }
        let envelope = match inner {
            Inner::Plain(envelope) => *envelope,
            Inner::Deflated(deflater) => deflater.finish()?,
        };
        envelope.finish()?.flush()
    }
}

impl Write for Inner<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(envelope) => envelope.write(bytes),
            Self::Deflated(deflater) => deflater.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl From<pgp::errors::Error> for CryptError {
    fn from(error: pgp::errors::Error) -> Self {
        Self::sealing(&error)
    }
}
