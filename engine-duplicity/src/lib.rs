//! Full and incremental chains in the format of duplicity.

mod archive;
mod backup;
mod chain;
mod container;
mod damage;
mod engine;
mod error;
mod estimate;
mod forget;
mod format;
mod manifests;
mod merge;
mod meta;
mod restore;
mod settings;
mod sigtar;
mod snapshots;
mod source;
mod stored;
mod tar;
#[cfg(test)]
mod testing;

pub use container::{Cipher, Seal};
pub use engine::DuplicityEngine;
pub use error::{Error, Result};
pub use format::Prefixes;
pub use settings::{BackupMode, BlockRule, Settings};
