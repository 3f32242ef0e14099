//! A file tree, read and written: one walker, one metadata reader, one restorer and one pattern language for every
//! engine.
//!
//! [`Walk`] delivers what a [`Selection`](engine_api::Selection) means, depth first in byte order, and reads ahead on
//! threads of its own. [`Target`] puts a tree back below one folder and never leaves it. [`pattern`] is the language of
//! include and exclude lists. Names are bytes throughout, and everything is reached through open folders, so that no
//! path is too long and no symbolic link leads astray.

mod dir;
mod error;
mod found;
mod names;
mod stat;
mod target;
mod walk;
mod xattr;

#[cfg(feature = "testing")]
pub mod testing;

pub mod pattern;

pub use error::Error;
pub use found::Found;
pub use names::Names;
pub use stat::Stat;
pub use target::{Made, Target, TargetFile, TargetOptions};
pub use walk::{Step, Walk, WalkOptions, estimate, is_cache_folder};

/// An engine hands these from thread to thread; if one of them could not be, this would not compile.
const _: () = {
    const fn send<T: Send>() {}
    const fn shared<T: Send + Sync>() {}
    send::<Walk>();
    shared::<Found>();
    shared::<Names>();
    shared::<Target>();
    shared::<TargetFile>();
    shared::<pattern::Matcher>();
};
