use std::io;

/// What can go wrong with a signature or a delta.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not what it was taken for.
    #[error("this is no {what} of librsync: it begins with {found:08x}")]
    Magic {
        /// `signature` or `delta`.
        what: &'static str,
        /// The first four bytes.
        found: u32,
    },
    /// A length in a signature's header that cannot be.
    #[error("a signature cannot have {what} of {found} bytes")]
    Layout {
        /// `blocks` or `sums`.
        what: &'static str,
        /// The length.
        found: u32,
    },
    /// It ends before its end.
    #[error("the {what} is cut off at byte {at}")]
    Truncated {
        /// `signature` or `delta`.
        what: &'static str,
        /// Where, counted from the beginning.
        at: u64,
    },
    /// A command that the format does not have.
    #[error("the delta has an unknown command {opcode:02x} at byte {at}")]
    Command {
        /// The command's first byte.
        opcode: u8,
        /// Where, counted from the beginning.
        at: u64,
    },
    /// A command that copies what the old file does not have.
    #[error("the delta at byte {at} copies {len} bytes from {offset}, and the old file has {basis}")]
    OutOfBasis {
        /// Where in the delta, counted from the beginning.
        at: u64,
        /// From where in the old file.
        offset: u64,
        /// How many bytes.
        len: u64,
        /// The old file's length.
        basis: u64,
    },
    /// Something stands behind the end.
    #[error("the delta goes on behind its end at byte {at}")]
    Trailing {
        /// Where its end is.
        at: u64,
    },
    /// The new file would be longer than a file can be.
    #[error("the delta makes a file of more than 2^63 bytes")]
    TooLong,
    /// The input could not be read.
    #[error("the {what} could not be read")]
    Read {
        /// `delta`, `old file`, `new file` or `signature`.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The output could not be written.
    #[error("the {what} could not be written")]
    Write {
        /// `delta` or `new file`.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl From<Error> for io::Error {
    /// For those who read and write through `std::io`; an error that came from there comes out as it was.
    fn from(error: Error) -> Self {
        match error {
            Error::Read { source, .. } | Error::Write { source, .. } => source,
            error => Self::new(io::ErrorKind::InvalidData, error),
        }
    }
}
