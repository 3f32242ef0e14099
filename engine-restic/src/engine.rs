//! The engine: restic's repository behind the contract of all engines.

use std::sync::{Arc, Mutex, RwLock};

use engine_api::{BlobStore, Silent};

use crate::index::{self, Index};
use crate::lock::{Lock, Mode, remove_locks};
use crate::repository::{KeyInfo, Repository, Settings, lock};
use crate::{Id, Password, Result};

/// A restic repository on a storage.
pub struct ResticEngine {
    repository: RwLock<Arc<Repository>>,
    /// The index that reading operations share, with the names of its files; loaded when first needed.
    index: Mutex<Option<(Arc<Index>, Vec<Id>)>>,
}

impl ResticEngine {
    /// Makes a new repository, of format version 2, and opens it.
    ///
    /// # Errors
    /// [`RepositoryExists`](crate::Error::RepositoryExists), or what the storage says.
    pub fn init(store: Arc<dyn BlobStore>, settings: Settings) -> Result<Self> {
        Repository::init(store, settings).map(Self::new)
    }

    /// Opens the repository.
    ///
    /// # Errors
    /// [`NoRepository`](crate::Error::NoRepository), [`WrongPassword`](crate::Error::WrongPassword),
    /// [`UnsupportedVersion`](crate::Error::UnsupportedVersion), or what the storage says.
    pub fn open(store: Arc<dyn BlobStore>, settings: Settings) -> Result<Self> {
        Repository::open(store, settings).map(Self::new)
    }

    fn new(repository: Repository) -> Self {
        Self {
            repository: RwLock::new(Arc::new(repository)),
            index: Mutex::new(None),
        }
    }

    /// The repository as it is opened now.
    pub(crate) fn repository(&self) -> Arc<Repository> {
        Arc::clone(
            &self
                .repository
                .read()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        )
    }

    /// All keys of the repository.
    ///
    /// # Errors
    /// When they could not be read.
    pub fn keys(&self) -> Result<Vec<KeyInfo>> {
        self.repository().keys()
    }

    /// Adds a key with another password.
    ///
    /// # Errors
    /// When it could not be stored.
    pub fn add_key(&self, password: &Password) -> Result<Id> {
        let repository = self.repository();
        let lock = Lock::take(&repository, Mode::Shared, &Silent)?;
        lock.settle()?;
        repository.add_key(password)
    }

    /// Removes the key whose name begins with `prefix`.
    ///
    /// # Errors
    /// When it is the one in use, or the name fits none or several.
    pub fn remove_key(&self, prefix: &str) -> Result<Id> {
        let repository = self.repository();
        let _lock = Lock::take(&repository, Mode::Exclusive, &Silent)?;
        repository.remove_key(prefix)
    }

    /// Replaces the key in use by one with another password.
    ///
    /// # Errors
    /// When the new one could not be stored; the old one is good then.
    pub fn change_password(&self, password: &Password) -> Result<Id> {
        let repository = self.repository();
        let _lock = Lock::take(&repository, Mode::Exclusive, &Silent)?;
        let (changed, key) = repository.change_password(password)?;
        *self
            .repository
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = Arc::new(changed);
        Ok(key)
    }

    /// Removes stale locks, or all of them; says how many.
    ///
    /// # Errors
    /// When they could not be listed or removed.
    pub fn unlock(&self, all: bool) -> Result<u64> {
        remove_locks(&self.repository(), all)
    }

    /// The index for reading operations; read again when others have changed it since.
    pub(crate) fn index(&self, repository: &Repository) -> Result<Arc<Index>> {
        let mut shared = lock(&self.index);
        if let Some((index, files)) = &*shared
            && *files == index::files(repository)?
        {
            return Ok(Arc::clone(index));
        }
        *shared = None;
        let (index, files) = index::load(repository)?;
        let index = Arc::new(index);
        *shared = Some((Arc::clone(&index), files));
        Ok(index)
    }

    /// Forgets the shared index: an operation that holds one of its own needs the memory.
    pub(crate) fn drop_index(&self) {
        *lock(&self.index) = None;
    }
}
