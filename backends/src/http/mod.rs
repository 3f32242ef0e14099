//! What the storages over HTTP share: one blocking client with its connections, trust, timeouts and errors.

mod answer;
mod client;
pub(crate) mod escape;
mod failure;
mod line;
mod message;
mod read;
mod trust;
pub(crate) mod xml;

#[cfg(test)]
mod tests;

pub(crate) use answer::Answer;
pub(crate) use client::{Call, Client, basic};
pub(crate) use failure::{Failure, Place, Refusal};
pub use message::{Message, tell};
pub(crate) use read::range;
pub use trust::Trust;

use std::sync::Arc;
use std::time::Duration;

use crate::layers::Rate;

/// How a storage over HTTP uses the network.
#[derive(Debug, Clone)]
pub struct Options {
    /// The longest time to look a server up and to be connected to it, encryption included.
    pub connect: Duration,
    /// The longest time without a byte moving on a connection that waits for one.
    pub stall: Duration,
    /// Operations at once; 0 leaves it to the storage.
    pub connections: usize,
    /// The limit of what is sent; none when missing.
    pub up: Option<Arc<Rate>>,
    /// The limit of what is received; none when missing.
    pub down: Option<Arc<Rate>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            stall: Duration::from_mins(2),
            connections: 0,
            up: None,
            down: None,
        }
    }
}

impl Options {
    /// The number of operations at once, with the storage's own choice `own`.
    pub(crate) fn concurrency(&self, own: usize) -> usize {
        if self.connections == 0 { own } else { self.connections }
    }
}
