//! Work that is given a time and no more.

use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Work that goes on beside the caller.
pub(super) struct Pending<T> {
    answer: Receiver<T>,
    until: Instant,
}

impl<T: Send + 'static> Pending<T> {
    /// Begins `work`, which is to be done within `limit`.
    ///
    /// What takes longer is left to itself: a name service or a server that says a word a minute can only be left.
    pub(super) fn begin(limit: Duration, work: impl FnOnce() -> T + Send + 'static) -> Self {
        let (tell, answer) = channel();
        let work = move || {
            // Nobody listens any more when the time is over.
            let _ = tell.send(work());
        };
        // Without a thread nothing is ever told, which is the same as too late.
        let _ = thread::Builder::new().name("notify".to_owned()).spawn(work);
        Self {
            answer,
            until: Instant::now() + limit,
        }
    }

    /// What came of it; `None` when it took too long.
    pub(super) fn wait(self) -> Option<T> {
        self.answer
            .recv_timeout(self.until.saturating_duration_since(Instant::now()))
            .ok()
    }
}
