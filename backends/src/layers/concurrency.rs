use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use engine_api::{BlobStore, Body, Capabilities, Key, ObjectMeta, PutMode, Space, StoreError};

/// Lets only so many operations through at once; the others wait.
///
/// A listing takes no place: what is called while it hands over its objects must be able to go on.
pub struct Concurrency {
    inner: Arc<dyn BlobStore>,
    capabilities: Capabilities,
    free: Mutex<usize>,
    freed: Condvar,
}

impl Concurrency {
    /// `inner` with at most `most` operations at once, which its capabilities then say, too.
    #[must_use]
    pub fn new(inner: Arc<dyn BlobStore>, most: NonZeroUsize) -> Self {
        let pays = inner.capabilities().concurrency.min(most.get());
        let capabilities = inner.capabilities().clone().with_concurrency(pays);
        Self {
            inner,
            capabilities,
            free: Mutex::new(most.get()),
            freed: Condvar::new(),
        }
    }

    fn enter(&self) -> Place<'_> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self
            .freed
            .wait_while(free, |free| *free == 0)
            .unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Place(self)
    }
}

/// One operation's place, free again when it is dropped.
struct Place<'a>(&'a Concurrency);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}

// A method with a default body that is forgotten here would not be counted.
#[deny(clippy::missing_trait_methods)]
impl BlobStore for Concurrency {
    fn location(&self) -> &str {
        self.inner.location()
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn put(&self, key: &Key, body: Body<'_>, mode: PutMode) -> Result<(), StoreError> {
        let _place = self.enter();
        self.inner.put(key, body, mode)
    }

    fn get(&self, key: &Key) -> Result<Vec<u8>, StoreError> {
        let _place = self.enter();
        self.inner.get(key)
    }

    fn get_range(&self, key: &Key, offset: u64, buffer: &mut [u8]) -> Result<(), StoreError> {
        let _place = self.enter();
        self.inner.get_range(key, offset, buffer)
    }

    fn list(&self, folder: &str, each: &mut dyn FnMut(ObjectMeta) -> ControlFlow<()>) -> Result<(), StoreError> {
        self.inner.list(folder, each)
    }

    fn remove(&self, key: &Key) -> Result<(), StoreError> {
        let _place = self.enter();
        self.inner.remove(key)
    }

    fn discard(&self, key: &Key) -> Result<(), StoreError> {
        let _place = self.enter();
        self.inner.discard(key)
    }

    fn stat(&self, key: &Key) -> Result<ObjectMeta, StoreError> {
        let _place = self.enter();
        self.inner.stat(key)
    }

    fn space(&self) -> Result<Option<Space>, StoreError> {
        let _place = self.enter();
        self.inner.space()
    }
}
