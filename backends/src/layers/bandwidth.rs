use std::fmt;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use engine_api::{BlobStore, Body, Capabilities, Key, ObjectMeta, PutMode, Space, StoreError};

use super::{Clock, SystemClock};

/// The longest sleep before the limit is looked at again: it may have been changed.
const NAP: Duration = Duration::from_millis(200);

/// How much unused time counts: after a pause this much goes through at once.
const BURST_SECONDS: f64 = 0.25;

/// A token bucket: how many bytes a second may pass, to be changed at any time. Shared by all that count as one.
pub struct Rate {
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
}

struct State {
    /// Bytes a second; 0 is no limit.
    limit: u64,
    /// Bytes that may pass now; below zero is what has passed on credit.
    balance: f64,
    filled: Duration,
}

impl Rate {
    /// At most `limit` bytes a second; 0 is no limit.
    #[must_use]
    pub fn new(limit: u64) -> Self {
        Self::with_clock(limit, Arc::new(SystemClock::new()))
    }

    /// The same by another clock.
    #[must_use]
    pub fn with_clock(limit: u64, clock: Arc<dyn Clock>) -> Self {
        let state = State {
            limit,
            balance: 0.0,
            filled: clock.now(),
        };
        Self {
            state: Mutex::new(state),
            clock,
        }
    }

    /// From now on at most `limit` bytes a second; 0 is no limit. Who waits goes by it within a moment.
    pub fn set(&self, limit: u64) {
        let mut state = self.lock();
        state.fill(self.clock.now());
        state.limit = limit;
    }

    /// The limit in bytes a second; 0 is none.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.lock().limit
    }

    /// Returns when `bytes` more may have passed.
    pub fn take(&self, bytes: u64) {
        if self.lock().spend(self.clock.now(), bytes).is_none() {
            return;
        }
        while let Some(wait) = self.lock().spend(self.clock.now(), 0) {
            self.clock.sleep(wait.min(NAP));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn fill(&mut self, now: Duration) {
        let elapsed = now.saturating_sub(self.filled).as_secs_f64();
        self.filled = now;
        let limit = as_float(self.limit);
        self.balance = (self.balance + elapsed * limit).min(limit * BURST_SECONDS);
    }

    /// Takes `bytes` off and says how long it is until the balance is even again, when it is not.
    fn spend(&mut self, now: Duration, bytes: u64) -> Option<Duration> {
        self.fill(now);
        if self.limit == 0 {
            self.balance = 0.0;
            return None;
        }
        self.balance -= as_float(bytes);
        // A billionth of a second would be no sleep at all.
        (self.balance < 0.0).then(|| {
            Duration::from_secs_f64((-self.balance / as_float(self.limit)).min(1e6)).max(Duration::from_micros(50))
        })
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "an estimate of time: 2^53 bytes a second are enough"
)]
fn as_float(bytes: u64) -> f64 {
    bytes as f64
}

impl fmt::Debug for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rate({} B/s)", self.limit())
    }
}

/// Holds a storage's traffic down to a [`Rate`] each way, object by object.
///
/// A storage over HTTP that is given the same rates paces the bytes within an object as well, and needs no such layer.
pub struct Bandwidth {
    inner: Arc<dyn BlobStore>,
    up: Arc<Rate>,
    down: Arc<Rate>,
}

impl Bandwidth {
    /// `inner`, with what is put limited by `up` and what is read by `down`.
    #[must_use]
    pub fn new(inner: Arc<dyn BlobStore>, up: Arc<Rate>, down: Arc<Rate>) -> Self {
        Self { inner, up, down }
    }
}

// A method with a default body that is forgotten here would not be limited.
#[deny(clippy::missing_trait_methods)]
impl BlobStore for Bandwidth {
    fn location(&self) -> &str {
        self.inner.location()
    }

    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    fn put(&self, key: &Key, body: Body<'_>, mode: PutMode) -> Result<(), StoreError> {
        self.up.take(body.len());
        self.inner.put(key, body, mode)
    }

    fn get(&self, key: &Key) -> Result<Vec<u8>, StoreError> {
        let bytes = self.inner.get(key)?;
        self.down.take(bytes.len() as u64);
        Ok(bytes)
    }

    fn get_range(&self, key: &Key, offset: u64, buffer: &mut [u8]) -> Result<(), StoreError> {
        self.down.take(buffer.len() as u64);
        self.inner.get_range(key, offset, buffer)
    }

    fn list(&self, folder: &str, each: &mut dyn FnMut(ObjectMeta) -> ControlFlow<()>) -> Result<(), StoreError> {
        self.inner.list(folder, each)
    }

    fn remove(&self, key: &Key) -> Result<(), StoreError> {
        self.inner.remove(key)
    }

    fn discard(&self, key: &Key) -> Result<(), StoreError> {
        self.inner.discard(key)
    }

    fn stat(&self, key: &Key) -> Result<ObjectMeta, StoreError> {
        self.inner.stat(key)
    }

    fn space(&self) -> Result<Option<Space>, StoreError> {
        self.inner.space()
    }
}
