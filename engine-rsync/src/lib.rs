//! Hard-linked snapshots in the layout of rsync-time-backup.

mod adopt;
mod backup;
mod check;
mod content;
mod contract;
mod diff;
mod engine;
mod entries;
mod error;
mod expire;
mod find;
mod forget;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod layout;
mod lock;
mod manifest;
mod name;
mod parallel;
mod permits;
mod prune;
mod read;
mod removal;
mod repair;
mod restore;
mod room;
mod snapshots;
mod survey;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod time;
mod tree;
mod versions;

pub use engine::{Marker, RsyncEngine, Settings};
pub use error::{Error, Result};
pub use expire::{Strategy, StrategyError};
