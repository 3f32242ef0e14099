//! Trees removed, many entries at once.
//!
//! A folder is emptied by one thread, or piece by piece by many when it is large and far away, and removed by whoever takes
//! the last entry out of it; every folder is reached by its own descriptor. Removing is mostly waiting for the filesystem,
//! so more threads than cores pay.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use engine_api::{EntryKind, FileStore, Folder, NewMetadata, Progress, StoreError, StoreErrorKind};

use crate::error::{Error, Result};
use crate::layout::{self, REMOVING};
use crate::manifest::place;
use crate::parallel::{self, lock};

/// So many names of one folder are one piece of work.
const PIECE: usize = 512;

/// Removes a snapshot with its manifest; its name is gone first, so that a crash never leaves half of it to be seen.
pub fn remove_snapshot(store: &dyn FileStore, name: &str, progress: &dyn Progress) -> Result<()> {
    let own = layout::own_folder(store)?;
    let aside = set_aside(store, &own, &store.root(), name.as_bytes())?;
    parallel::together(&[&|| Ok(place::remove(store, name)?), &|| {
        empty_tree(store, &own, &aside, progress).map(drop)
    }])
}

/// Takes a folder of the destination out of sight, to be removed by and by; returns its new name in `own`.
pub fn set_aside(store: &dyn FileStore, own: &Folder, root: &Folder, name: &[u8]) -> Result<Vec<u8>> {
    let aside = [REMOVING, name].concat();
    if store.stat(own, &aside)?.is_some() {
        remove_tree(store, own, &aside, &engine_api::Silent)?;
    }
    store.rename((root, name), (own, &aside))?;
    parallel::together(&[&|| Ok(store.sync_folder(root)?), &|| Ok(store.sync_folder(own)?)])?;
    Ok(aside)
}

/// Removes what earlier runs took out of sight and did not live to remove.
pub fn sweep(store: &dyn FileStore, progress: &dyn Progress) -> Result<()> {
    let own = layout::own_folder(store)?;
    for name in layout::half_removed(store, &own)? {
        remove_tree(store, &own, &name, progress)?;
    }
    Ok(())
}

/// Removes what has the name, with all below it, and says how many entries that were. Links are removed, not followed.
///
/// # Errors
/// At the first entry that cannot be removed; the rest may be there still.
pub fn remove_tree(store: &dyn FileStore, folder: &Folder, name: &[u8], progress: &dyn Progress) -> Result<u64> {
    // Some servers say of a folder no more than that it cannot be removed, which might pass and would be tried again.
    match store.stat(folder, name)? {
        None => return Ok(0),
        Some(stat) if stat.kind == EntryKind::Dir => {}
        Some(_) => {
            return match store.remove(folder, name) {
                Ok(()) => Ok(1),
                Err(error) if error.is_not_found() => Ok(0),
                Err(error) => Err(error.into()),
            };
        }
    }
    empty_tree(store, folder, name, progress)
}

/// The same for what is known to be a folder.
fn empty_tree(store: &dyn FileStore, folder: &Folder, name: &[u8], progress: &dyn Progress) -> Result<u64> {
    // Here the names of one folder are taken out one after the other however many try: there each thread does better in a
    // folder of its own. Far away many at once hide the way there.
    let is_here = store.capabilities().local_path.is_some();
    let removal = Removal {
        store,
        progress,
        piece: if is_here { usize::MAX } else { PIECE },
        queue: Mutex::new(Queue {
            tasks: vec![Task::Empty(Level::new(child(folder, name)?, None))],
            busy: 0,
            failure: None,
        }),
        changed: Condvar::new(),
        removed: AtomicUsize::new(0),
    };
    let threads = store.capabilities().concurrency.max(1);
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|| removal.work());
        }
        removal.work();
    });
    let queue = removal
        .queue
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    queue.failure.map_or(Ok(removal.removed.into_inner() as u64), Err)
}

fn child(folder: &Folder, name: &[u8]) -> Result<Folder> {
    folder.child(name).map_err(|error| Error::Usage(error.to_string()))
}

struct Removal<'a> {
    store: &'a dyn FileStore,
    progress: &'a dyn Progress,
    piece: usize,
    queue: Mutex<Queue>,
    changed: Condvar,
    removed: AtomicUsize,
}

struct Queue {
    /// The last is done first: deep before broad, so that few folders wait.
    tasks: Vec<Task>,
    busy: usize,
    failure: Option<Error>,
}

enum Task {
    /// List a folder and remove what is in it.
    Empty(Arc<Level>),
    /// Remove these entries, which are no folders.
    Remove(Arc<Level>, Vec<Box<[u8]>>),
}

/// A folder that is being emptied.
struct Level {
    folder: Folder,
    above: Option<Arc<Level>>,
    /// Pieces of work and folders in it that are left.
    left: AtomicUsize,
}

impl Level {
    fn new(folder: Folder, above: Option<Arc<Self>>) -> Arc<Self> {
        Arc::new(Self {
            folder,
            above,
            left: AtomicUsize::new(1),
        })
    }
}

impl Removal<'_> {
    fn work(&self) {
        while let Some(task) = self.next() {
            let outcome = if self.progress.cancelled() {
                Err(Error::Interrupted)
            } else {
                self.run(task)
            };
            let mut queue = lock(&self.queue);
            queue.busy -= 1;
            if let Err(error) = outcome {
                queue.failure.get_or_insert(error);
            }
            drop(queue);
            self.changed.notify_all();
        }
    }

    fn next(&self) -> Option<Task> {
        let mut queue = lock(&self.queue);
        loop {
            if queue.failure.is_some() {
                return None;
            }
            if let Some(task) = queue.tasks.pop() {
                queue.busy += 1;
                return Some(task);
            }
            if queue.busy == 0 {
                return None;
            }
            queue = self
                .changed
                .wait(queue)
                .unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }

    fn run(&self, task: Task) -> Result<()> {
        match task {
            Task::Empty(level) => self.empty(&level),
            Task::Remove(level, names) => {
                self.remove(&level, &names)?;
                self.done(level)
            }
        }
    }

    fn empty(&self, level: &Arc<Level>) -> Result<()> {
        let (mut files, mut folders, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
        let list = |files: &mut Vec<Box<[u8]>>, folders: &mut Vec<Box<[u8]>>, unknown: &mut Vec<Box<[u8]>>| {
            self.store.list(&level.folder, &mut |listed| {
                let kind = listed.kind.or(listed.stat.map(|stat| stat.kind));
                match kind {
                    Some(EntryKind::Dir) => folders.push(listed.name.into()),
                    Some(_) => files.push(listed.name.into()),
                    None => unknown.push(listed.name.into()),
                }
                ControlFlow::Continue(())
            })
        };
        if let Err(error) = list(&mut files, &mut folders, &mut unknown) {
            self.open_up(level, error)?;
            (files, folders, unknown) = Default::default();
            list(&mut files, &mut folders, &mut unknown)?;
        }
        for name in unknown {
            let stat = self.store.stat(&level.folder, &name)?;
            let is_dir = stat.is_some_and(|stat| stat.kind == EntryKind::Dir);
            if is_dir { &mut folders } else { &mut files }.push(name);
        }
        for name in folders {
            level.left.fetch_add(1, Ordering::Relaxed);
            self.push(Task::Empty(Level::new(
                child(&level.folder, &name)?,
                Some(Arc::clone(level)),
            )));
        }
        while files.len() > self.piece {
            let piece = files.split_off(files.len() - PIECE);
            level.left.fetch_add(1, Ordering::Relaxed);
            self.push(Task::Remove(Arc::clone(level), piece));
        }
        for names in files.chunks(PIECE) {
            if self.progress.cancelled() {
                return Err(Error::Interrupted);
            }
            self.remove(level, names)?;
        }
        self.done(Arc::clone(level))
    }

    fn push(&self, task: Task) {
        lock(&self.queue).tasks.push(task);
        self.changed.notify_one();
    }

    fn remove(&self, level: &Level, names: &[Box<[u8]>]) -> Result<()> {
        let names: Vec<&[u8]> = names.iter().map(AsRef::as_ref).collect();
        let results = self.store.remove_all(&level.folder, &names);
        for (name, removed) in names.into_iter().zip(results) {
            if let Err(error) = removed {
                if error.is_not_found() {
                    continue;
                }
                self.open_up(level, error)?;
                self.store.remove(&level.folder, name)?;
            }
            self.removed.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// One piece of a folder is done; removes it when that was the last, then the folder above by the same rule.
    fn done(&self, level: Arc<Level>) -> Result<()> {
        let mut level = level;
        while level.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            let Some(above) = level.folder.above() else {
                return Ok(());
            };
            match self.store.remove_folder(above, level.folder.name()) {
                Err(error) if error.is_not_found() => {}
                Err(error) => {
                    let Some(outer) = &level.above else {
                        return Err(error.into());
                    };
                    self.open_up(outer, error)?;
                    self.store.remove_folder(above, level.folder.name())?;
                }
                Ok(()) => {}
            }
            self.removed.fetch_add(1, Ordering::Relaxed);
            let Some(outer) = level.above.clone() else {
                return Ok(());
            };
            level = outer;
        }
        Ok(())
    }

    /// A user who is not root could not empty a folder that is closed to its owner.
    fn open_up(&self, level: &Level, error: StoreError) -> Result<()> {
        let denied = error.kind == StoreErrorKind::PermissionDenied;
        let Some(above) = level.folder.above().filter(|_| denied) else {
            return Err(error.into());
        };
        let open = NewMetadata {
            mode: Some(0o700),
            ..NewMetadata::default()
        };
        match self.store.set_metadata(above, level.folder.name(), &open).is_empty() {
            true => Ok(()),
            false => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests;
