//! Reading a message.

use std::fmt;
use std::io::{self, BufReader, Cursor, Read};
use std::sync::{Arc, Mutex, PoisonError};

use pgp::composed::{DecryptionOptions, Message, SignedPublicKey, TheRing};
use pgp::types::{Password, Seipdv1ReadMode};

use super::OpenPgp;
use super::body::Body;
use super::error::CryptError;
use super::packet::{self, Length, tag};
use super::session::{Addressees, Candidate};

type Source<'a> = Box<dyn Read + Send + 'a>;

const BUFFER: usize = 64 << 10;

/// The longest packet before the encrypted one that is taken.
const MOST_BEFORE: u64 = 64 << 10;

/// A message compressed more often than this is none of a backup.
const MOST_NESTED: usize = 4;

pub(super) fn begin<'a>(with: &'a OpenPgp, from: Source<'a>) -> io::Result<Source<'a>> {
    let mut from = Recorder {
        from: BufReader::with_capacity(BUFFER, from),
        taken: Vec::new(),
    };
    let mut addressees = Addressees::default();
    loop {
        let Some((tag, length)) = packet::header(&mut from).map_err(explained)? else {
            return Err(CryptError::damaged("it has no encrypted content").into());
        };
        match tag {
            tag::PASSPHRASE_SESSION | tag::PUBLIC_KEY_SESSION | tag::MARKER | tag::PADDING => {
                let body = before(&mut from, length)?;
                if matches!(tag, tag::PASSPHRASE_SESSION | tag::PUBLIC_KEY_SESSION) {
                    addressees.add(tag, &body)?;
                }
            }
            tag::PROTECTED => {
                let mut version = [0];
                let mut body = Body::new(&mut from, length);
                body.read_exact(&mut version).map_err(explained)?;
                let length = body.length();
                return match version {
                    [1] => protected(with, &addressees, Body::new(from.from, length)),
                    _ => other(with, &addressees, from, tag),
                };
            }
            tag::GNUPG_AEAD | tag::ENCRYPTED => return other(with, &addressees, from, tag),
            _ => return Err(CryptError::damaged("it is no encrypted OpenPGP message").into()),
        }
    }
}

/// Reads a packet that stands before the encrypted one.
fn before(from: &mut impl Read, length: Length) -> io::Result<Vec<u8>> {
    let Length::Rest(len @ ..=MOST_BEFORE) = length else {
        return Err(CryptError::damaged("it begins with a packet that is too long").into());
    };
    let mut body = Vec::new();
    from.take(len).read_to_end(&mut body)?;
    if body.len() as u64 != len {
        return Err(explained(io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(body)
}

/// AES or older ciphers with a hash at the end: what GnuPG writes by default.
fn protected<'a>(
    with: &'a OpenPgp,
    addressees: &Addressees,
    mut body: Body<BufReader<Source<'a>>>,
) -> io::Result<Source<'a>> {
    let mut head = Vec::new();
    body.by_ref().take(64).read_to_end(&mut head).map_err(explained)?;
    let Some(found) = addressees.find(with, |candidate| fits(candidate, &head)) else {
        return Err(addressees.refusal(with).into());
    };
    let source = BufReader::with_capacity(BUFFER, Named(Cursor::new(head).chain(body)));
    let decryptor = found
        .cipher
        .stream_decryptor_protected(Seipdv1ReadMode::Streaming, &found.key, source);
    let decryptor: Source<'a> = Box::new(decryptor.map_err(|error| damaged(&error))?);
    let decrypted = Shared(Arc::new(Mutex::new(decryptor)));
    let inner = BufReader::with_capacity(BUFFER, decrypted.clone());
    let message = Message::from_bytes(inner).map_err(|error| damaged(&error))?;
    content(with, message, Some(decrypted))
}

/// Whether the beginning of the encrypted content makes sense with this key: two bytes come twice, and a packet begins.
fn fits(candidate: &Candidate, head: &[u8]) -> bool {
    let block = candidate.cipher.block_size();
    let mut plain = head.to_vec();
    let zeros = vec![0; block];
    if candidate
        .cipher
        .decrypt_with_iv_regular(&candidate.key, &zeros, &mut plain)
        .is_err()
    {
        return false;
    }
    let twice = plain.get(block - 2..block).zip(plain.get(block..block + 2));
    if twice.is_none_or(|(first, second)| first != second) {
        return false;
    }
    let begins = |byte: &u8| {
        let tag = if byte & 0x40 == 0 { byte >> 2 & 0xf } else { byte & 0x3f };
        let expected = [
            tag::COMPRESSED,
            tag::LITERAL,
            tag::ONE_PASS,
            tag::SIGNATURE,
            tag::MARKER,
            tag::PADDING,
        ];
        byte & 0x80 != 0 && expected.contains(&tag)
    };
    plain.get(block + 2).is_some_and(begins)
}

/// What GnuPG 2.3 and later write for keys that ask for it, and what very old programs wrote.
fn other<'a>(
    with: &'a OpenPgp,
    addressees: &Addressees,
    from: Recorder<BufReader<Source<'a>>>,
    tag: u8,
) -> io::Result<Source<'a>> {
    if tag == tag::ENCRYPTED && !with.allow_unprotected {
        let why = "it was encrypted without an integrity check, and such messages are not allowed";
        return Err(CryptError::damaged(why).into());
    }
    let Recorder { from, taken } = from;
    let source = BufReader::with_capacity(BUFFER, Named(Cursor::new(taken).chain(from)));
    let message = Message::from_bytes(source).map_err(|error| damaged(&error))?;
    let (empty, passwords) = (Password::empty(), passwords(with));
    let options = DecryptionOptions::new().enable_gnupg_aead();
    let ring = TheRing {
        secret_keys: with.secret_keys.iter().collect(),
        key_passwords: vec![&empty],
        message_password: passwords.iter().collect(),
        session_keys: Vec::new(),
        decrypt_options: if with.allow_unprotected {
            options.enable_legacy()
        } else {
            options
        },
    };
    let decrypted = message.decrypt_the_ring(ring, true);
    let (message, _) = decrypted.map_err(|_| addressees.refusal(with))?;
    content(with, message, None)
}

fn passwords(with: &OpenPgp) -> Vec<Password> {
    with.passphrases
        .iter()
        .map(|text| Password::from(text.as_str()))
        .collect()
}

/// The content of a message that is decrypted.
fn content<'a>(with: &'a OpenPgp, mut message: Message<'a>, rest: Option<Shared<'a>>) -> io::Result<Source<'a>> {
    for _ in 0..MOST_NESTED {
        if message.is_compressed() {
            message = message.decompress().map_err(|error| damaged(&error))?;
        }
    }
    if message.is_compressed() || message.is_encrypted() {
        return Err(CryptError::damaged("it is a message within messages").into());
    }
    if !with.signed_by.is_empty() && !message.is_signed() && !message.is_one_pass_signed() {
        return Err(CryptError::damaged("it is not signed").into());
    }
    Ok(Box::new(Content {
        message,
        rest,
        signed_by: &with.signed_by,
        ended: false,
    }))
}

/// The content; all checks have passed when it ends.
struct Content<'a> {
    message: Message<'a>,
    /// Where the message comes from, to be read to its end.
    rest: Option<Shared<'a>>,
    signed_by: &'a [SignedPublicKey],
    ended: bool,
}

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ended || buffer.is_empty() {
            return Ok(0);
        }
        let read = self.message.read(buffer).map_err(explained)?;
        if read == 0 {
            if let Some(rest) = &mut self.rest {
                io::copy(rest, &mut io::sink()).map_err(explained)?;
            }
            self.check_signature()?;
            self.ended = true;
        }
        Ok(read)
    }
}

impl Content<'_> {
    fn check_signature(&self) -> Result<(), CryptError> {
        let good = |key: &SignedPublicKey| {
            let subkeys = key.public_subkeys.iter();
            self.message.verify(&key.primary_key).is_ok()
                || subkeys.into_iter().any(|subkey| {
                    subkey.verify_bindings(&key.primary_key).is_ok() && self.message.verify(&subkey.key).is_ok()
                })
        };
        if self.signed_by.is_empty() || self.signed_by.iter().any(good) {
            return Ok(());
        }
        Err(CryptError::damaged(
            "it is not signed by the key that should have signed it, or was changed since",
        ))
    }
}

/// Reads, and remembers what was read.
struct Recorder<R> {
    from: R,
    taken: Vec<u8>,
}

impl<R: Read> Read for Recorder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.taken.extend(buffer.iter().take(read));
        Ok(read)
    }
}

/// A source that more than one reads, never at the same time.
#[derive(Clone)]
struct Shared<'a>(Arc<Mutex<Source<'a>>>);

impl Read for Shared<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).read(buffer)
    }
}

impl fmt::Debug for Shared<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared")
    }
}

/// A source whose name can be printed, as rPGP asks for.
struct Named<R>(R);

impl<R: Read> Read for Named<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<R> fmt::Debug for Named<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("source")
    }
}

fn damaged(error: &pgp::errors::Error) -> io::Error {
    CryptError::Damaged(format!("it is damaged: {error}")).into()
}

/// What went wrong while reading; the storage's own errors stay what they are.
fn explained(error: io::Error) -> io::Error {
    let own = error.get_ref().is_some_and(|inner| inner.is::<CryptError>());
    match error.kind() {
        _ if own => error,
        io::ErrorKind::UnexpectedEof => CryptError::damaged("it is cut off").into(),
        io::ErrorKind::Other | io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            CryptError::Damaged(format!("it is damaged, its integrity check failed: {error}")).into()
        }
        _ => error,
    }
}
