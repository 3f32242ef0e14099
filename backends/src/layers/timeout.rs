use std::io::Read;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use engine_api::{BlobStore, Body, Capabilities, Key, ObjectMeta, PutMode, Space, StoreError};

use super::aside::{Aside, Call};

/// How long an operation may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest time without an answer, besides what the bytes take.
    pub stall: Duration,
    /// The slowest transfer that is not a stall, in bytes a second (at least 1).
    pub slowest: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            stall: Duration::from_mins(2),
            slowest: 16 << 10,
        }
    }
}

impl Limits {
    pub(super) fn of(&self, bytes: u64) -> Duration {
        self.stall
            .saturating_add(Duration::from_secs(bytes / self.slowest.max(1)))
    }
}

/// Ends an operation of a storage that hangs with [`Timeout`](engine_api::StoreErrorKind::Timeout).
///
/// Meant for storages that can hang inside the system, such as a mounted share whose server is gone: each operation runs
/// on a thread of its own with copies of what it needs, and is left behind when it hangs. Storages over HTTP watch their
/// own connections, and need no such layer. What was left behind may still be done later.
pub struct Timeout {
    inner: Arc<dyn BlobStore>,
    aside: Aside,
}

impl Timeout {
    /// `inner` within `limits`; `server` is who answers, for messages.
    #[must_use]
    pub fn new(inner: Arc<dyn BlobStore>, server: &str, limits: Limits) -> Self {
        let asked = Arc::clone(&inner);
        let aside = Aside::new(inner.location(), server, limits, move || drop(asked.space()));
        Self { inner, aside }
    }

    /// Runs one operation that has one answer.
    fn ask<T: Send + 'static>(
        &self,
        call: Call<'_>,
        allowed: Duration,
        work: impl FnOnce(&dyn BlobStore) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let inner = Arc::clone(&self.inner);
        self.aside.ask(call, allowed, move || work(inner.as_ref()))
    }

    const fn limits(&self) -> Limits {
        self.aside.limits()
    }
}

/// A body that a thread may keep.
enum Owned {
    Bytes(Vec<u8>),
    File(std::fs::File, u64),
}

impl Owned {
    fn of(body: Body<'_>) -> std::io::Result<Self> {
        if let Body::File { file, len } = body {
            return Ok(Self::File(file.try_clone()?, len));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(body.len()).unwrap_or(0));
        body.reader().read_to_end(&mut bytes)?;
        Ok(Self::Bytes(bytes))
    }

    fn body(&self) -> Body<'_> {
        match self {
            Self::Bytes(bytes) => Body::Bytes(bytes),
            Self::File(file, len) => Body::File { file, len: *len },
        }
    }
}

// A method with a default body that is forgotten here could hang.
#[deny(clippy::missing_trait_methods)]
impl BlobStore for Timeout {
    fn location(&self) -> &str {
        self.inner.location()
    }

    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    fn put(&self, key: &Key, body: Body<'_>, mode: PutMode) -> Result<(), StoreError> {
        let object = key.to_string();
        let call = Call {
            operation: "write",
            object: &object,
        };
        let allowed = self.limits().of(body.len());
        let owned = Owned::of(body).map_err(|error| self.aside.error(call, &error.to_string()))?;
        let key = key.clone();
        self.ask(call, allowed, move |inner| inner.put(&key, owned.body(), mode))
    }

    fn get(&self, key: &Key) -> Result<Vec<u8>, StoreError> {
        let object = key.to_string();
        let call = Call {
            operation: "read",
            object: &object,
        };
        // A look first, for the time that is allowed goes by the size.
        let allowed = self.limits().of(self.stat(key)?.size);
        let key = key.clone();
        self.ask(call, allowed, move |inner| inner.get(&key))
    }

    fn get_range(&self, key: &Key, offset: u64, buffer: &mut [u8]) -> Result<(), StoreError> {
        let object = key.to_string();
        let call = Call {
            operation: "read",
            object: &object,
        };
        let (key, length) = (key.clone(), buffer.len());
        let bytes = self.ask(call, self.limits().of(length as u64), move |inner| {
            let mut bytes = vec![0; length];
            inner.get_range(&key, offset, &mut bytes)?;
            Ok(bytes)
        })?;
        buffer.copy_from_slice(&bytes);
        Ok(())
    }

    fn list(&self, folder: &str, each: &mut dyn FnMut(ObjectMeta) -> ControlFlow<()>) -> Result<(), StoreError> {
        let call = Call {
            operation: "list",
            object: if folder.is_empty() { "the folder" } else { folder },
        };
        let (inner, name) = (Arc::clone(&self.inner), folder.to_owned());
        let work = move |hand_over: &mut dyn FnMut(ObjectMeta) -> ControlFlow<()>| inner.list(&name, hand_over);
        self.aside.run(call, self.limits().stall, work, each)
    }

    fn remove(&self, key: &Key) -> Result<(), StoreError> {
        let object = key.to_string();
        let call = Call {
            operation: "remove",
            object: &object,
        };
        let key = key.clone();
        self.ask(call, self.limits().stall, move |inner| inner.remove(&key))
    }

    fn discard(&self, key: &Key) -> Result<(), StoreError> {
        let object = key.to_string();
        let call = Call {
            operation: "remove",
            object: &object,
        };
        let key = key.clone();
        self.ask(call, self.limits().stall, move |inner| inner.discard(&key))
    }

    fn stat(&self, key: &Key) -> Result<ObjectMeta, StoreError> {
        let object = key.to_string();
        let call = Call {
            operation: "look at",
            object: &object,
        };
        let key = key.clone();
        self.ask(call, self.limits().stall, move |inner| inner.stat(&key))
    }

    fn space(&self) -> Result<Option<Space>, StoreError> {
        let call = Call {
            operation: "ask for the free space of",
            object: "the folder",
        };
        self.ask(call, self.limits().stall, |inner| inner.space())
    }
}
