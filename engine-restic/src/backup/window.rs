//! How far the walk may run ahead of what is in the listings: entries wait there behind a large file, and memory must
//! not grow with their number.

use std::sync::{Condvar, Mutex};
use std::time::Duration;

use crate::repository::lock;

const MOST: usize = 8192;

/// Counts entries, other than folders, that have a place and are not in their listing yet.
#[derive(Default)]
pub struct Window {
    taken: Mutex<usize>,
    freed: Condvar,
}

impl Window {
    /// Takes room for one entry; waits while there is none, unless `given_up` says so.
    pub fn take(&self, given_up: &dyn Fn() -> bool) {
        let mut taken = lock(&self.taken);
        while *taken >= MOST && !given_up() {
            let waited = self.freed.wait_timeout(taken, Duration::from_millis(100));
            taken = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
        *taken += 1;
    }

    /// Gives room back.
    pub fn release(&self, count: usize) {
        if count > 0 {
            let mut taken = lock(&self.taken);
            *taken = taken.saturating_sub(count);
            drop(taken);
            self.freed.notify_one();
        }
    }
}
