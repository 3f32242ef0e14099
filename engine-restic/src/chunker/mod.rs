//! Where files are cut: content-defined chunks by a Rabin fingerprint over a window of 64 bytes.
//!
//! The cuts are those of restic's chunker for the same polynomial: a chunk ends where the low 20 bits of the
//! fingerprint are zero, never before 512 KiB and at 8 MiB at the latest.

mod polynomial;
mod scan;
mod split;

pub use polynomial::random as random_polynomial;
pub use scan::Scanner;
pub use split::{Chunks, ReadChunk};

/// Bytes the fingerprint looks at.
pub const WINDOW: usize = 64;
/// The shortest chunk but a file's last, in bytes.
pub const MIN: usize = 512 << 10;
/// The longest chunk, in bytes.
pub const MAX: usize = 8 << 20;
/// The fingerprint's bits that are zero at a cut: one byte in a mebibyte.
const MASK: u64 = (1 << 20) - 1;

#[cfg(test)]
mod tests;
