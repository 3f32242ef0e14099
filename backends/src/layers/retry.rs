use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::io::Read;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use engine_api::{BlobStore, Body, Capabilities, Cause, Key, ObjectMeta, PutMode, Space, StoreError, StoreErrorKind};

use super::{Clock, SystemClock};

/// How much of an object is read at once to compare it with a body.
const PIECE: usize = 1 << 20;

/// How often and how long a failed operation is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Tries all together, the first included.
    pub tries: u32,
    /// The wait before the second try; it doubles from try to try.
    pub first_wait: Duration,
    /// The longest wait of the storage's own choosing.
    pub longest_wait: Duration,
    /// No try starts later than this after the first one.
    pub total: Duration,
}

impl Default for RetryPolicy {
    /// Ten tries within a quarter of an hour: a router that restarts is waited for, a server that is gone is not.
    fn default() -> Self {
        Self {
            tries: 10,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_mins(1),
            total: Duration::from_mins(15),
        }
    }
}

/// A try that failed and will be repeated.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// Which try it was, counted from 1.
    pub number: u32,
    /// How long it will be until the next.
    pub wait: Duration,
    /// Why it failed.
    pub error: &'a StoreError,
}

/// Is told of every try that will be repeated; when it breaks, the error is final.
pub type Listener = Box<dyn Fn(Attempt<'_>) -> ControlFlow<()> + Send + Sync>;

/// Tries again what may pass: with a growing, random wait, and at once not at all where it cannot help.
///
/// Where the answer to a try was lost, its effect may be there: an object that now exists with the same content has been
/// created, one that is now missing has been removed. What was stored after such a loss is looked at once more.
pub struct Retry {
    inner: Arc<dyn BlobStore>,
    tries: Tries,
}

/// What is tried again: see [`Retry`].
pub(super) struct Tries {
    policy: RetryPolicy,
    listener: Listener,
    clock: Arc<dyn Clock>,
    random: RandomState,
}

impl Retry {
    /// `inner` with `policy`; `listener` is told of every repetition.
    #[must_use]
    pub fn new(inner: Arc<dyn BlobStore>, policy: RetryPolicy, listener: Listener) -> Self {
        Self::with_clock(inner, policy, listener, Arc::new(SystemClock::new()))
    }

    /// The same by another clock.
    #[must_use]
    pub fn with_clock(
        inner: Arc<dyn BlobStore>,
        policy: RetryPolicy,
        listener: Listener,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            inner,
            tries: Tries {
                policy,
                listener,
                clock,
                random: RandomState::new(),
            },
        }
    }

    /// Calls `open`, which is to open a storage, with `policy`: `listener` is told of every repetition.
    ///
    /// # Errors
    /// The last error of `open`.
    pub fn opening<T>(
        policy: RetryPolicy,
        listener: Listener,
        mut open: impl FnMut() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        Tries::new(policy, listener).run(|_| open())
    }

    /// Whether `key` holds just what `body` is.
    fn holds(&self, key: &Key, body: Body<'_>) -> Result<bool, StoreError> {
        if self.inner.stat(key)?.size != body.len() {
            return Ok(false);
        }
        let mut reader = body.reader().take(body.len());
        let (mut offset, mut wanted, mut found) = (0, Vec::new(), Vec::new());
        loop {
            wanted.clear();
            // A source that can no longer be read proves nothing.
            let Ok(length) = reader.by_ref().take(PIECE as u64).read_to_end(&mut wanted) else {
                return Ok(false);
            };
            if length == 0 {
                return Ok(offset == body.len());
            }
            found.resize(length, 0);
            self.inner.get_range(key, offset, &mut found)?;
            if found != wanted {
                return Ok(false);
            }
            offset += length as u64;
        }
    }

    fn create(&self, key: &Key, body: Body<'_>, again: bool) -> Result<(), StoreError> {
        match self.inner.put(key, body, PutMode::Create) {
            Err(error) if again && error.kind == StoreErrorKind::AlreadyExists => {
                if self.holds(key, body)? {
                    return Ok(());
                }
                Err(error)
            }
            other => other,
        }
    }

    /// Makes sure that `key` is there: a server may throw away what it has when an earlier try ends at last, though a later
    /// one has stored it since.
    fn look(&self, key: &Key, body: Body<'_>) -> Result<(), StoreError> {
        let found = self.inner.stat(key);
        match &found {
            Ok(found) if found.size == body.len() => return Ok(()),
            Err(error) if !error.is_not_found() => return found.map(|_| ()),
            _ => {}
        }
        Err(StoreError {
            operation: "write",
            object: key.to_string(),
            location: self.location().to_owned(),
            kind: StoreErrorKind::Other,
            source: Cause::new("the server took it and does not have it").into(),
        })
    }
}

/// The names that a listing has handed over, each by a hash of 128 bits: a long listing takes sixteen bytes a name.
pub(super) struct Seen {
    marks: HashSet<u128>,
    random: RandomState,
}

impl Seen {
    pub(super) fn new() -> Self {
        Self {
            marks: HashSet::new(),
            random: RandomState::new(),
        }
    }

    /// Notes `name`; whether it is new.
    pub(super) fn is_new(&mut self, name: &[u8]) -> bool {
        let (one, two) = (self.random.hash_one((0_u8, name)), self.random.hash_one((1_u8, name)));
        self.marks.insert((u128::from(one) << 64) | u128::from(two))
    }
}

impl Tries {
    pub(super) fn new(policy: RetryPolicy, listener: Listener) -> Self {
        Self {
            policy,
            listener,
            clock: Arc::new(SystemClock::new()),
            random: RandomState::new(),
        }
    }

    /// Calls `attempt` until it goes well or further tries are no use; it is told whether an earlier one may have worked.
    pub(super) fn run<T>(&self, mut attempt: impl FnMut(bool) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let start = self.clock.now();
        let mut number = 1;
        loop {
            let error = match attempt(number > 1) {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let Some(wait) = self.wait(number, start, &error) else {
                return Err(error);
            };
            let told = (self.listener)(Attempt {
                number,
                wait,
                error: &error,
            });
            if told.is_break() {
                return Err(error);
            }
            self.clock.sleep(wait);
            number += 1;
        }
    }

    /// How long to wait before the next try; `None` when there is to be none.
    fn wait(&self, number: u32, start: Duration, error: &StoreError) -> Option<Duration> {
        if error.is_permanent() || number >= self.policy.tries {
            return None;
        }
        let doubled = self
            .policy
            .first_wait
            .saturating_mul(2_u32.saturating_pow(number.saturating_sub(1)));
        let wait = self.jitter(doubled.min(self.policy.longest_wait), number);
        let wait = error.wait().map_or(wait, |asked| asked.max(wait));
        let elapsed = self.clock.now().saturating_sub(start);
        (elapsed.saturating_add(wait) <= self.policy.total).then_some(wait)
    }

    /// Between half of `wait` and the whole: clients that failed together must not come back together.
    fn jitter(&self, wait: Duration, number: u32) -> Duration {
        let random = self.random.hash_one((self.clock.now(), number)) % 1000;
        let share = u32::try_from(random).unwrap_or(0) + 1000;
        wait.saturating_mul(share) / 2000
    }
}

// A method with a default body that is forgotten here would not be tried again.
#[deny(clippy::missing_trait_methods)]
impl BlobStore for Retry {
    fn location(&self) -> &str {
        self.inner.location()
    }

    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    fn put(&self, key: &Key, body: Body<'_>, mode: PutMode) -> Result<(), StoreError> {
        self.tries.run(|again| {
            match mode {
                PutMode::Create => self.create(key, body, again),
                PutMode::Replace => self.inner.put(key, body, mode),
            }?;
            if again { self.look(key, body) } else { Ok(()) }
        })
    }

    fn get(&self, key: &Key) -> Result<Vec<u8>, StoreError> {
        self.tries.run(|_| self.inner.get(key))
    }

    fn get_range(&self, key: &Key, offset: u64, buffer: &mut [u8]) -> Result<(), StoreError> {
        self.tries.run(|_| self.inner.get_range(key, offset, buffer))
    }

    /// After a failure the listing starts again, and what was handed over before is left out.
    fn list(&self, folder: &str, each: &mut dyn FnMut(ObjectMeta) -> ControlFlow<()>) -> Result<(), StoreError> {
        let mut seen = Seen::new();
        self.tries.run(|_| {
            self.inner.list(folder, &mut |object| {
                if seen.is_new(object.key.as_bytes()) {
                    each(object)
                } else {
                    ControlFlow::Continue(())
                }
            })
        })
    }

    fn remove(&self, key: &Key) -> Result<(), StoreError> {
        self.tries.run(|again| match self.inner.remove(key) {
            Err(error) if again && error.is_not_found() => Ok(()),
            other => other,
        })
    }

    fn discard(&self, key: &Key) -> Result<(), StoreError> {
        self.tries.run(|_| self.inner.discard(key))
    }

    fn stat(&self, key: &Key) -> Result<ObjectMeta, StoreError> {
        self.tries.run(|_| self.inner.stat(key))
    }

    fn space(&self) -> Result<Option<Space>, StoreError> {
        self.tries.run(|_| self.inner.space())
    }
}
