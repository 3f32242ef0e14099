//! The trees of snapshots: walked with their paths, searched for one path, or visited once each on several threads.

mod locate;
mod visit;
mod walk;

pub use locate::{Located, locate};
pub use visit::{Listing, visit};
pub use walk::{Walk, damaged, open_listing};
