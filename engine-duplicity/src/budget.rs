//! How many bytes may wait in memory between threads.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A number of bytes that permits are given out of.
#[derive(Clone)]
pub struct Budget(Arc<Inner>);

struct Inner {
    most: u64,
    taken: Mutex<u64>,
    freed: Condvar,
}

/// Bytes of a budget, given back when it is dropped.
pub struct Permit {
    budget: Budget,
    bytes: u64,
}

impl Budget {
    pub fn new(most: u64) -> Self {
        Self(Arc::new(Inner {
            most,
            taken: Mutex::new(0),
            freed: Condvar::new(),
        }))
    }

    /// Takes so many bytes, or the whole budget; waits until they are free, unless `given_up` says so.
    pub fn take(&self, bytes: u64, given_up: &dyn Fn() -> bool) -> Permit {
        let bytes = bytes.min(self.0.most);
        let mut taken = self.lock();
        while *taken + bytes > self.0.most && !given_up() {
            let waited = self.0.freed.wait_timeout(taken, Duration::from_millis(100));
            taken = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        *taken += bytes;
        Permit {
            budget: self.clone(),
            bytes,
        }
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut taken = self.budget.lock();
        *taken = taken.saturating_sub(self.bytes);
        drop(taken);
        self.budget.0.freed.notify_one();
    }
}
