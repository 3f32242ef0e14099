use std::sync::Arc;

use engine_api::{Event, Progress, StoreErrorKind};

use super::{Lock, Mode};
use crate::error::{Error, Result};
use crate::repository::Repository;

impl Lock {
    /// Takes a shared lock for an operation that only reads. Where none can be written (a storage that is read-only or
    /// full) the operation goes on without one, and `progress` is told: what is stored must stay readable. Somebody
    /// else's exclusive lock is honoured all the same.
    pub fn for_reading(repository: &Arc<Repository>, progress: &dyn Progress) -> Result<Option<Self>> {
        match Self::take(repository, Mode::Shared, progress) {
            Ok(lock) => Ok(Some(lock)),
            Err(Error::Store(error)) if takes_no_lock(error.kind) => {
                let text = format!("reading without a lock, so do not prune meanwhile: {error}");
                progress.event(Event::Notice(&text));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

const fn takes_no_lock(kind: StoreErrorKind) -> bool {
    matches!(
        kind,
        StoreErrorKind::ReadOnly | StoreErrorKind::PermissionDenied | StoreErrorKind::NoSpace
    )
}
