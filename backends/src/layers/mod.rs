//! What goes around any storage: retries, timeouts, a limit of bandwidth, a limit of operations at once.
//!
//! Each layer takes an `Arc<dyn BlobStore>` and is one, and forwards everything. From the outside in they belong in this
//! order: [`Retry`], [`Concurrency`], [`Bandwidth`], [`Timeout`], the storage. So who waits for the next try keeps nobody
//! else out, and the time that a try waits for its turn is not held against it. [`RetryFiles`], [`BandwidthFiles`] and
//! [`TimeoutFiles`] do for a tree of files what their namesakes do for objects.

mod aside;
mod bandwidth;
mod bandwidth_files;
mod clock;
mod concurrency;
mod files;
mod retry;
mod timed_file;
mod timeout;
mod timeout_files;

#[cfg(test)]
mod tests;

pub use bandwidth::{Bandwidth, Rate};
pub use bandwidth_files::BandwidthFiles;
pub use clock::{Clock, SystemClock};
pub use concurrency::Concurrency;
pub use files::RetryFiles;
pub use retry::{Attempt, Listener, Retry, RetryPolicy};
pub use timeout::{Limits, Timeout};
pub use timeout_files::TimeoutFiles;
