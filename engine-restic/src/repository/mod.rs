//! A repository on a storage: its files by kind and name, its keys, its blobs.

mod cache;
mod codec;
mod files;
mod headers;
mod keys;
mod open;
mod read;
mod save;
mod settings;
mod upload;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine_api::BlobStore;

use cache::Cache;
pub use codec::{Opener, Sealer};
pub use files::FileKind;
pub use keys::{KeyInfo, now};
pub use save::{BlobSaver, SaveTotals};
pub use settings::{Compression, Settings};

use crate::Id;
use crate::crypto::SealingKey;
use crate::format::Config;

/// An opened repository.
pub struct Repository {
    store: Arc<dyn BlobStore>,
    settings: Settings,
    config: Config,
    key: SealingKey,
    key_id: Id,
    cache: Option<Cache>,
    /// Whether there was no lock at all when it was opened, until somebody asks.
    unlocked: AtomicBool,
}

impl Repository {
    /// The storage it lies on.
    pub fn store(&self) -> &Arc<dyn BlobStore> {
        &self.store
    }

    /// How it was opened.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Its config.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The same without the local cache: what is read comes from the storage.
    pub fn without_cache(&self) -> Self {
        Self {
            store: Arc::clone(&self.store),
            settings: self.settings.clone(),
            config: self.config.clone(),
            key: self.key.clone(),
            key_id: self.key_id,
            cache: None,
            unlocked: AtomicBool::new(false),
        }
    }

    /// Whether there was no lock at all when it was opened; tells it once.
    pub fn was_unlocked(&self) -> bool {
        self.unlocked.swap(false, Ordering::Relaxed)
    }

    /// Whether some of what is read comes from a local cache.
    pub const fn has_cache(&self) -> bool {
        self.cache.is_some()
    }

    /// How many threads should read from the storage at once.
    pub fn read_threads(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        if self.store.capabilities().local {
            cores
        } else {
            self.store.capabilities().concurrency.max(1)
        }
    }
}

/// Locks a mutex; what a panicking thread left behind is used as it is, for the operation fails anyway then.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What only tests need: packs and blobs as other programs write them.
#[cfg(test)]
impl Repository {
    pub fn seal(&self, plain: &[u8]) -> Vec<u8> {
        self.key.seal(plain).unwrap()
    }

    /// Stores a pack; returns its name and what lies in it.
    pub fn write_pack(&self, pack: crate::pack::PackWriter) -> (Id, Vec<crate::pack::PackedBlob>) {
        let pack = pack.seal(&self.key).unwrap();
        self.put(FileKind::Pack, pack.id, &pack.bytes).unwrap();
        (pack.id, pack.blobs)
    }
}
