//! A bound on what many threads hold at the same time.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::parallel::lock;

/// Room for so many bytes in the memory of all threads together.
pub struct Permits {
    most: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    used: usize,
    /// Those that wait, in the order in which they get room: whoever is woken has it, and nobody wakes in vain.
    queue: VecDeque<Arc<Waiting>>,
}

struct Waiting {
    bytes: usize,
    go: Condvar,
}

/// A part of it, given back when it is dropped.
pub struct Permit<'a> {
    of: &'a Permits,
    bytes: usize,
}

impl Permits {
    pub fn new(most: usize) -> Self {
        Self {
            most,
            state: Mutex::default(),
        }
    }

    /// Waits until there is room for `bytes`, after those that came before; more than there is at all is taken for all of it.
    pub fn take(&self, bytes: usize) -> Permit<'_> {
        let bytes = bytes.min(self.most);
        let mut state = lock(&self.state);
        if !state.queue.is_empty() || state.used + bytes > self.most {
            let waiting = Arc::new(Waiting {
                bytes,
                go: Condvar::new(),
            });
            state.queue.push_back(Arc::clone(&waiting));
            while !state.is_next(&waiting, self.most) {
                state = waiting.go.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            state.queue.pop_front();
        }
        state.used += bytes;
        self.call_next(&state);
        Permit { of: self, bytes }
    }

    /// Wakes who is next, if there is room.
    fn call_next(&self, state: &State) {
        if let Some(next) = state.queue.front().filter(|next| state.used + next.bytes <= self.most) {
            next.go.notify_one();
        }
    }
}

impl State {
    fn is_next(&self, waiting: &Arc<Waiting>, most: usize) -> bool {
        let first = self.queue.front();
        first.is_some_and(|first| Arc::ptr_eq(first, waiting) && self.used + waiting.bytes <= most)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.of.state);
        state.used -= self.bytes;
        self.of.call_next(&state);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn no_more_is_taken_than_there_is_and_everybody_gets_some() {
        let (permits, held, done) = (Permits::new(100), AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for thread in 0..16 {
                let (permits, held, done) = (&permits, &held, &done);
                scope.spawn(move || {
                    for turn in 0..200 {
                        let bytes = 1 + (thread * 31 + turn * 7) % 130;
                        let permit = permits.take(bytes);
                        let now = held.fetch_add(bytes.min(100), Ordering::SeqCst) + bytes.min(100);
                        assert!(now <= 100, "{now}");
                        std::thread::yield_now();
                        held.fetch_sub(bytes.min(100), Ordering::SeqCst);
                        drop(permit);
                        done.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(done.into_inner(), 16 * 200);
        assert!(lock(&permits.state).queue.is_empty());
    }

    #[test]
    fn a_large_one_is_not_overtaken_for_ever() {
        let permits = Permits::new(10);
        let small = permits.take(1);
        std::thread::scope(|scope| {
            let large = scope.spawn(|| drop(permits.take(10)));
            while lock(&permits.state).queue.is_empty() {
                std::thread::yield_now();
            }
            let after = scope.spawn(|| drop(permits.take(1)));
            while lock(&permits.state).queue.len() < 2 {
                std::thread::yield_now();
            }
            drop(small);
            large.join().unwrap();
            after.join().unwrap();
        });
    }
}
