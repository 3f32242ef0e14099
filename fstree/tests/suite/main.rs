//! The crate as its users see it, on real trees.

mod includes;
mod restore;
mod support;
mod target;
mod walk;
