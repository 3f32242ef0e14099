//! What the suite of the duplicity engine needs: the real programs, the engine itself, a tree that changes in every way
//! and what it means that two states of it are equal.

pub mod cipher;
pub mod equal;
pub mod history;
pub mod keys;
pub mod ours;
pub mod programs;
pub mod real;
pub mod tar;
pub mod tree_g;

/// The passphrase of every repository in the suite that has one.
pub const PASSPHRASE: &str = "correct horse battery staple";

/// The time of the first set in the suite, a second in November 2023; histories count on from here.
pub const FIRST: i64 = 1_700_000_000;

/// From one set of a history to the next, in seconds.
pub const DAY: i64 = 86_400;
