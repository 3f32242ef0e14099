//! One function over many items on a few threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};

/// A lock whose holder panicked guards nothing that is worth stopping for.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Room for so many bytes in the memory of all threads together.
pub struct Permits {
    most: usize,
    state: Mutex<State>,
    freed: Condvar,
}

struct State {
    used: usize,
    /// Threads that wait: to wake nobody would cost a system call too.
    waiting: usize,
}

/// A part of it, given back when it is dropped.
pub struct Permit<'a> {
    of: &'a Permits,
    bytes: usize,
}

impl Permits {
    pub const fn new(most: usize) -> Self {
        Self {
            most,
            state: Mutex::new(State { used: 0, waiting: 0 }),
            freed: Condvar::new(),
        }
    }

    /// Waits until there is room for `bytes`; more than there is at all is taken for all of it.
    pub fn take(&self, bytes: usize) -> Permit<'_> {
        let bytes = bytes.min(self.most);
        let mut state = lock(&self.state);
        while state.used + bytes > self.most {
            state.waiting += 1;
            state = self.freed.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
        }
        state.used += bytes;
        drop(state);
        Permit { of: self, bytes }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.of.state);
        state.used -= self.bytes;
        let waiting = state.waiting;
        drop(state);
        if waiting > 0 {
            self.of.freed.notify_all();
        }
    }
}

/// Something to be done at the same time as others.
pub type Part<'a> = &'a (dyn Fn() -> Result<()> + Sync);

/// Does all of them at the same time; the first failure in their order counts.
pub fn together(parts: &[Part<'_>]) -> Result<()> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = parts.iter().map(|part| scope.spawn(part)).collect();
        let failed = |_| Err(Error::Interrupted);
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(failed))
            .fold(Ok(()), Result::and)
    })
}

/// Files that are read to their end at the same time: a store far away keeps for each what it reads ahead.
pub const READERS: usize = 32;

/// Calls `work` with every item on up to `threads` threads; stops at the first failure.
pub fn each<T: Sync>(items: &[T], threads: usize, work: impl Fn(&T) -> Result<()> + Sync) -> Result<()> {
    let next = AtomicUsize::new(0);
    let run = || {
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(error) = work(item) {
                next.store(items.len(), Ordering::Relaxed);
                return Err(error);
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(items.len())).map(|_| scope.spawn(run)).collect();
        let own = run();
        let failed = |_| Err(Error::Interrupted);
        others
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(failed))
            .fold(own, Result::and)
    })
}
