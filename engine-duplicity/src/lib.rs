//! Full and incremental chains in the format of duplicity.

mod archive;
mod backup;
mod budget;
mod chain;
mod check;
mod container;
mod content;
mod contract;
#[cfg(feature = "openpgp")]
mod crypt;
mod damage;
mod diff;
mod engine;
mod entries;
mod error;
mod estimate;
mod find;
mod forget;
mod format;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod listing;
mod manifests;
mod members;
mod merge;
mod meta;
mod prune;
mod repair;
mod restore;
mod settings;
mod sigtar;
mod snapshots;
mod source;
mod status;
mod stored;
mod tar;
#[cfg(test)]
mod testing;
mod verify;
mod versions;

pub use backup::{SyntheticReport, SyntheticRequest};
pub use container::{Cipher, Seal};
#[cfg(feature = "openpgp")]
pub use crypt::{CryptError, OpenPgp, OpenPgpSettings};
pub use engine::DuplicityEngine;
pub use error::{Error, Result};
pub use format::Prefixes;
pub use settings::{BackupMode, BlockRule, Settings};
pub use status::{ChainStatus, CollectionStatus, SetStatus};
pub use verify::{VerifyReport, VerifyRequest};
