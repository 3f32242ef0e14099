//! Signatures and deltas in the formats of librsync, streamed: a file of any length in a few megabytes of memory.
//!
//! A *signature* has a weak and a strong sum of every block of a file. Who has the signature of an old file can write
//! the *delta* that makes the new file of the old one, without having the old one; who has the old one can *patch* it.
//!
//! ```
//! use rdiff::{DeltaBuilder, Index, Layout, Signature, SignatureBuilder};
//!
//! let (old, new) = (b"one two three".repeat(99), b"one two four, three".repeat(99));
//! let layout = Layout::duplicity(512)?;
//! let mut builder = SignatureBuilder::new(layout);
//! builder.push(&old);
//! let signature = Signature::parse(builder.finish())?;
//!
//! let index = Index::new(signature);
//! let mut delta = DeltaBuilder::new(&index, Vec::new());
//! delta.push(&new)?;
//! let delta = delta.finish()?;
//!
//! let mut patched = Vec::new();
//! rdiff::patch(&old, delta.as_slice(), &mut patched)?;
//! assert_eq!(patched, new);
//! # Ok::<(), rdiff::Error>(())
//! ```

mod blocks;
mod builder;
mod command;
mod compose;
mod delta;
mod emit;
mod error;
mod index;
mod layout;
mod md4;
mod patch;
mod read_at;
mod rolling;
mod signature;
mod spool;
mod weak;
mod window;

pub use builder::SignatureBuilder;
pub use compose::{Patched, compose};
pub use delta::{DeltaBuilder, delta};
pub use error::Error;
pub use index::Index;
pub use layout::{Kind, Layout, MAX_BLOCK_LEN, block_len_v0, block_len_v3};
pub use patch::patch;
pub use read_at::ReadAt;
pub use signature::Signature;
pub use spool::Spool;

#[cfg(test)]
mod tests;
