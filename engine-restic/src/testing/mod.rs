//! What the tests of the operations share: a storage in memory that can fail, repositories on it, and the real restic.

mod memory;
mod model;
mod restic;

pub use memory::Memory;
pub use model::{Model, backup, noise, paths, prune, repair};
pub use restic::Restic;
