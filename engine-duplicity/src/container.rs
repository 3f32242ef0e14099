//! How stored files are wrapped: plain, gzip, or one OpenPGP message.

use std::io::{self, BufRead, BufReader, Read, Write};

use flate2::bufread::MultiGzDecoder;

use crate::error::{Error, Result};
use crate::format::Container;
use crate::members::Members;

/// Bytes that are read at once.
const BUFFER: usize = 64 << 10;

/// The content of a stored file.
pub type Unwrapped<'a> = Box<dyn BufRead + Send + 'a>;

/// What turns a stream into an OpenPGP message and back; compression is its business too.
pub trait Cipher: Send + Sync {
    /// A writer whose input leaves as one message through `to`; the message is whole after [`Seal::finish`].
    ///
    /// # Errors
    /// When no message could be begun.
    fn seal<'a>(&'a self, to: Box<dyn Write + Send + 'a>) -> io::Result<Box<dyn Seal + 'a>>;

    /// The content of the message `from`; at its end the integrity check has passed, or reading fails.
    ///
    /// # Errors
    /// Of kind [`PermissionDenied`](io::ErrorKind::PermissionDenied) when no passphrase or key fits, of kind
    /// [`InvalidData`](io::ErrorKind::InvalidData) when it is no message.
    fn open<'a>(&'a self, from: Box<dyn Read + Send + 'a>) -> io::Result<Box<dyn Read + Send + 'a>>;

    /// Whether it holds a secret that opens what it seals; who has public keys only can write and not read.
    fn can_open(&self) -> bool;
}

/// A message being written.
pub trait Seal: Write + Send {
    /// About how many bytes are still to come of what was written, before the end.
    fn held(&self) -> u64 {
        0
    }

    /// Writes the end of the message.
    ///
    /// # Errors
    /// When it could not be written.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

/// The content of the stored file `name`, whose bytes as stored are `from`.
///
/// # Errors
/// [`Error::WrongPassphrase`] or [`Error::Damaged`] when it cannot be opened.
pub fn unwrap<'a>(
    name: &str,
    container: Container,
    from: Box<dyn Read + Send + 'a>,
    cipher: Option<&'a dyn Cipher>,
) -> Result<Unwrapped<'a>> {
    match (container, cipher) {
        (Container::Plain, _) => Ok(buffered(from)),
        (Container::Gzip, _) => Ok(gunzip(from, false)),
        (Container::OpenPgp, Some(cipher)) => {
            let opened = cipher.open(from).map_err(|error| opening(name, &error))?;
            Ok(buffered(opened))
        }
        (Container::OpenPgp, None) => Err(Error::WrongPassphrase {
            object: name.to_owned(),
            why: "it is encrypted, and no passphrase or key is set".to_owned(),
        }),
        (Container::Cms, _) => Err(Error::WrongPassphrase {
            object: name.to_owned(),
            why: "it was made with gpgsm (CMS), which only GnuPG can open".to_owned(),
        }),
    }
}

/// The content of the gzip file `from`. `whole` members are faster, and take some mebibytes for each file that is open.
pub fn gunzip<'a>(from: impl Read + Send + 'a, whole: bool) -> Unwrapped<'a> {
    if whole {
        Box::new(Members::new(from))
    } else {
        buffered(MultiGzDecoder::new(BufReader::with_capacity(BUFFER, from)))
    }
}

/// What is read in small pieces, with a buffer.
pub fn buffered<'a>(from: impl Read + Send + 'a) -> Unwrapped<'a> {
    Box::new(BufReader::with_capacity(BUFFER, from))
}

/// What a failure to open or read an encrypted file means.
pub fn opening(name: &str, error: &io::Error) -> Error {
    let (object, why) = (name.to_owned(), error.to_string());
    match error.kind() {
        io::ErrorKind::PermissionDenied => Error::WrongPassphrase { object, why },
        _ => Error::Damaged { object, why },
    }
}
