//! One function over many items on a few threads.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::Result;
use crate::repository::lock;

/// Calls `work` with every item on up to `threads` threads and hands each result to `take`, one at a time and in any
/// order; stops at the first failure of either.
pub fn each<T: Sync, R: Send>(
    items: &[T],
    threads: usize,
    work: impl Fn(&T) -> Result<R> + Sync,
    take: impl FnMut(&T, R) -> Result<()> + Send,
) -> Result<()> {
    each_with(items, threads, || Ok(()), |(), item| work(item), take)
}

/// The same where every thread has something of its own, such as buffers: `begin` makes it.
pub fn each_with<T: Sync, R: Send, S>(
    items: &[T],
    threads: usize,
    begin: impl Fn() -> Result<S> + Sync,
    work: impl Fn(&mut S, &T) -> Result<R> + Sync,
    take: impl FnMut(&T, R) -> Result<()> + Send,
) -> Result<()> {
    let next = AtomicUsize::new(0);
    let take = Mutex::new(take);
    let work_on_all = || -> Result<()> {
        let mut own = begin()?;
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            let result = work(&mut own, item)?;
            (lock(&take))(item, result)?;
        }
        Ok(())
    };
    let run = || {
        let outcome = work_on_all();
        if outcome.is_err() {
            next.store(items.len(), Ordering::Relaxed);
        }
        outcome
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(items.len())).map(|_| scope.spawn(run)).collect();
        let own = run();
        let failed = |_| Err(crate::Error::Interrupted);
        others
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(failed))
            .fold(own, Result::and)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    #[test]
    fn every_item_is_worked_on_once() {
        let items: Vec<u32> = (0..1000).collect();
        let mut sum = 0;
        each(
            &items,
            4,
            |item| Ok(u64::from(*item)),
            |_, result| {
                sum += result;
                Ok(())
            },
        )
        .unwrap();
        assert_eq!(sum, 499_500);
    }

    #[test]
    fn a_failure_ends_it() {
        let items: Vec<u32> = (0..1000).collect();
        let result = each(
            &items,
            4,
            |item| if *item == 3 { Err(Error::LockLost) } else { Ok(()) },
            |_, ()| Ok(()),
        );
        assert!(matches!(result, Err(Error::LockLost)));
    }
}
