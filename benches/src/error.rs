use std::io;
use std::path::{Path, PathBuf};

/// Why the comparison could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {action} {path}: {source}")]
    File {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("cannot start {program}: {source}")]
    Start { program: String, source: io::Error },
    #[error("{command} failed ({status}):\n{output}")]
    Command {
        command: String,
        status: String,
        output: String,
    },
    #[error("{peer} restored a tree that differs from the corpus: {path}")]
    Restored { peer: String, path: PathBuf },
    #[error("no program called {0} was found on this machine")]
    NoSuchPeer(String),
}

/// Names the file in an I/O error.
pub trait At<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, Error>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, Error> {
        self.map_err(|source| Error::File {
            action,
            path: path.to_owned(),
            source,
        })
    }
}
