use std::collections::BTreeSet;

use engine_api::{Event, Phase, Progress};

use super::{Index, LoadedFile, PackNumber};
use crate::Id;
use crate::error::{Error, Result};
use crate::format::IndexWriter;
use crate::pack::PackedBlob;
use crate::repository::{FileKind, Repository};

/// Blobs below which an index file is small, and how many small files are put together.
const SMALL_FILE: usize = 5_000;
const MANY_FILES: usize = 10;

/// A pack with what lies in it.
pub type FreshPack = (Id, Vec<PackedBlob>);

/// Writes index files with everything that stays of the files that name a pack that does not, and with `fresh`; returns
/// the files that may be removed then.
pub fn rewrite(
    repository: &Repository,
    index: &Index,
    files: &[LoadedFile],
    stays: &dyn Fn(PackNumber) -> bool,
    fresh: &[FreshPack],
    progress: &dyn Progress,
) -> Result<Vec<Id>> {
    let old = to_rewrite(index, files, stays);
    progress.event(Event::Phase {
        phase: Phase::WritingIndex,
        total: Some(old.len() as u64),
    });
    let mut rewriter = Rewriter::new(repository);
    for (id, blobs) in fresh {
        rewriter.add(id, blobs)?;
    }
    for file in files.iter().filter(|file| old.contains(&file.id)) {
        if progress.cancelled() {
            return Err(Error::Interrupted);
        }
        for pack in file.packs.clone().map(PackNumber::at).filter(|pack| stays(*pack)) {
            rewriter.copy(index, pack)?;
        }
        progress.event(Event::Advanced(1));
    }
    rewriter.finish()?;
    Ok(old.into_iter().collect())
}

fn to_rewrite(index: &Index, files: &[LoadedFile], stays: &dyn Fn(PackNumber) -> bool) -> BTreeSet<Id> {
    let is_small = |file: &&LoadedFile| index.blob_count(file.packs.clone()) < SMALL_FILE;
    let many_small = files.iter().filter(is_small).count() >= MANY_FILES;
    let is_old = |file: &&LoadedFile| {
        let names_what_goes = file.packs.clone().map(PackNumber::at).any(|pack| !stays(pack));
        let repeats = !file.repeated.is_empty();
        names_what_goes || repeats || (many_small && is_small(file))
    };
    files.iter().filter(is_old).map(|file| file.id).collect()
}

/// Writes index files pack by pack: one of them is in memory.
struct Rewriter<'r> {
    repository: &'r Repository,
    writer: IndexWriter,
}

impl<'r> Rewriter<'r> {
    /// Has written nothing yet.
    fn new(repository: &'r Repository) -> Self {
        Self {
            repository,
            writer: IndexWriter::new(),
        }
    }

    /// Adds a pack as `index` has it.
    fn copy(&mut self, index: &Index, pack: PackNumber) -> Result<()> {
        let blobs: Vec<PackedBlob> = index.blobs_in(pack).map(|location| location.blob).collect();
        index.pack_id(pack).map_or(Ok(()), |id| self.add(&id, &blobs))
    }

    /// Adds a pack.
    fn add(&mut self, pack: &Id, blobs: &[PackedBlob]) -> Result<()> {
        self.writer.add(pack, blobs);
        if self.writer.is_full() { self.flush() } else { Ok(()) }
    }

    /// Writes what is left.
    fn finish(mut self) -> Result<()> {
        if self.writer.is_empty() { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> Result<()> {
        let json = std::mem::replace(&mut self.writer, IndexWriter::new()).finish();
        self.repository.write_file(FileKind::Index, &json).map(drop)
    }
}
