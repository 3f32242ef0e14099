//! How fast the line is, as far as what is under way on it shows.
//!
//! Little arrives when the line is slow, and just so when the server's disk is. A question to the server's SSH tells the two
//! apart: it waits behind all that is on the line, and behind nothing that the disk has to do.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// With so many bytes under way it is the line that is waited for, or the server, and not the program.
const FULL: usize = 2 << 20;

/// For so long it is watched before anything is said of it.
const WATCHED: Duration = Duration::from_secs(2);

/// Bytes in a second below which compressing saves more time than it takes: one core compresses three to five times as much.
const SLOW: u64 = 24 << 20;

/// A question takes so much longer where there is only half of what is under way before it on a line that is slow.
const BEHIND: Duration = Duration::from_millis((FULL as u64 * 1000) / SLOW / 2);

/// Watches the channels of one connection.
#[derive(Default)]
pub(super) struct Pace {
    state: Mutex<State>,
    suspected: Notify,
}

#[derive(Default)]
struct State {
    under_way: usize,
    /// Since when that is much.
    full_since: Option<Instant>,
    /// How long it was, before that.
    full_for: Duration,
    /// Bytes that arrived in that time.
    passed: u64,
    is_slow: bool,
}

impl Pace {
    /// So many bytes were asked for or sent.
    pub(super) fn begin(&self, bytes: usize, now: Instant) {
        let mut state = self.lock();
        state.under_way += bytes;
        if state.under_way >= FULL && state.full_since.is_none() {
            state.full_since = Some(now);
        }
    }

    /// The answer to that is there.
    pub(super) fn end(&self, bytes: usize, now: Instant) {
        let mut state = self.lock();
        state.under_way = state.under_way.saturating_sub(bytes);
        let Some(since) = state.full_since else {
            return;
        };
        state.passed += bytes as u64;
        let watched = state.full_for + now.saturating_duration_since(since);
        if state.under_way < FULL {
            (state.full_since, state.full_for) = (None, watched);
        }
        if watched >= WATCHED {
            let millis = u64::try_from(watched.as_millis()).unwrap_or(u64::MAX);
            if state.passed < SLOW.saturating_mul(millis) / 1000 {
                self.suspected.notify_one();
            }
            (state.full_for, state.passed) = (Duration::ZERO, 0);
            state.full_since = state.full_since.map(|_| now);
        }
    }

    /// Waits until little arrives of much that is under way.
    pub(super) async fn suspected(&self) {
        self.suspected.notified().await;
    }

    /// It is the line, if a question that waits for nothing else took `asked`, and `turn` when there was nothing on the line.
    pub(super) fn judge(&self, asked: Duration, turn: Duration) {
        self.lock().is_slow |= asked >= turn + BEHIND;
    }

    /// Whether the line has turned out to be slow.
    pub(super) fn is_slow(&self) -> bool {
        self.lock().is_slow
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_millis(10);

    fn is_suspected(pace: &Pace) -> bool {
        let waiting = std::pin::pin!(pace.suspected());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        waiting.poll(&mut context).is_ready()
    }

    /// A line with `under_way` bytes on it, of which `bytes` arrive in each of `steps`.
    fn watched(under_way: usize, bytes: usize, steps: u32) -> bool {
        let (pace, start) = (Pace::default(), Instant::now());
        pace.begin(under_way, start);
        for step in 1..=steps {
            let now = start + STEP * step;
            pace.end(bytes, now);
            pace.begin(bytes, now);
        }
        is_suspected(&pace)
    }

    #[test]
    fn a_line_may_be_slow_when_much_is_under_way_and_little_arrives_for_a_while() {
        let (slow, fast) = (200_000, 400_000);
        assert!(watched(4 << 20, slow, 250));
        assert!(!watched(4 << 20, slow, 100), "that was too short a while");
        assert!(!watched(4 << 20, fast, 1000));
        assert!(!watched(1 << 20, slow, 1000), "the program gave it no more");
    }

    #[test]
    fn a_line_that_was_fast_may_become_slow() {
        let (pace, start) = (Pace::default(), Instant::now());
        pace.begin(8 << 20, start);
        for step in 1..=1000 {
            let (now, bytes) = (start + STEP * step, if step < 500 { 1 << 20 } else { 10_000 });
            pace.end(bytes, now);
            pace.begin(bytes, now);
        }
        assert!(is_suspected(&pace));
    }

    #[test]
    fn it_is_the_line_only_if_a_question_is_held_up() {
        let (pace, turn) = (Pace::default(), Duration::from_millis(100));
        pace.judge(Duration::from_millis(120), turn);
        assert!(!pace.is_slow(), "that is the disk");
        pace.judge(Duration::from_millis(350), turn);
        assert!(pace.is_slow());
    }
}
