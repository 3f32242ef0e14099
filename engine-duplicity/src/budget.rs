//! How many bytes may wait in memory between threads.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A number of bytes that permits are given out of.
#[derive(Clone)]
pub struct Budget(Arc<Inner>);

struct Inner {
    most: u64,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Default)]
struct State {
    taken: u64,
    /// Threads that wait: to wake nobody would cost a system call too.
    waiting: usize,
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
            state: Mutex::default(),
            freed: Condvar::new(),
        }))
    }

    /// Takes so many bytes, or the whole budget; waits until they are free, unless `given_up` says so.
    pub fn take(&self, bytes: u64, given_up: &dyn Fn() -> bool) -> Permit {
        let bytes = bytes.min(self.0.most);
        let mut state = self.lock();
        while state.taken + bytes > self.0.most && !given_up() {
            state.waiting += 1;
            let waited = self.0.freed.wait_timeout(state, Duration::from_millis(100));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.waiting -= 1;
        }
        state.taken += bytes;
        drop(state);
        Permit {
            budget: self.clone(),
            bytes,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.budget.lock();
        state.taken = state.taken.saturating_sub(self.bytes);
        let waiting = state.waiting;
        drop(state);
        if waiting > 0 {
            self.budget.0.freed.notify_one();
        }
    }
}
