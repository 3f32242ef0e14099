//! What was written goes to the server's disk while more is on its way, so that the sync at the end finds little left to do.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use engine_api::StoreErrorKind;

use super::errors::Problem;

/// So many bytes are written before the server is told to sync them.
const EVERY: u64 = 128 << 20;

/// What takes longer to come the server writes down in time by itself.
const WITHIN: Duration = Duration::from_secs(10);

/// The syncs before the one that counts; one at a time.
#[derive(Default)]
pub(super) struct Early(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Default)]
struct State {
    written: u64,
    since: Option<Instant>,
    is_running: bool,
    /// A sync that fails takes the system's only note of what could not be written: no other fails for that again.
    failed: Option<Problem>,
}

/// A sync that is under way. If its end is not told it may have failed.
pub(super) struct Running {
    shared: Arc<Shared>,
    ended: Option<Result<(), Problem>>,
}

impl Early {
    /// So many bytes more were written; what is to be begun now, if it is time. Fails when an earlier one has failed.
    pub(super) fn written(&self, bytes: u64) -> Result<Option<Running>, Problem> {
        let mut state = self.0.lock();
        if let Some(problem) = &state.failed {
            return Err(problem.clone());
        }
        let since = *state.since.get_or_insert_with(Instant::now);
        state.written += bytes;
        if state.written < EVERY || state.is_running {
            return Ok(None);
        }
        (state.written, state.since) = (0, None);
        if since.elapsed() > WITHIN {
            return Ok(None);
        }
        state.is_running = true;
        Ok(Some(Running {
            shared: Arc::clone(&self.0),
            ended: None,
        }))
    }

    /// Waits for the one that is under way; fails when that or an earlier one has failed.
    pub(super) fn finish(&self) -> Result<(), Problem> {
        let state = self.0.lock();
        let running = self.0.ended.wait_while(state, |state| state.is_running);
        let state = running.unwrap_or_else(PoisonError::into_inner);
        state.failed.clone().map_or(Ok(()), Err)
    }
}

impl Running {
    /// It has ended, or could not be begun.
    pub(super) fn end(mut self, result: Result<(), Problem>) {
        self.ended = Some(result);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let ended = self.ended.take();
        let unknown = || {
            Err(Problem::hinted(
                StoreErrorKind::Connection,
                "the connection broke while the server wrote to its disk, and nobody knows whether it could",
                "run it again",
            ))
        };
        let mut state = self.shared.lock();
        state.is_running = false;
        state.failed = ended.unwrap_or_else(unknown).err();
        drop(state);
        self.shared.ended.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_begun_whenever_much_was_written_and_none_is_under_way() {
        let early = Early::default();
        assert!(early.written(EVERY - 1).unwrap().is_none());
        let running = early.written(1).unwrap().unwrap();
        assert!(early.written(EVERY).unwrap().is_none(), "one at a time");
        running.end(Ok(()));
        early.finish().unwrap();
        assert!(early.written(0).unwrap().is_some(), "what came meanwhile");
    }

    #[test]
    fn one_that_fails_or_is_lost_fails_all_that_follows() {
        let failed = Problem::known(StoreErrorKind::Other, "the disk is broken");
        for (ended, text) in [(Some(failed), "broken"), (None, "nobody knows")] {
            let early = Early::default();
            let running = early.written(EVERY).unwrap().unwrap();
            match ended {
                Some(problem) => running.end(Err(problem)),
                None => drop(running),
            }
            let (at_the_end, before) = (early.finish(), early.written(1).err());
            for problem in [at_the_end.unwrap_err(), before.unwrap()] {
                assert!(problem.to_string().contains(text), "{problem}");
            }
        }
    }

    #[test]
    fn the_end_waits_for_the_one_that_is_under_way() {
        let early = Early::default();
        let running = early.written(EVERY).unwrap().unwrap();
        std::thread::scope(|scope| {
            let finished = scope.spawn(|| early.finish());
            std::thread::sleep(Duration::from_millis(50));
            assert!(!finished.is_finished());
            running.end(Ok(()));
            finished.join().unwrap().unwrap();
        });
    }
}
