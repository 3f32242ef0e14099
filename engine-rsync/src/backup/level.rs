//! A folder that is being built.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use engine_api::{EntryKind, Folder, Metadata, StoreErrorKind};

use super::Context;
use super::existing::Existing;
use crate::error::{Error, Result};
use crate::parallel::{self, lock};
use crate::removal::remove_tree;

/// Folders of one branch whose metadata is set at the same time.
const TOGETHER: usize = 16;

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
        unmade.reverse();
        if context.resumes {
            unmade.iter().try_for_each(|level| level.make(context))?;
        } else {
            make_all(&unmade, context)?;
        }
        self.folder
            .as_ref()
            .ok_or_else(|| Error::Usage("a backup that writes nothing makes no folder".to_owned()))
    }

    fn make(&self, context: &Context<'_>) -> Result<()> {
        let outer = lock(&self.above).clone();
        if let (Some(outer), Some(folder)) = (outer, &self.folder) {
            // It belongs there, so it must not be cleared away.
            outer.take_existing(context, folder.name());
        }
        let mut made = lock(&self.made);
        if matches!(*made, Made::Not) {
            *made = Made::Is(self.make_unmade(context)?);
        }
        Ok(())
    }

    /// Makes the folder; what is there under its name stays if it is a folder, too.
    fn make_unmade(&self, context: &Context<'_>) -> Result<Existing> {
        let Some(folder) = &self.folder else {
            return Ok(Existing::default());
        };
        let Some(above) = folder.above() else {
            return Ok(Existing::default());
        };
        match context.store.make_folder(above, folder.name()) {
            Ok(()) => Ok(Existing::default()),
            Err(error) if error.kind == StoreErrorKind::AlreadyExists => {
                let stat = context.store.stat(above, folder.name())?;
                if stat.is_some_and(|stat| stat.kind == EntryKind::Dir) {
                    return Existing::list(context.store, folder);
                }
                context.store.remove(above, folder.name())?;
                context.store.make_folder(above, folder.name())?;
                Ok(Existing::default())
            }
            Err(error) => Err(error.into()),
        }
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
        let mut complete = Vec::new();
        let mut level = Arc::clone(self);
        let mut count = count;
        while level.left.fetch_sub(count, Ordering::AcqRel) == count {
            level.clean(context)?;
            let above = lock(&level.above).clone();
            complete.push(level);
            // In a folder that its owner may not enter nothing could be set any more.
            if !(context.is_far && above.as_ref().is_some_and(|above| above.stays_open())) {
                describe_all(&mut complete, context)?;
            }
            let Some(above) = above else { break };
            level = above;
            count = 1;
        }
        describe_all(&mut complete, context)
    }

    /// Whether it is known that its owner may enter it with the mode that it is to get.
    fn stays_open(&self) -> bool {
        let mode = lock(&self.metadata).as_ref().map(|metadata| metadata.mode);
        mode.is_some_and(|mode| mode & 0o700 == 0o700)
    }

    /// Removes what does not belong there.
    fn clean(self: &Arc<Self>, context: &Context<'_>) -> Result<()> {
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
        Ok(())
    }

    /// Sets the folder's own metadata: whatever else was done in it would change its time.
    fn describe(&self, context: &Context<'_>) {
        let Some((folder, above)) = self.folder.as_ref().and_then(|folder| Some((folder, folder.above()?))) else {
            return;
        };
        let Some(metadata) = lock(&self.metadata).take() else {
            return;
        };
        let xattrs = context.keeps.xattrs(&metadata.xattrs);
        let new = context.keeps.new_metadata(&metadata, &xattrs);
        for error in context.store.set_metadata(above, folder.name(), &new) {
            context.counters.problem(super::stored::problem(&self.path, &error));
        }
    }
}

/// Sets the metadata of folders in which nothing is left to do, each the one above the one before it, at the same time
/// where that pays.
fn describe_all(complete: &mut Vec<Arc<Level>>, context: &Context<'_>) -> Result<()> {
    let threads = if context.is_far { TOGETHER } else { 1 };
    parallel::each(complete, threads, |level| {
        level.describe(context);
        Ok(())
    })?;
    for level in complete.drain(..) {
        // Taken apart one by one: a deep tree would overflow the stack otherwise.
        lock(&level.above).take();
    }
    Ok(())
}

/// Makes folders that lie in one another, the topmost first, with one question to the place.
fn make_all(unmade: &[Arc<Level>], context: &Context<'_>) -> Result<()> {
    if unmade.is_empty() {
        return Ok(());
    }
    // From the top down, as everybody does who holds several.
    let mut made: Vec<_> = unmade.iter().map(|level| (level, lock(&level.made))).collect();
    made.retain(|(_, made)| matches!(**made, Made::Not));
    let folders: Vec<&Folder> = made.iter().filter_map(|(level, _)| level.folder.as_ref()).collect();
    let results = context.store.make_folders(&folders);
    let mut results = results.into_iter();
    for (level, made) in &mut made {
        let result = level.folder.as_ref().and_then(|_| results.next());
        **made = Made::Is(match result {
            Some(Ok(())) => Existing::default(),
            _ => level.make_unmade(context)?,
        });
    }
    Ok(())
}
