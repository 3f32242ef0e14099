//! The e-smith databases: one text file each, one record a line, and the commands that show and change them.
//!
//! A line is `key=type|property|value|…`. A pipe in a value is stored as backslash and pipe, a line break as backslash
//! and `n`; both read back as they were, here and by the original tools. What cannot be stored that way (a backslash at
//! the end, a backslash before an `n`) is refused when it is written.

pub mod command;
mod database;
mod file;
pub mod fragments;
mod json;
mod oddity;
mod record;

pub use database::{Database, Misfit};
pub use file::DatabaseFile;
pub use oddity::Oddity;
pub use record::{Record, Unfit, unescape_newlines};

#[cfg(test)]
mod tests;
