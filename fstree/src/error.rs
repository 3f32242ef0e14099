use std::io;
use std::path::PathBuf;

use engine_api::{ErrorKind, Failure};

/// What can go wrong with a tree as a whole; what concerns one path is an [`engine_api::Problem`] instead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A selection without includes.
    #[error("cannot walk a selection with no include")]
    NoIncludes,
    /// An include that is no absolute path.
    #[error("cannot use the include \"{include}\": {reason}")]
    Include {
        /// As it was written.
        include: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A pattern that cannot be understood.
    #[error("cannot use the pattern \"{pattern}\": {reason}")]
    Pattern {
        /// As it was written.
        pattern: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The root of the file tree cannot be read.
    #[error("cannot open the folder {}", path.display())]
    Open {
        /// Which folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The root of a restore cannot be made.
    #[error("cannot create the folder {}", path.display())]
    Create {
        /// Which folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl Failure for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NoIncludes | Self::Include { .. } | Self::Pattern { .. } => ErrorKind::Usage,
            Self::Open { .. } | Self::Create { .. } => ErrorKind::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoIncludes => "name at least one absolute path to save",
            Self::Include { .. } => "write it as an absolute path such as /home or /home/*/Documents",
            Self::Pattern { .. } => "see the guide's page on patterns",
            Self::Open { .. } | Self::Create { .. } => "check that the path exists and who may use it",
        };
        Some(hint.to_owned())
    }
}
