use std::io;

/// Why a manifest could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The bytes are something else.
    #[error("it is no manifest")]
    Foreign,
    /// A later program wrote it.
    #[error("it has a version of the format that this program does not know")]
    Version,
    /// It was cut off, or bytes of it changed.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    /// A record was pushed before one that comes earlier, or twice.
    #[error("the entry {path} is not in order")]
    Order {
        /// Which.
        path: String,
    },
    /// A record is longer than any file system makes one.
    #[error("the entry {path} has more metadata than a manifest takes")]
    TooLarge {
        /// Which.
        path: String,
    },
    /// It could not be read or written.
    #[error("it could not be read or written")]
    Io(#[source] io::Error),
    /// The place it lies in failed.
    #[error(transparent)]
    Store(#[from] engine_api::StoreError),
}

impl From<io::Error> for ManifestError {
    /// The place's own error stays what it is, though it came through a reader or a writer.
    fn from(error: io::Error) -> Self {
        match error.downcast() {
            Ok(error) => Self::Store(error),
            Err(error) => Self::Io(error),
        }
    }
}
