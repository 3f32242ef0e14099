//! Copying one file, with its digest taken on the way.

mod data;
mod far;
mod large;
mod reuse;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use engine_api::{Event, Metadata, NewMetadata, StoreError, StoreErrorKind, StoredFile, Timestamp};

use super::batch::{Item, Tools};
use super::level::Level;
use super::{Context, file, stored};
use crate::error::Error;
use crate::layout;
use crate::manifest::{Digest, Record};
use crate::permits::Permit;

/// Up to this size a file is read at once.
const SMALL: usize = 256 << 10;

/// What is in memory of a large file.
const LARGE_FILE: usize = 4 << 20;

/// A file that is in the snapshot.
pub struct Copied {
    pub digest: Digest,
    pub size: u64,
    pub sparse: bool,
    /// Whether it proved to be the same as in the snapshot before, and was linked.
    pub linked: bool,
    /// The time that it has at the place, where its own could not be set.
    pub mtime: Option<Timestamp>,
}

/// Why a file could not be copied.
pub enum Failed {
    /// It could not be read.
    Source(io::Error),
    /// It could not be written.
    Stored(StoreError),
    /// The run has to stop.
    Run(Error),
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Stored(error)
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Source(error)
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        match error {
            Error::Store(error) => Self::Stored(error),
            error => Self::Run(error),
        }
    }
}

/// What is copied, and to where.
struct Job<'a, 'c> {
    level: &'a Arc<Level>,
    item: &'a Item,
    /// What it may share with the snapshot before.
    before: Option<&'a Record>,
    file: &'a File,
    metadata: &'a Metadata,
    context: &'a Context<'c>,
}

/// Copies a file, or links it when its content proves to be unchanged.
pub fn copy(
    level: &Arc<Level>,
    item: &Item,
    before: Option<&Record>,
    file: &File,
    metadata: &Metadata,
    context: &Context<'_>,
    tools: &mut Tools,
) -> Result<Copied, Failed> {
    let _permit = room(metadata.size, context);
    let job = Job {
        level,
        item,
        before,
        file,
        metadata,
        context,
    };
    if metadata.size <= SMALL as u64
        && let Some(copied) = job.small(tools)?
    {
        return Ok(copied);
    }
    job.large(tools)
}

/// Room for what is in memory of a file: the buffers of a large one are several, and do not grow with it.
fn room<'a>(size: u64, context: &'a Context<'_>) -> Permit<'a> {
    let bytes = usize::try_from(size).unwrap_or(LARGE_FILE).min(LARGE_FILE);
    context.permits.take(bytes)
}

/// The digest of a file that needs no copy, and whether it has holes.
pub fn digest(file: &File, size: u64, context: &Context<'_>, tools: &mut Tools) -> Result<(Digest, bool), Failed> {
    let _permit = room(size, context);
    let mut hasher = blake3::Hasher::new();
    let runs = data::Runs::of(file, size)?;
    let sparse = runs.has_holes();
    data::read(
        file,
        runs,
        &mut tools.piece,
        context,
        &mut hasher,
        &mut |_, _, _| Ok(()),
    )?;
    Ok((*hasher.finalize().as_bytes(), sparse))
}

impl Job<'_, '_> {
    /// Copies a file that is read at once; `None` when it has grown too large for that.
    fn small(&self, tools: &mut Tools) -> Result<Option<Copied>, Failed> {
        let runs = data::Runs::of(self.file, self.metadata.size)?;
        if runs.has_holes() || !read_small(self.file, self.metadata.size, &mut tools.piece)? {
            return Ok(None);
        }
        let digest = *blake3::hash(&tools.piece).as_bytes();
        let size = tools.piece.len() as u64;
        let copied = |linked, mtime| Copied {
            digest,
            size,
            sparse: false,
            linked,
            mtime,
        };
        self.context.progress.event(Event::Bytes(size));
        if self.is_as_before(digest, size) && file::link_before(self.level, self.item, self.context)? {
            return Ok(Some(copied(true, None)));
        }
        if let Some(settled) = self.reuse_small(tools)? {
            return Ok(Some(copied(false, settled.mtime)));
        }
        let out = self.create()?;
        let written = out.write_at(0, &tools.piece).map_err(Failed::from);
        let settled = self.finish(out, written)?;
        self.context.counters.added(size);
        Ok(Some(copied(false, settled.mtime)))
    }

    /// Whether the inode of the snapshot before can stand for the file.
    fn is_as_before(&self, digest: Digest, size: u64) -> bool {
        self.before.is_some_and(|before| {
            before.digest == Some(digest)
                && before.metadata.size == size
                && self.context.keeps.same_metadata(&before.metadata, self.metadata)
        })
    }

    fn create(&self) -> Result<Box<dyn StoredFile>, Failed> {
        let folder = self.level.ready(self.context)?;
        file::clear(self.level, self.item, self.context)?;
        let (store, name) = (self.context.store, self.item.name());
        match store.create(folder, name) {
            // The answer was lost, and it cannot be told whose file it is that is there now: here it can, for nobody else
            // works in this folder.
            Err(error) if error.kind == StoreErrorKind::Connection && error.is_permanent() => {
                layout::remove_file(store, folder, name)?;
                Ok(store.create(folder, name)?)
            }
            other => Ok(other?),
        }
    }

    /// Gives a written file its metadata and closes it; one that could not be written is removed.
    fn finish(&self, out: Box<dyn StoredFile>, written: Result<(), Failed>) -> Result<Settled, Failed> {
        let closed = written.and_then(|()| {
            let sync = !self.context.store.syncs_all();
            let failed = self.described(|new| out.complete(new, sync))?;
            Ok(self.settled(&failed))
        });
        if closed.is_err()
            && let Ok(folder) = self.level.ready(self.context)
        {
            // What cannot be removed now is corrected by the run that goes on with this one.
            let _ = self.context.store.remove(folder, self.item.name());
        }
        closed
    }

    /// Does something with the metadata that the file is to get.
    fn described<T>(&self, set: impl FnOnce(&NewMetadata<'_>) -> T) -> T {
        let keeps = &self.context.keeps;
        let xattrs = keeps.xattrs(&self.metadata.xattrs);
        set(&keeps.new_metadata(self.metadata, &xattrs))
    }

    /// What is told of metadata that could not be set. A time of that kind would look like a later change of the content,
    /// so that the one that is there instead is what the manifest has to tell.
    fn settled(&self, failed: &[StoreError]) -> Settled {
        if failed.is_empty() {
            return Settled { mtime: None };
        }
        for error in failed {
            let problem = stored::problem(self.item.found.path(), error);
            self.context.counters.problem(problem);
        }
        let (store, name) = (self.context.store, self.item.name());
        let folder = self.level.ready(self.context).ok();
        let stat = folder.and_then(|folder| store.stat(folder, name).ok().flatten());
        let there = stat.map(|stat| stat.mtime);
        Settled {
            mtime: there.filter(|there| !self.context.keeps.same_time(*there, self.metadata.mtime)),
        }
    }
}

/// What became of a file's metadata.
struct Settled {
    /// The time that it has, where its own could not be set.
    mtime: Option<Timestamp>,
}

/// Reads a whole file that is small; `false` when it is not any more.
fn read_small(file: &File, size: u64, piece: &mut Vec<u8>) -> io::Result<bool> {
    // One byte more than expected, so that growth shows without another read.
    let expected = usize::try_from(size).unwrap_or(SMALL).min(SMALL) + 1;
    piece.clear();
    piece.resize(expected, 0);
    let mut filled = 0;
    while let Some(rest) = piece.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, filled as u64) {
            Ok(0) => {
                piece.truncate(filled);
                return Ok(true);
            }
            Ok(read) => {
                filled += read;
                // All that it had, and room for more: that it has more now would show in its time.
                if filled as u64 == size {
                    piece.truncate(filled);
                    return Ok(true);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}
