//! Locks that restic honours, and that honour restic's.
//!
//! | starts \ runs | backup, restore, check | forget, prune, repair, key |
//! | --- | --- | --- |
//! | backup, restore, check (shared) | both go on | refused |
//! | forget, prune, repair (exclusive) | refused | refused |
//!
//! A lock is a file that its holder renews every five minutes. It is stale when it is older than half an hour, or when it
//! was made on this machine by a process that is gone; stale locks are removed.
//!
//! Whoever takes a lock stores it and then looks for others once more, before anything else is read: of two who lock at the
//! same moment, at least one sees the other and gives up. restic does the same. Where a listing may come late
//! (`Capabilities::prompt_listings`), who is about to write looks a third time, 200 ms after the lock was stored.

mod guard;
mod others;
mod reading;

pub use guard::Lock;
pub use others::remove_locks;

/// Whether others may work on the repository meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Others that only add or read.
    Shared,
    /// Nobody.
    Exclusive,
}

#[cfg(test)]
mod tests;
