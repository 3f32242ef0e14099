//! The engine: dated folders behind the contract of all engines.

use std::sync::Arc;

use engine_api::FileStore;
use jiff::tz::TimeZone;

/// Hard-linked snapshots on a place for files.
pub struct RsyncEngine {
    store: Arc<dyn FileStore>,
    zone: TimeZone,
}

impl RsyncEngine {
    /// The snapshots in `store`; their names are local times of `zone`.
    #[must_use]
    pub fn new(store: Arc<dyn FileStore>, zone: TimeZone) -> Self {
        Self { store, zone }
    }

    pub(crate) fn store(&self) -> &dyn FileStore {
        self.store.as_ref()
    }

    pub(crate) fn zone(&self) -> &TimeZone {
        &self.zone
    }
}
