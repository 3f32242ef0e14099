use std::io::Read;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use engine_api::{BlobStore, Body, Capabilities, Cause, Key, ObjectMeta, PutMode, Space, StoreError, StoreErrorKind};

/// Operations that hang are left to themselves, each on a thread of its own; more than these at once are not begun.
const MOST: usize = 64;

/// Objects of a listing on their way from its thread.
const QUEUE: usize = 256;

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
    fn of(&self, bytes: u64) -> Duration {
        self.stall
            .saturating_add(Duration::from_secs(bytes / self.slowest.max(1)))
    }
}

/// Ends an operation of a storage that hangs with [`StoreErrorKind::Timeout`].
///
/// Meant for storages that can hang inside the system, such as a mounted share whose server is gone: each operation runs
/// on a thread of its own with copies of what it needs, and is left behind when it hangs. Storages over HTTP watch their
/// own connections, and need no such layer. What was left behind may still be done later.
pub struct Timeout {
    inner: Arc<dyn BlobStore>,
    limits: Limits,
    running: Arc<()>,
}

impl Timeout {
    /// `inner` within `limits`.
    #[must_use]
    pub fn new(inner: Arc<dyn BlobStore>, limits: Limits) -> Self {
        Self {
            inner,
            limits,
            running: Arc::new(()),
        }
    }

    /// Runs `work` on another thread, and hands over what it sends, `allowed` at most between one and the next. It is
    /// told to stop by nobody listening any more.
    fn run<T: Send + 'static>(
        &self,
        call: Call<'_>,
        allowed: Duration,
        work: impl FnOnce(&dyn BlobStore, &mut dyn FnMut(T) -> ControlFlow<()>) -> Result<(), StoreError> + Send + 'static,
        mut each: impl FnMut(T) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        if Arc::strong_count(&self.running) > MOST {
            return Err(self.error(call, "the operations before this one still hang"));
        }
        let (sender, receiver) = sync_channel(QUEUE);
        let (inner, running) = (Arc::clone(&self.inner), Arc::clone(&self.running));
        let thread = move || {
            let mut hand_over = |value| match sender.send(Ok(Some(value))) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            };
            let end = work(inner.as_ref(), &mut hand_over);
            let _ = sender.send(end.map(|()| None));
            drop(running);
        };
        if std::thread::Builder::new().spawn(thread).is_err() {
            return Err(self.error(call, "no thread could be started"));
        }
        loop {
            match receiver.recv_timeout(allowed) {
                Ok(Ok(Some(value))) => {
                    if each(value).is_break() {
                        return Ok(());
                    }
                }
                Ok(Ok(None)) => return Ok(()),
                Ok(Err(error)) => return Err(error),
                Err(RecvTimeoutError::Timeout) => {
                    return Err(self.error(call, &format!("no answer in {} s", allowed.as_secs_f32())));
                }
                Err(RecvTimeoutError::Disconnected) => return Err(self.error(call, "the operation ended without one")),
            }
        }
    }

    /// The same for one answer.
    fn ask<T: Send + 'static>(
        &self,
        call: Call<'_>,
        allowed: Duration,
        work: impl FnOnce(&dyn BlobStore) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let mut answer = None;
        self.run(
            call,
            allowed,
            |inner, hand_over| {
                let _ = hand_over(work(inner)?);
                Ok(())
            },
            |value| {
                answer = Some(value);
                ControlFlow::Continue(())
            },
        )?;
        answer.ok_or_else(|| self.error(call, "the operation ended without an answer"))
    }

    fn error(&self, call: Call<'_>, message: &str) -> StoreError {
        StoreError {
            operation: call.operation,
            object: call.object.to_owned(),
            location: self.location().to_owned(),
            kind: StoreErrorKind::Timeout,
            source: Cause::new(message).into(),
        }
    }
}

/// What is being done to what.
#[derive(Clone, Copy)]
struct Call<'a> {
    operation: &'static str,
    object: &'a str,
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
        let allowed = self.limits.of(body.len());
        let owned = Owned::of(body).map_err(|error| self.error(call, &error.to_string()))?;
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
        let allowed = self.limits.of(self.stat(key)?.size);
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
        let bytes = self.ask(call, self.limits.of(length as u64), move |inner| {
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
        let name = folder.to_owned();
        self.run(
            call,
            self.limits.stall,
            move |inner, hand_over| inner.list(&name, hand_over),
            each,
        )
    }

    fn remove(&self, key: &Key) -> Result<(), StoreError> {
        let object = key.to_string();
        let call = Call {
            operation: "remove",
            object: &object,
        };
        let key = key.clone();
        self.ask(call, self.limits.stall, move |inner| inner.remove(&key))
    }

    fn discard(&self, key: &Key) -> Result<(), StoreError> {
        let object = key.to_string();
        let call = Call {
            operation: "remove",
            object: &object,
        };
        let key = key.clone();
        self.ask(call, self.limits.stall, move |inner| inner.discard(&key))
    }

    fn stat(&self, key: &Key) -> Result<ObjectMeta, StoreError> {
        let object = key.to_string();
        let call = Call {
            operation: "look at",
            object: &object,
        };
        let key = key.clone();
        self.ask(call, self.limits.stall, move |inner| inner.stat(&key))
    }

    fn space(&self) -> Result<Option<Space>, StoreError> {
        let call = Call {
            operation: "ask for the free space of",
            object: "the folder",
        };
        self.ask(call, self.limits.stall, |inner| inner.space())
    }
}
