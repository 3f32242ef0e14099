//! The tar streams inside volumes and signature files.

mod header;
mod pax;
mod reader;
mod writer;

pub(crate) use header::{BLOCK, Header};
pub(crate) use reader::TarReader;
pub(crate) use writer::{end_of_stream, pad, write_header};

/// What is wrong with a tar stream.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TarError {
    /// What it is read from failed: the storage, the decompression, the decryption.
    #[error(transparent)]
    Read(#[from] std::io::Error),
    /// It ends in the middle of an entry.
    #[error("it ends in the middle of an entry")]
    Truncated,
    /// Its bytes make no sense.
    #[error("{0}")]
    Malformed(&'static str),
}

/// The result of reading a tar stream.
pub(crate) type TarResult<T> = Result<T, TarError>;

#[cfg(test)]
mod tests;
