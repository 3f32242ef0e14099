use std::any::Any;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use engine_api::{Cause, FileStat, NewMetadata, StoreError, StoreErrorKind, StoredFile, Timestamp, Xattr};

use super::aside::{Aside, Call};
use super::timeout::Limits;

/// Bytes that were written and may still be on their way when a sync waits for them. The system holds no more of them back
/// than this.
const MOST_UNSYNCED: u64 = 4 << 30;
/// A sync is far quicker than the slowest transfer: it waits for many files at once.
const QUICKER: u64 = 16;

/// Counts what was written since the last sync.
#[derive(Default)]
pub(super) struct Unsynced(AtomicU64);

impl Unsynced {
    fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn forget(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// How long a sync may take.
    pub(super) fn allowed(&self, limits: Limits) -> Duration {
        limits.of(self.0.load(Ordering::Relaxed).min(MOST_UNSYNCED) / QUICKER)
    }
}

/// Metadata that a thread may keep.
pub(super) struct OwnedMetadata {
    owner: Option<(u32, u32)>,
    mode: Option<u32>,
    mtime: Option<Timestamp>,
    atime: Option<Timestamp>,
    xattrs: Option<Vec<Xattr>>,
}

impl OwnedMetadata {
    pub(super) fn of(metadata: &NewMetadata<'_>) -> Self {
        let NewMetadata {
            owner,
            mode,
            mtime,
            atime,
            xattrs,
        } = *metadata;
        Self {
            owner,
            mode,
            mtime,
            atime,
            xattrs: xattrs.map(<[Xattr]>::to_vec),
        }
    }

    pub(super) fn give<T>(&self, take: impl FnOnce(&NewMetadata<'_>) -> T) -> T {
        take(&NewMetadata {
            owner: self.owner,
            mode: self.mode,
            mtime: self.mtime,
            atime: self.atime,
            xattrs: self.xattrs.as_deref(),
        })
    }
}

/// An open file whose operations end in time.
pub(super) struct TimedFile {
    /// There until it is closed.
    inner: Option<Arc<Box<dyn StoredFile>>>,
    name: String,
    aside: Arc<Aside>,
    /// Of the whole place, and of this file.
    unsynced: Arc<Unsynced>,
    own: Unsynced,
}

impl TimedFile {
    pub(super) fn new(inner: Box<dyn StoredFile>, name: String, aside: Arc<Aside>, unsynced: Arc<Unsynced>) -> Self {
        Self {
            inner: Some(Arc::new(inner)),
            name,
            aside,
            unsynced,
            own: Unsynced::default(),
        }
    }

    fn call(&self, operation: &'static str) -> Call<'_> {
        Call {
            operation,
            object: &self.name,
        }
    }

    fn ask<T: Send + 'static>(
        &self,
        operation: &'static str,
        bytes: usize,
        work: impl FnOnce(&dyn StoredFile) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.ask_within(self.aside.limits().of(bytes as u64), operation, work)
    }

    fn ask_within<T: Send + 'static>(
        &self,
        allowed: Duration,
        operation: &'static str,
        work: impl FnOnce(&dyn StoredFile) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let call = self.call(operation);
        let inner = self
            .inner
            .clone()
            .ok_or_else(|| self.aside.error(call, "it is closed"))?;
        self.aside.ask(call, allowed, move || work(&**inner))
    }

    /// The file behind a file of the same place, for a thread.
    fn behind(&self, source: &dyn StoredFile) -> Result<Arc<Box<dyn StoredFile>>, StoreError> {
        let timed = source.as_any().downcast_ref::<Self>();
        timed.and_then(|timed| timed.inner.clone()).ok_or_else(|| StoreError {
            kind: StoreErrorKind::Unsupported,
            source: Cause::new("it is a file of another place").into(),
            ..self.aside.error(self.call("copy to"), "")
        })
    }

    /// Lets go of the file: closing waits for the server as writing does.
    fn finish(&mut self) -> Result<(), StoreError> {
        let Some(inner) = self.inner.take() else {
            return Ok(());
        };
        let call = self.call("close");
        let Some(file) = Arc::into_inner(inner) else {
            return Err(self.aside.error(call, "an operation on it still hangs"));
        };
        let allowed = self.own.allowed(self.aside.limits());
        self.aside.ask(call, allowed, move || file.close())
    }
}

impl Drop for TimedFile {
    fn drop(&mut self) {
        // Whoever drops it has no use for the answer.
        let _ = self.finish();
    }
}

// As for the place: a method with a default body is made of the others.
impl StoredFile for TimedFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError> {
        let length = buffer.len();
        let bytes = self.ask("read", length, move |file| {
            let mut bytes = vec![0; length];
            let read = file.read_at(offset, &mut bytes)?;
            bytes.truncate(read);
            Ok(bytes)
        })?;
        for (to, from) in buffer.iter_mut().zip(&bytes) {
            *to = *from;
        }
        Ok(bytes.len())
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), StoreError> {
        self.unsynced.add(data.len());
        self.own.add(data.len());
        let owned = data.to_vec();
        self.ask("write", data.len(), move |file| file.write_at(offset, &owned))
    }

    fn set_len(&self, len: u64) -> Result<(), StoreError> {
        self.ask("set the length of", 0, move |file| file.set_len(len))
    }

    fn reserve(&self, len: u64) -> Result<(), StoreError> {
        self.ask("reserve room for", 0, move |file| file.reserve(len))
    }

    fn stat(&self) -> Result<FileStat, StoreError> {
        self.ask("look at", 0, |file| file.stat())
    }

    fn set_metadata(&self, metadata: &NewMetadata<'_>) -> Vec<StoreError> {
        let metadata = OwnedMetadata::of(metadata);
        let set = self.ask("set the metadata of", 0, move |file| {
            Ok(metadata.give(|metadata| file.set_metadata(metadata)))
        });
        set.unwrap_or_else(|error| vec![error])
    }

    fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>, StoreError> {
        self.ask("look for data in", 0, move |file| file.next_data(offset))
    }

    fn copy_range(&self, source: &dyn StoredFile, from: Range<u64>, to: u64) -> Result<u64, StoreError> {
        let source = self.behind(source)?;
        let bytes = usize::try_from(from.end.saturating_sub(from.start)).unwrap_or(usize::MAX);
        self.ask("copy to", bytes, move |file| file.copy_range(&**source, from, to))
    }

    fn reflink(&self, source: &dyn StoredFile) -> Result<(), StoreError> {
        let source = self.behind(source)?;
        self.ask("copy to", 0, move |file| file.reflink(&**source))
    }

    fn sync(&self) -> Result<(), StoreError> {
        let allowed = self.own.allowed(self.aside.limits());
        self.ask_within(allowed, "sync", |file| file.sync())?;
        self.own.forget();
        Ok(())
    }

    fn close(mut self: Box<Self>) -> Result<(), StoreError> {
        self.finish()
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Itself: it is what knows the file behind it.
    fn as_any(&self) -> &dyn Any {
        self
    }
}
