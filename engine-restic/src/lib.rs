//! Deduplicated, encrypted snapshots in restic's repository format, versions 1 and 2.
//!
//! The format is restic's public design document, with what its programs do where the document is silent. [`ResticEngine`]
//! implements [`engine_api::Engine`]; the modules below it go from bytes to meaning: `crypto` seals, `format` encodes
//! each kind of file, `repository` stores and finds them, `index` knows where every blob lies.

mod backup;
mod check;
mod chunker;
mod content;
mod contract;
mod crypto;
mod diff;
mod engine;
mod entries;
mod error;
mod find;
mod forget;
mod format;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod id;
mod index;
mod inventory;
mod lock;
mod pack;
mod parallel;
mod prune;
mod removal;
mod repair;
mod repository;
mod restore;
mod snapshots;
#[cfg(test)]
mod testing;
mod trees;
mod versions;

pub use crypto::Password;
pub use engine::ResticEngine;
pub use error::{Error, Result};
pub use id::Id;
pub use repository::{Compression, KeyInfo, Settings};
