//! What can go wrong while mounting.

use std::io;
use std::path::Path;
use std::time::Duration;

use engine_api::{Cause, StoreError, StoreErrorKind};

/// A failed step, still without the names of what and where.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) operation: &'static str,
    pub(super) kind: StoreErrorKind,
    pub(super) cause: Box<dyn std::error::Error + Send + Sync>,
}

impl Failed {
    pub(super) fn new(operation: &'static str, kind: StoreErrorKind, cause: impl Into<String>) -> Self {
        Self {
            operation,
            kind,
            cause: cause.into().into(),
        }
    }

    /// No answer of `server` within `patience`. It has been waited for already, so trying again is no use.
    pub(super) fn hangs(operation: &'static str, server: &str, patience: Duration) -> Self {
        let cause = Cause::new(format!("{server} gave no answer in {} s", patience.as_secs_f32()));
        let hint = format!("see whether {server} is up, serves, and can be reached, then run again");
        Self {
            operation,
            kind: StoreErrorKind::Timeout,
            cause: cause.with_hint(hint).lasting().into(),
        }
    }

    pub(super) fn io(operation: &'static str, cause: io::Error) -> Self {
        let kind = match cause.kind() {
            io::ErrorKind::NotFound => StoreErrorKind::NotFound,
            io::ErrorKind::PermissionDenied => StoreErrorKind::PermissionDenied,
            io::ErrorKind::ReadOnlyFilesystem => StoreErrorKind::ReadOnly,
            _ => StoreErrorKind::Other,
        };
        Self {
            operation,
            kind,
            cause: cause.into(),
        }
    }

    /// Whether somebody uses it now, by the words of `umount`.
    pub(super) fn is_busy(&self) -> bool {
        self.cause.to_string().contains("is busy")
    }

    pub(super) fn into_store_error(self, object: &str, point: &Path) -> StoreError {
        StoreError {
            operation: self.operation,
            object: object.to_owned(),
            location: point.display().to_string(),
            kind: self.kind,
            source: self.cause,
        }
    }
}
