//! Trees for tests: one with everything odd in it, random ones, and the comparison of two.
//!
//! Only built with the feature `testing`.

mod compare;
mod dice;
mod random;
mod zoo;

pub use compare::{CompareOptions, compare};
pub use dice::Dice;
pub use random::{mutate, random_tree};
pub use zoo::{ZooOptions, build_zoo};
