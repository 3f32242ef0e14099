use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use engine_api::{BlobStore, Body, Capabilities, Key, ObjectMeta, PutMode, Space, StoreError};

use super::Blobs;
use crate::sftp::root::Root;

/// The same objects, tried out when they are wanted: who uses the folder as a tree of files never does.
pub(in crate::sftp) struct Later {
    root: Arc<Root>,
    opened: OnceLock<Blobs>,
    opening: Mutex<()>,
    /// What is promised while it cannot be tried out.
    nothing: Capabilities,
}

impl Later {
    pub(in crate::sftp) fn new(root: Arc<Root>) -> Self {
        Self {
            root,
            opened: OnceLock::new(),
            opening: Mutex::default(),
            nothing: Capabilities::minimal(),
        }
    }

    fn blobs(&self) -> Result<&Blobs, StoreError> {
        if let Some(opened) = self.opened.get() {
            return Ok(opened);
        }
        let _one = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = self.opened.get() {
            return Ok(opened);
        }
        let opened = Blobs::open(Arc::clone(&self.root))?;
        Ok(self.opened.get_or_init(|| opened))
    }
}

impl BlobStore for Later {
    fn location(&self) -> &str {
        self.root.location()
    }

    fn capabilities(&self) -> &Capabilities {
        self.blobs().map_or(&self.nothing, Blobs::capabilities)
    }

    fn put(&self, key: &Key, body: Body<'_>, mode: PutMode) -> Result<(), StoreError> {
        self.blobs()?.put(key, body, mode)
    }

    fn get(&self, key: &Key) -> Result<Vec<u8>, StoreError> {
        self.blobs()?.get(key)
    }

    fn get_range(&self, key: &Key, offset: u64, buffer: &mut [u8]) -> Result<(), StoreError> {
        self.blobs()?.get_range(key, offset, buffer)
    }

    fn list(&self, folder: &str, each: &mut dyn FnMut(ObjectMeta) -> ControlFlow<()>) -> Result<(), StoreError> {
        self.blobs()?.list(folder, each)
    }

    fn remove(&self, key: &Key) -> Result<(), StoreError> {
        self.blobs()?.remove(key)
    }

    fn discard(&self, key: &Key) -> Result<(), StoreError> {
        self.blobs()?.discard(key)
    }

    fn stat(&self, key: &Key) -> Result<ObjectMeta, StoreError> {
        self.blobs()?.stat(key)
    }

    fn space(&self) -> Result<Option<Space>, StoreError> {
        super::space(&self.root)
    }
}
