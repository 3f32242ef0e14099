//! Folders that are being filled: each gets its metadata when nothing more is put into it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use engine_api::Metadata;

use super::Context;

/// A folder at the target.
pub struct Folder {
    path: PathBuf,
    /// What it gets in the end; nothing when it was there and only leads to what is selected.
    metadata: Option<Metadata>,
    /// What is still to be put into it, and one for the planner while it is in it.
    pending: AtomicU64,
    above: Option<Arc<Self>>,
}

impl Folder {
    /// A folder that the planner goes into.
    pub fn enter(path: PathBuf, metadata: Option<Metadata>, above: Option<&Arc<Self>>) -> Arc<Self> {
        if let Some(above) = above {
            above.expect();
        }
        Arc::new(Self {
            path,
            metadata,
            pending: AtomicU64::new(1),
            above: above.cloned(),
        })
    }

    /// Something more will be put into it.
    pub fn expect(&self) {
        self.pending.fetch_add(1, Ordering::Relaxed);
    }

    /// Something that was expected is there, or will never be. Whoever does the last of it finishes the folder, and those
    /// above it that waited for this one.
    pub fn done(self: &Arc<Self>, context: &Context<'_>) {
        let mut folder = Arc::clone(self);
        while folder.pending.fetch_sub(1, Ordering::AcqRel) == 1 {
            if let Some(metadata) = &folder.metadata {
                context
                    .counters
                    .problems(context.target.set_metadata(&folder.path, metadata));
            }
            match &folder.above {
                Some(above) => folder = Arc::clone(above),
                None => return,
            }
        }
    }
}

impl Drop for Folder {
    /// Takes the chain apart in a loop: thousands of nested folders would overflow the stack otherwise.
    fn drop(&mut self) {
        let mut above = self.above.take();
        while let Some(mut folder) = above.and_then(Arc::into_inner) {
            above = folder.above.take();
        }
    }
}
