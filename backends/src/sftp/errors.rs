//! What can go wrong, before and after it is known what it was done for.

use std::sync::Arc;
use std::time::Duration;

use engine_api::{Cause, Key, StoreError, StoreErrorKind};

use super::wire::Status;

/// Why a request failed. One cause may end many requests, so it can be copied.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Problem {
    #[error("the server says: {0}")]
    Status(Status),
    #[error("the connection broke: {0}")]
    Lost(Arc<str>),
    #[error("the server gave no answer for {} s", .0.as_secs())]
    Silent(Duration),
    #[error("the server's answer makes no sense: {0}")]
    Nonsense(&'static str),
    #[error("it has {found} bytes, and {wanted} were asked for")]
    Truncated { found: u64, wanted: u64 },
    #[error("what was to be written could not be read: {0}")]
    Body(Arc<std::io::Error>),
    #[error("{}", .0.message)]
    Known(Arc<Known>),
}

/// A failure whose kind and remedy are known.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) kind: StoreErrorKind,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Problem {
    pub(super) fn known(kind: StoreErrorKind, message: impl Into<String>) -> Self {
        Self::Known(Arc::new(Known {
            kind,
            message: message.into(),
            hint: None,
        }))
    }

    pub(super) fn hinted(kind: StoreErrorKind, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Known(Arc::new(Known {
            kind,
            message: message.into(),
            hint: Some(hint.into()),
        }))
    }

    pub(super) fn lost(why: impl Into<String>) -> Self {
        Self::Lost(why.into().into())
    }

    pub(super) fn not_found() -> Self {
        Self::Status(Status::of(Status::NO_SUCH_FILE))
    }

    pub(super) fn is(&self, kind: StoreErrorKind) -> bool {
        self.kind() == kind
    }

    /// Whether the connection is at fault rather than what was tried.
    pub(super) fn is_connections(&self) -> bool {
        matches!(self.kind(), StoreErrorKind::Connection | StoreErrorKind::Timeout)
    }

    /// Whether the server answered, but said no more than that it failed.
    pub(super) fn is_vague(&self) -> bool {
        matches!(self, Self::Status(status) if status.code == Status::FAILURE)
    }

    pub(super) fn kind(&self) -> StoreErrorKind {
        match self {
            Self::Status(status) => status.kind(),
            Self::Lost(_) => StoreErrorKind::Connection,
            Self::Silent(_) => StoreErrorKind::Timeout,
            Self::Truncated { .. } => StoreErrorKind::Truncated,
            Self::Nonsense(_) | Self::Body(_) => StoreErrorKind::Other,
            Self::Known(known) => known.kind,
        }
    }
}

/// What is being done, to what, where: all that an error must say besides its cause.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    operation: &'static str,
    object: &'a [u8],
    location: &'a str,
}

impl<'a> Context<'a> {
    /// An operation on `object`; the empty one is the destination itself.
    pub(super) const fn new(operation: &'static str, object: &'a [u8], location: &'a str) -> Self {
        Self {
            operation,
            object,
            location,
        }
    }

    pub(super) fn key(operation: &'static str, key: &'a Key, location: &'a str) -> Self {
        Self::new(operation, key.as_bytes(), location)
    }

    pub(super) fn error(&self, problem: Problem) -> StoreError {
        let object = if self.object.is_empty() {
            "the folder".to_owned()
        } else {
            String::from_utf8_lossy(self.object).into_owned()
        };
        let source: Box<dyn std::error::Error + Send + Sync> = match &problem {
            // What was found out does not pass by itself.
            Problem::Known(known) => {
                let cause = Cause::new(known.message.clone()).lasting();
                match &known.hint {
                    Some(hint) => cause.with_hint(hint).into(),
                    None => cause.into(),
                }
            }
            _ => problem.clone().into(),
        };
        StoreError {
            operation: self.operation,
            object,
            location: self.location.to_owned(),
            kind: problem.kind(),
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use engine_api::Failure;

    use super::*;

    #[test]
    fn an_error_names_what_was_done_and_its_cause_only_once() {
        let error = Context::new("write", b"data/aa", "sftp:me@there:dir").error(Problem::lost("reset"));
        assert_eq!(
            engine_api::Error::from(error).chain(),
            "cannot write data/aa in sftp:me@there:dir: the connection broke: reset"
        );
    }

    #[test]
    fn a_hint_of_the_cause_goes_before_the_kinds() {
        let problem = Problem::hinted(StoreErrorKind::Unauthenticated, "no key", "make one");
        let error = Context::new("open", b"", "there").error(problem);
        assert_eq!(error.hint().as_deref(), Some("make one"));
        assert!(error.is_permanent());
    }
}
