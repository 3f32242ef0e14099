//! Errors of the storage as problems with one path.

use std::path::Path;

use engine_api::{Problem, StoreError, StoreErrorKind};

/// The problem that the storage has with one entry.
pub fn problem(path: &Path, error: &StoreError) -> Problem {
    Problem {
        path: path.to_owned(),
        action: error.operation,
        cause: format!("at the destination: {}", error.source),
    }
}

/// Whether the fault is with one entry (its name, its size, its owner), so that there is sense in going on with the others.
pub fn is_of_one_entry(error: &StoreError) -> bool {
    matches!(
        error.kind,
        StoreErrorKind::Other
            | StoreErrorKind::Unsupported
            | StoreErrorKind::AlreadyExists
            | StoreErrorKind::TooManyLinks
            | StoreErrorKind::NotFound
            | StoreErrorKind::PermissionDenied
    )
}
