//! A folder that is being built.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use engine_api::{EntryKind, Folder, Metadata, StoreErrorKind};

use super::Context;
use super::existing::Existing;
use crate::error::{Error, Result};
use crate::parallel::lock;
use crate::removal::remove_tree;

/// A folder of the new snapshot.
pub struct Level {
    /// Where it is made; `None` when nothing is to be written.
    pub folder: Option<Folder>,
    /// The same folder in the snapshot before, if there was one.
    pub base: Option<Folder>,
    path: PathBuf,
    above: Mutex<Option<Arc<Level>>>,
    /// What is left to do in it, and one for the walk that is still in it.
    left: AtomicUsize,
    made: Mutex<Made>,
    metadata: Mutex<Option<Metadata>>,
}

enum Made {
    Not,
    /// With what an earlier run left in it and nobody asked for yet.
    Is(Existing),
}

impl Level {
    pub fn new(folder: Option<Folder>, base: Option<Folder>, path: PathBuf, above: Option<Arc<Self>>) -> Arc<Self> {
        if let Some(above) = &above {
            above.add(1);
        }
        Arc::new(Self {
            folder,
            base,
            path,
            above: Mutex::new(above),
            left: AtomicUsize::new(1),
            made: Mutex::new(Made::Not),
            metadata: Mutex::new(None),
        })
    }

    /// So much more is to be done in it.
    pub fn add(&self, count: usize) {
        self.left.fetch_add(count, Ordering::Relaxed);
    }

    /// What it is to get when its last entry is done.
    pub fn set_metadata(&self, metadata: Metadata) {
        *lock(&self.metadata) = Some(metadata);
    }

    /// Its folder, made when it is not there, after those above it.
    pub fn ready(self: &Arc<Self>, context: &Context<'_>) -> Result<&Folder> {
        let mut unmade = Vec::new();
        let mut at = Arc::clone(self);
        while matches!(*lock(&at.made), Made::Not) {
            let above = lock(&at.above).clone();
            unmade.push(at);
            let Some(above) = above else { break };
            at = above;
        }
        while let Some(level) = unmade.pop() {
            level.make(context)?;
        }
        self.folder
            .as_ref()
            .ok_or_else(|| Error::Usage("a backup that writes nothing makes no folder".to_owned()))
    }

    fn make(&self, context: &Context<'_>) -> Result<()> {
        let mut made = lock(&self.made);
        let (Made::Not, Some(folder)) = (&*made, &self.folder) else {
            return Ok(());
        };
        let Some(above) = folder.above() else { return Ok(()) };
        if let Some(outer) = &*lock(&self.above) {
            // It belongs there, so it must not be cleared away.
            outer.take_existing(context, folder.name());
        }
        let existing = match context.store.make_folder(above, folder.name()) {
            Ok(()) => Existing::default(),
            Err(error) if error.kind == StoreErrorKind::AlreadyExists => {
                let stat = context.store.stat(above, folder.name())?;
                if stat.is_some_and(|stat| stat.kind == EntryKind::Dir) {
                    Existing::list(context.store, folder)?
                } else {
                    context.store.remove(above, folder.name())?;
                    context.store.make_folder(above, folder.name())?;
                    Existing::default()
                }
            }
            Err(error) => return Err(error.into()),
        };
        *made = Made::Is(existing);
        Ok(())
    }

    /// What an earlier run left under the name; after that it is the caller's.
    pub fn take_existing(&self, context: &Context<'_>, name: &[u8]) -> Option<Option<EntryKind>> {
        if !context.resumes {
            return None;
        }
        match &mut *lock(&self.made) {
            Made::Is(existing) => existing.take(name),
            Made::Not => None,
        }
    }

    /// So much of it is done; finishes it when that was all, then the folder above by the same rule.
    pub fn done(self: &Arc<Self>, count: usize, context: &Context<'_>) -> Result<()> {
        let mut level = Arc::clone(self);
        let mut count = count;
        while level.left.fetch_sub(count, Ordering::AcqRel) == count {
            level.finish(context)?;
            let above = lock(&level.above).take();
            let Some(above) = above else { return Ok(()) };
            level = above;
            count = 1;
        }
        Ok(())
    }

    /// Removes what does not belong there, then sets the folder's own metadata: the rest would change its time.
    fn finish(self: &Arc<Self>, context: &Context<'_>) -> Result<()> {
        if self.folder.is_none() {
            return Ok(());
        }
        let folder = self.ready(context)?;
        let left = match &mut *lock(&self.made) {
            Made::Is(existing) => std::mem::take(existing).into_names(),
            Made::Not => Vec::new(),
        };
        for name in left {
            remove_tree(context.store, folder, &name, context.progress)?;
        }
        let (Some(metadata), Some(above)) = (lock(&self.metadata).take(), folder.above()) else {
            return Ok(());
        };
        let xattrs = context.keeps.xattrs(&metadata.xattrs);
        let new = context.keeps.new_metadata(&metadata, &xattrs);
        for error in context.store.set_metadata(above, folder.name(), &new) {
            context.counters.problem(super::stored::problem(&self.path, &error));
        }
        Ok(())
    }
}
