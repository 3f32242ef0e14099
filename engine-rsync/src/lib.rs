//! Hard-linked snapshots in the layout of rsync-time-backup.

mod content;
mod diff;
mod engine;
mod entries;
mod error;
mod find;
mod manifest;
mod name;
mod parallel;
mod restore;
mod snapshots;
mod tree;

pub use engine::RsyncEngine;
pub use error::{Error, Result};
