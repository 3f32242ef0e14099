//! Questions to the kernel that may never be answered.

use std::sync::mpsc::sync_channel;
use std::time::Duration;

/// What `work` gives, if it gives it in time; otherwise it is left behind on its thread. Without a limit it is waited for.
pub(super) fn within<T: Send + 'static>(
    limit: Option<Duration>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let Some(limit) = limit else { return Some(work()) };
    let (sender, receiver) = sync_channel(1);
    let thread = move || {
        let _ = sender.send(work());
    };
    std::thread::Builder::new().spawn(thread).ok()?;
    receiver.recv_timeout(limit).ok()
}
