//! How much of what is written to one file may be under way.
//!
//! A line with a long way takes much before the first answer is back. What is sent beyond that waits in the server, which
//! makes room for it and clears that again: OpenSSH then takes a third more of a processor for the same bytes. An answer that
//! takes much longer than the fastest had to wait there.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Bytes: enough for a line of 100 MB/s at 40 ms.
const MOST: usize = 4 << 20;

/// Less keeps the server waiting for the next.
const LEAST: usize = 512 << 10;

/// A request that carries so much is a part of a file.
const PART: usize = 16 << 10;

/// The window of one channel.
pub(super) struct Window {
    bytes: AtomicUsize,
    adapts: bool,
}

impl Window {
    /// Always the same, for a line that is watched: with little under way it would never show that it is slow.
    pub(super) const fn fixed() -> Self {
        Self {
            bytes: AtomicUsize::new(MOST),
            adapts: false,
        }
    }

    /// As much as the line needs.
    pub(super) const fn adapting() -> Self {
        Self {
            bytes: AtomicUsize::new(LEAST),
            adapts: true,
        }
    }

    /// One of the same kind for another channel.
    pub(super) const fn another(&self) -> Self {
        if self.adapts { Self::adapting() } else { Self::fixed() }
    }

    /// So many bytes of a file may be under way now.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The answer to a request of `sent` bytes took so long; the fastest took `turn`. With it `under_way` bytes were.
    pub(super) fn answered(&self, sent: usize, took: Duration, turn: Duration, under_way: usize) {
        if !self.adapts || sent < PART {
            return;
        }
        let now = self.bytes();
        let next = if took < turn * 2 && under_way >= now / 2 {
            now + sent
        } else if took > turn * 4 {
            now.saturating_sub(sent / 4)
        } else {
            now
        };
        self.bytes.store(next.clamp(LEAST, MOST), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: usize = 255 << 10;

    /// The window after a while on a line with this way, there and back, to a server that takes so many bytes in a second.
    fn after_a_while(turn: Duration, speed: f64) -> usize {
        let window = Window::adapting();
        for _ in 0..200 {
            let bytes = window.bytes();
            let waiting = Duration::from_secs_f64(bytes as f64 / speed);
            window.answered(SENT, turn.max(waiting), turn, bytes);
        }
        window.bytes()
    }

    #[test]
    fn a_long_way_is_filled_and_a_short_one_is_not_crowded() {
        let (fast, millis) = (100e6, Duration::from_millis);
        assert_eq!(after_a_while(Duration::from_micros(200), fast), LEAST);
        assert_eq!(after_a_while(millis(1), fast), LEAST);
        assert!(after_a_while(millis(20), fast) >= 2_000_000, "100 MB/s for 20 ms");
        assert_eq!(after_a_while(millis(100), fast), MOST);
        assert_eq!(after_a_while(millis(5), 1e6), LEAST, "a slow line");
    }

    #[test]
    fn who_sends_little_says_nothing_about_the_line() {
        let (window, turn) = (Window::adapting(), Duration::from_millis(20));
        for _ in 0..100 {
            window.answered(SENT, turn, turn, SENT);
            window.answered(100, turn, turn, MOST);
        }
        assert_eq!(window.bytes(), LEAST);
    }

    #[test]
    fn what_is_too_much_becomes_less() {
        let (window, turn) = (Window::adapting(), Duration::from_millis(20));
        for _ in 0..100 {
            window.answered(SENT, turn, turn, MOST);
        }
        assert_eq!(window.bytes(), MOST);
        for _ in 0..100 {
            window.answered(SENT, turn * 10, turn, MOST);
        }
        assert_eq!(window.bytes(), LEAST);
        assert_eq!(Window::fixed().bytes(), MOST);
    }
}
