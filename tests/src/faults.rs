//! Storages that count, fail, die, lie or dawdle on purpose.
//!
//! [`Gated`] stands before a real storage and asks a [`Gate`] about every call.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use engine_api::{BlobStore, Body, Capabilities, Key, ObjectMeta, PutMode, Space, StoreError, StoreErrorKind};

/// Which method was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is named as its method")]
pub enum Operation {
    Put,
    Get,
    GetRange,
    List,
    Remove,
    Stat,
    Space,
}

impl Operation {
    /// Whether it changes the destination.
    #[must_use]
    pub fn writes(self) -> bool {
        matches!(self, Self::Put | Self::Remove)
    }
}

/// One call of a storage's method.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// Which method.
    pub operation: Operation,
    /// On which object or folder.
    pub object: &'a str,
}

/// Decides what becomes of a call.
pub trait Gate: Send + Sync {
    /// Before the storage is asked: an error keeps it from being asked at all.
    fn before(&self, call: Call<'_>) -> Result<(), StoreErrorKind>;
    /// After it has answered well: an error hides that the operation was done.
    fn after(&self, call: Call<'_>) -> Result<(), StoreErrorKind>;
    /// What was read, which it may change.
    fn read(&self, call: Call<'_>, offset: u64, bytes: &mut [u8]);
}

/// A storage behind a gate.
pub struct Gated<G> {
    inner: Arc<dyn BlobStore>,
    /// The gate, for its counters.
    pub gate: G,
}

impl<G: Gate> Gated<G> {
    /// `inner` behind `gate`.
    pub fn new(inner: Arc<dyn BlobStore>, gate: G) -> Arc<Self> {
        Arc::new(Self { inner, gate })
    }

    fn pass<T>(
        &self,
        operation: Operation,
        object: &str,
        ask: impl FnOnce(Call<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let call = Call { operation, object };
        let failed = |kind| self.error(call, kind);
        self.gate.before(call).map_err(failed)?;
        let answer = ask(call)?;
        self.gate.after(call).map_err(failed)?;
        Ok(answer)
    }

    fn error(&self, call: Call<'_>, kind: StoreErrorKind) -> StoreError {
        StoreError {
            operation: "use",
            object: call.object.to_owned(),
            location: self.inner.location().to_owned(),
            kind,
            source: "this call was to fail".into(),
        }
    }
}

// A method with a default body that is forgotten here would bypass the gate.
#[deny(clippy::missing_trait_methods)]
impl<G: Gate> BlobStore for Gated<G> {
    fn location(&self) -> &str {
        self.inner.location()
    }

    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    fn put(&self, key: &Key, body: Body<'_>, mode: PutMode) -> Result<(), StoreError> {
        self.pass(Operation::Put, &key.to_string(), |_| self.inner.put(key, body, mode))
    }

    fn get(&self, key: &Key) -> Result<Vec<u8>, StoreError> {
        self.pass(Operation::Get, &key.to_string(), |call| {
            let mut bytes = self.inner.get(key)?;
            self.gate.read(call, 0, &mut bytes);
            Ok(bytes)
        })
    }

    fn get_range(&self, key: &Key, offset: u64, buffer: &mut [u8]) -> Result<(), StoreError> {
        self.pass(Operation::GetRange, &key.to_string(), |call| {
            self.inner.get_range(key, offset, buffer)?;
            self.gate.read(call, offset, buffer);
            Ok(())
        })
    }

    fn list(&self, folder: &str, each: &mut dyn FnMut(ObjectMeta) -> ControlFlow<()>) -> Result<(), StoreError> {
        self.pass(Operation::List, folder, |_| self.inner.list(folder, each))
    }

    fn remove(&self, key: &Key) -> Result<(), StoreError> {
        self.pass(Operation::Remove, &key.to_string(), |_| self.inner.remove(key))
    }

    fn discard(&self, key: &Key) -> Result<(), StoreError> {
        self.pass(Operation::Remove, &key.to_string(), |_| self.inner.discard(key))
    }

    fn stat(&self, key: &Key) -> Result<ObjectMeta, StoreError> {
        self.pass(Operation::Stat, &key.to_string(), |_| self.inner.stat(key))
    }

    fn space(&self) -> Result<Option<Space>, StoreError> {
        self.pass(Operation::Space, "", |_| self.inner.space())
    }
}

/// Counts calls and lets them all through.
#[derive(Debug, Default)]
pub struct Count {
    reads: AtomicU64,
    writes: AtomicU64,
}

impl Count {
    /// Calls up to now, all together.
    pub fn calls(&self) -> u64 {
        self.reads() + self.writes()
    }

    /// Calls that change nothing.
    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::SeqCst)
    }

    /// Puts and removes.
    pub fn writes(&self) -> u64 {
        self.writes.load(Ordering::SeqCst)
    }
}

impl Gate for Count {
    fn before(&self, call: Call<'_>) -> Result<(), StoreErrorKind> {
        let counter = if call.operation.writes() {
            &self.writes
        } else {
            &self.reads
        };
        counter.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn after(&self, _call: Call<'_>) -> Result<(), StoreErrorKind> {
        Ok(())
    }

    fn read(&self, _call: Call<'_>, _offset: u64, _bytes: &mut [u8]) {}
}

/// Remembers what was asked for and lets everything through.
#[derive(Debug, Default)]
pub struct Log(Mutex<Vec<(Operation, String)>>);

impl Log {
    /// The objects on which `operation` was called, in order.
    pub fn objects(&self, operation: Operation) -> Vec<String> {
        let calls = self.0.lock().unwrap();
        let calls = calls.iter().filter(|(other, _)| *other == operation);
        calls.map(|(_, object)| object.clone()).collect()
    }

    /// The objects of which anything was read, each once, sorted.
    pub fn fetched(&self) -> Vec<String> {
        let mut objects = self.objects(Operation::Get);
        objects.extend(self.objects(Operation::GetRange));
        objects.sort();
        objects.dedup();
        objects
    }
}

impl Gate for Log {
    fn before(&self, call: Call<'_>) -> Result<(), StoreErrorKind> {
        let call = (call.operation, call.object.to_owned());
        self.0.lock().unwrap().push(call);
        Ok(())
    }

    fn after(&self, _call: Call<'_>) -> Result<(), StoreErrorKind> {
        Ok(())
    }

    fn read(&self, _call: Call<'_>, _offset: u64, _bytes: &mut [u8]) {}
}

/// When in a call the failure comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Nothing was done.
    Before,
    /// It was done, and the answer was lost.
    After,
}

/// Fails at the n-th call, and perhaps at every later one.
#[derive(Debug)]
pub struct FailAt {
    n: u64,
    when: When,
    /// Every later call fails as well, as if the program had died or the disk gone.
    forever: bool,
    kind: StoreErrorKind,
    calls: AtomicU64,
    failed: AtomicBool,
}

impl FailAt {
    /// One failure at call `n`, counted from 1.
    #[must_use]
    pub fn once(n: u64, when: When, kind: StoreErrorKind) -> Self {
        Self {
            n,
            when,
            forever: false,
            kind,
            calls: AtomicU64::new(0),
            failed: AtomicBool::new(false),
        }
    }

    /// From call `n` on, counted from 1, nothing works any more.
    #[must_use]
    pub fn dead_from(n: u64, when: When, kind: StoreErrorKind) -> Self {
        Self {
            forever: true,
            ..Self::once(n, when, kind)
        }
    }

    /// Whether the failure has come.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }

    fn fail(&self) -> Result<(), StoreErrorKind> {
        self.failed.store(true, Ordering::SeqCst);
        Err(self.kind)
    }
}

impl Gate for FailAt {
    fn before(&self, _call: Call<'_>) -> Result<(), StoreErrorKind> {
        if self.forever && self.has_failed() {
            return Err(self.kind);
        }
        let number = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        if number == self.n && self.when == When::Before {
            return self.fail();
        }
        Ok(())
    }

    fn after(&self, _call: Call<'_>) -> Result<(), StoreErrorKind> {
        // The call that reaches the number first on its way back is the one: which of several at once is all the same.
        let reached = self.calls.load(Ordering::SeqCst) >= self.n;
        if reached && self.when == When::After && !self.failed.swap(true, Ordering::SeqCst) {
            return Err(self.kind);
        }
        Ok(())
    }

    fn read(&self, _call: Call<'_>, _offset: u64, _bytes: &mut [u8]) {}
}

/// Makes every call take a while.
#[derive(Debug)]
pub struct Slow(
    /// How long.
    pub Duration,
);

impl Gate for Slow {
    fn before(&self, _call: Call<'_>) -> Result<(), StoreErrorKind> {
        std::thread::sleep(self.0);
        Ok(())
    }

    fn after(&self, _call: Call<'_>) -> Result<(), StoreErrorKind> {
        Ok(())
    }

    fn read(&self, _call: Call<'_>, _offset: u64, _bytes: &mut [u8]) {}
}

/// Flips one bit of what is read of objects whose name begins so, as a bad cable or memory does.
#[derive(Debug)]
pub struct FlipReads {
    /// Names that begin with this.
    pub folder: &'static str,
    /// Only in so many reads; then the fault is gone.
    pub times: AtomicU64,
}

impl Gate for FlipReads {
    fn before(&self, _call: Call<'_>) -> Result<(), StoreErrorKind> {
        Ok(())
    }

    fn after(&self, _call: Call<'_>) -> Result<(), StoreErrorKind> {
        Ok(())
    }

    fn read(&self, call: Call<'_>, _offset: u64, bytes: &mut [u8]) {
        if bytes.is_empty() || !call.object.starts_with(self.folder) {
            return;
        }
        let left = self
            .times
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if left.is_ok() {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x10;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(dir: &tempfile::TempDir) -> Arc<dyn BlobStore> {
        backends::local::open(dir.path(), false).unwrap().blobs
    }

    #[test]
    fn a_gate_that_lets_through_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let gated = Gated::new(store(&dir), Count::default());
        backends::conformance::run(gated.as_ref(), "suite").unwrap();
        assert!(gated.gate.reads() > 100 && gated.gate.writes() > 20_000);
    }

    #[test]
    fn fails_when_told() {
        let dir = tempfile::tempdir().unwrap();
        let key = Key::new("one").unwrap();
        let other = Key::new("two").unwrap();
        let put = |store: &dyn BlobStore, key| store.put(key, Body::Bytes(b"x"), PutMode::Create);
        let gated = Gated::new(store(&dir), FailAt::dead_from(2, When::After, StoreErrorKind::Other));
        put(gated.as_ref(), &key).unwrap();
        put(gated.as_ref(), &other).unwrap_err();
        gated.get(&other).unwrap_err();
        assert_eq!(store(&dir).get(&other).unwrap(), b"x");

        let gated = Gated::new(store(&dir), FailAt::once(1, When::Before, StoreErrorKind::NoSpace));
        assert_eq!(gated.remove(&other).unwrap_err().kind, StoreErrorKind::NoSpace);
        gated.remove(&other).unwrap();
    }

    #[test]
    fn flips_a_bit_so_many_times() {
        let dir = tempfile::tempdir().unwrap();
        let key = Key::new("data/x").unwrap();
        let gate = FlipReads {
            folder: "data/",
            times: AtomicU64::new(1),
        };
        let gated = Gated::new(store(&dir), gate);
        gated.put(&key, Body::Bytes(b"abc"), PutMode::Create).unwrap();
        assert_eq!(gated.get(&key).unwrap(), b"arc");
        assert_eq!(gated.get(&key).unwrap(), b"abc");
    }
}
