//! Full and incremental chains in the format of duplicity.

mod chain;
mod container;
mod engine;
mod error;
mod format;
mod settings;
mod tar;

pub use container::{Cipher, Seal};
pub use engine::DuplicityEngine;
pub use error::{Error, Result};
pub use format::Prefixes;
pub use settings::{BackupMode, BlockRule, Settings};
