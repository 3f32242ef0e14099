//! The engine: dated folders behind the contract of all engines.

use std::sync::Arc;
use std::time::Duration;

use engine_api::FileStore;
use jiff::tz::TimeZone;

use crate::expire::Strategy;

/// What to do when the destination has no `backup.marker`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Marker {
    /// Refuse to write: the place may be the empty folder below a disk that is not mounted.
    #[default]
    Require,
    /// As [`Require`](Self::Require), for whoever has seen it there a moment ago: what the place can do is tried out while it
    /// is looked at again.
    Seen,
    /// Make it: only for whoever knows that this is the right place, such as a set-up.
    Create,
}

/// How the engine works, besides what each request says.
#[derive(Debug, Clone)]
pub struct Settings {
    /// This machine's name, in locks.
    pub host: String,
    /// Who runs this, in locks and snapshots.
    pub user: String,
    /// The zone whose local times name the snapshots.
    pub zone: TimeZone,
    /// Which snapshots a backup removes when it is done; none without a strategy.
    pub strategy: Option<Strategy>,
    /// What to do when the marker is missing.
    pub marker: Marker,
    /// Whether the oldest snapshots make room when the destination is full.
    pub make_room: bool,
    /// How long to wait for somebody else's lock.
    pub retry_lock: Duration,
}

impl Default for Settings {
    /// The script's ways: its strategy, a marker that must be there, room made from the oldest snapshots; times in UTC.
    fn default() -> Self {
        Self {
            host: String::new(),
            user: String::new(),
            zone: TimeZone::UTC,
            strategy: Some(Strategy::default()),
            marker: Marker::Require,
            make_room: true,
            retry_lock: Duration::ZERO,
        }
    }
}

/// Hard-linked snapshots on a place for files.
pub struct RsyncEngine {
    store: Arc<dyn FileStore>,
    settings: Settings,
}

impl RsyncEngine {
    /// The snapshots in the root of `files`. Nothing is looked at before the first operation.
    #[must_use]
    pub fn open(files: Arc<dyn FileStore>, settings: Settings) -> Self {
        Self { store: files, settings }
    }

    /// The snapshots in `store`, whose names are local times of `zone`; all else by default.
    #[must_use]
    pub fn new(store: Arc<dyn FileStore>, zone: TimeZone) -> Self {
        let settings = Settings {
            zone,
            ..Settings::default()
        };
        Self::open(store, settings)
    }

    pub(crate) fn store(&self) -> &dyn FileStore {
        self.store.as_ref()
    }

    pub(crate) const fn shared_store(&self) -> &Arc<dyn FileStore> {
        &self.store
    }

    pub(crate) const fn zone(&self) -> &TimeZone {
        &self.settings.zone
    }

    pub(crate) const fn settings(&self) -> &Settings {
        &self.settings
    }
}
