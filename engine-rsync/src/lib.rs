//! Hard-linked snapshots in the layout of rsync-time-backup.

mod adopt;
mod check;
mod content;
mod diff;
mod engine;
mod entries;
mod error;
mod find;
mod manifest;
mod name;
mod parallel;
mod prune;
mod read;
mod repair;
mod restore;
mod snapshots;
mod time;
mod tree;

pub use engine::RsyncEngine;
pub use error::{Error, Result};
