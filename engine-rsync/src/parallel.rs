//! One function over many items on a few threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};

/// A lock whose holder panicked guards nothing that is worth stopping for.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
