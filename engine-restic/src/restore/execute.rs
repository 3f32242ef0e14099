//! Executing a batch: pieces of packs are read, and their blobs written wherever they are wanted.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use engine_api::{Change, EntryKind, Overwrite};
use fstree::TargetFile;

use super::Context;
use super::batch::{Batch, FileItem, Handle, Link, Want};
use super::blobs::{Piece, pieces};
use crate::Id;
use crate::error::{Error, Result};
use crate::index::Location;
use crate::parallel;
use crate::repository::{Opener, lock};

/// Files without content that one thread makes in a row.
const EMPTY_FILES: usize = 64;

/// Executes a batch.
pub fn run(context: &Context<'_>, mut batch: Batch) -> Result<()> {
    let threads = context.repository.read_threads();
    let mut wants = std::mem::take(&mut batch.wants);
    let pieces = pieces(&context.index, &mut wants);
    let job = Job {
        context,
        files: &batch.files,
        wants: &wants,
    };
    let begin = || Buffers::new(context);
    parallel::each_with(
        &pieces,
        threads,
        begin,
        |buffers, piece| job.piece(piece, buffers),
        |_, ()| Ok(()),
    )?;
    let empty: Vec<&FileItem> = batch.files.iter().filter(|file| file.empty).collect();
    let chunks: Vec<&[&FileItem]> = empty.chunks(EMPTY_FILES).collect();
    parallel::each(
        &chunks,
        threads,
        |files| job.files_without_content(files),
        |_, ()| Ok(()),
    )?;
    let right: Vec<_> = batch.right.chunks(EMPTY_FILES).collect();
    parallel::each(&right, threads, |files| set_metadata(context, files), |_, ()| Ok(()))?;
    batch.links.iter().for_each(|one| link(context, one));
    set_metadata(context, &batch.folders)
}

fn set_metadata(context: &Context<'_>, entries: &[(std::path::PathBuf, engine_api::Metadata)]) -> Result<()> {
    context.go_on()?;
    for (path, metadata) in entries {
        context.counters.problems(context.target.set_metadata(path, metadata));
    }
    Ok(())
}

fn link(context: &Context<'_>, link: &Link) {
    if context.dry_run {
        return;
    }
    let Link { existing, new, kind } = link;
    let look = |path: &Path| context.target.stat(path).ok().flatten();
    if let (Some(one), Some(other)) = (look(existing), look(new)) {
        let newer = context.overwrite == Overwrite::IfNewer && other.mtime >= one.mtime;
        if one.same_inode(&other) || newer || context.overwrite == Overwrite::Never {
            return context.counters.finished(new, *kind, Change::Unchanged, 0);
        }
    }
    match context.target.hard_link(existing, new) {
        Ok(()) => context.counters.finished(new, *kind, Change::New, 0),
        Err(error) => context.counters.failed(new, "link", &error),
    }
}

/// What each thread uses again for every piece.
struct Buffers {
    opener: Opener,
    sealed: Vec<u8>,
    plain: Vec<u8>,
}

impl Buffers {
    fn new(context: &Context<'_>) -> Result<Self> {
        Ok(Self {
            opener: Opener::new(context.repository)?,
            sealed: Vec::new(),
            plain: Vec::new(),
        })
    }
}

struct Job<'a, 'c> {
    context: &'a Context<'c>,
    files: &'a [FileItem],
    wants: &'a [Want],
}

impl Job<'_, '_> {
    fn files_without_content(&self, files: &[&FileItem]) -> Result<()> {
        self.context.go_on()?;
        for file in files {
            if self.handle(file).is_some() {
                self.finish(file);
            }
        }
        Ok(())
    }

    /// Reads a piece and writes its blobs.
    fn piece(&self, piece: &Piece, buffers: &mut Buffers) -> Result<()> {
        self.context.go_on()?;
        let repository = self.context.repository;
        let wants = self.wants.get(piece.wants.clone()).unwrap_or_default();
        let Some(pack) = self.context.index.pack_id(piece.first.pack) else {
            return Ok(());
        };
        let Buffers {
            opener,
            sealed,
            plain: out,
        } = buffers;
        sealed.resize(piece.length as usize, 0);
        let read = repository.read_range(pack, piece.first.blob.kind, piece.start, sealed);
        let readable = read.is_ok();
        if let Err(error) = read
            && !is_lost(&error)
        {
            return Err(error);
        }
        for same in wants.chunk_by(|one, other| one.ordinal == other.ordinal) {
            let location = same
                .first()
                .and_then(|want| self.context.index.at(want.ordinal as usize));
            let Some(location) = location else { continue };
            let start = (location.blob.offset - piece.start) as usize;
            let own = sealed
                .get_mut(start..start + location.blob.length as usize)
                .filter(|_| readable);
            let opened = own.and_then(|own| repository.open_blob(opener, pack, &location.blob, own, out).ok());
            match opened {
                Some(plain) => same.iter().for_each(|want| self.write(want, plain)),
                None => self.write_from_elsewhere(pack, &location, same)?,
            }
        }
        Ok(())
    }

    /// The pack's copy is damaged: any other will do.
    fn write_from_elsewhere(&self, pack: Id, location: &Location, wants: &[Want]) -> Result<()> {
        let blob = location.blob;
        match self
            .context
            .repository
            .read_blob(&self.context.index, blob.kind, blob.id)
        {
            Ok(plain) => wants.iter().for_each(|want| self.write(want, &plain)),
            Err(error) if is_lost(&error) => wants.iter().for_each(|want| self.lose(pack, location, want, &error)),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn lose(&self, pack: Id, location: &Location, want: &Want, error: &Error) {
        let Some(file) = self.files.get(want.file as usize) else {
            return;
        };
        let length = location.blob.plain_length();
        let cause = format!("{length} bytes at {} are lost with pack {pack}: {error}", want.position);
        self.context.counters.failed(&file.path, "restore all of", &cause);
        file.incomplete.store(true, Ordering::Relaxed);
        if self.handle(file).is_some() {
            self.count_down(file);
        }
    }

    fn write(&self, want: &Want, plain: &[u8]) {
        let Some(file) = self.files.get(want.file as usize) else {
            return;
        };
        let Some(handle) = self.handle(file) else { return };
        let length = plain.len() as u64;
        if !handle.is_new() && self.is_there(file, want.position, plain) {
            self.context.counters.bytes(0, length);
        } else if let Err(error) = handle.write_at(plain, want.position) {
            file.incomplete.store(true, Ordering::Relaxed);
            self.context.counters.failed(&file.path, "write", &error);
        } else {
            self.context.counters.bytes(length, 0);
        }
        // Whoever counts down last must find no other holder.
        drop(handle);
        self.count_down(file);
    }

    /// Whether a file that is updated has these bytes already.
    fn is_there(&self, file: &FileItem, position: u64, plain: &[u8]) -> bool {
        use std::os::unix::fs::FileExt;
        let Ok(existing) = self.context.target.open_existing(&file.path) else {
            return false;
        };
        let mut there = vec![0; plain.len()];
        existing.read_exact_at(&mut there, position).is_ok() && there == plain
    }

    /// The open file, made at its first use; `None` when it could not be made.
    fn handle(&self, file: &FileItem) -> Option<Arc<TargetFile>> {
        let mut handle = lock(&file.handle);
        match &*handle {
            Handle::Open(open) => return Some(Arc::clone(open)),
            Handle::Done => return None,
            Handle::Closed => {}
        }
        let target = &self.context.target;
        let size = file.metadata.size;
        let made = if file.update {
            target.update_file(&file.path, size)
        } else {
            target.create_file(&file.path, size)
        };
        match made {
            Ok(made) => {
                let made = Arc::new(made);
                *handle = Handle::Open(Arc::clone(&made));
                Some(made)
            }
            Err(error) => {
                *handle = Handle::Done;
                self.context.counters.failed(&file.path, "create", &error);
                None
            }
        }
    }

    /// One blob less to come; the last one finishes the file.
    fn count_down(&self, file: &FileItem) {
        if file.missing.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.finish(file);
        }
    }

    fn finish(&self, file: &FileItem) {
        let Handle::Open(handle) = std::mem::replace(&mut *lock(&file.handle), Handle::Done) else {
            return;
        };
        let Some(handle) = Arc::into_inner(handle) else {
            return self
                .context
                .counters
                .failed(&file.path, "finish", &"it is still being written");
        };
        self.context.counters.problems(handle.finish(&file.final_metadata()));
        self.context
            .counters
            .finished(&file.path, EntryKind::File, Change::Changed, file.metadata.size);
    }
}

/// Whether the error says that stored data is lost, rather than that the storage cannot be reached.
pub fn is_lost(error: &Error) -> bool {
    use engine_api::StoreErrorKind::{NotFound, Truncated};
    match error {
        Error::Damaged { .. } | Error::Missing { .. } => true,
        Error::Store(error) => matches!(error.kind, NotFound | Truncated),
        _ => false,
    }
}
