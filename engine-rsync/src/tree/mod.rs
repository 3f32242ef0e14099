//! What a snapshot holds, from its manifest or, where there is none, from the tree itself.

mod folders;
mod listing;
mod walk;

pub use folders::Folders;
pub use listing::{Listing, absolute, list, locate, relative};
pub use walk::TreeWalk;
