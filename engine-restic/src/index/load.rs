use std::collections::hash_map;
use std::ops::Range;
use std::sync::Arc;

use super::{FreshPack, Index, PackNumber};
use crate::Id;
use crate::error::{Error, Result};
use crate::format::{IndexFile, PackRef};
use crate::id::{IdMap, IdSet};
use crate::pack::PackedBlob;
use crate::parallel;
use crate::repository::{FileKind, Repository};

/// What all index files say together.
pub struct Tolerant {
    /// Every pack once, unless index files contradict each other.
    pub index: Arc<Index>,
    /// The files that could be read.
    pub files: Vec<LoadedFile>,
    /// Those that could not.
    pub damaged: Vec<(Id, Error)>,
    /// Packs that several files describe differently; each description is in the index as a pack of its own.
    pub contradicted: Vec<Id>,
}

/// An index file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedFile {
    /// Its name.
    pub id: Id,
    /// Which of the index's packs it brought, by position.
    pub packs: Range<usize>,
    /// Packs in it that others had brought already.
    pub repeated: Vec<PackNumber>,
}

/// The names of the index files, sorted.
pub fn files(repository: &Repository) -> Result<Vec<Id>> {
    let files = repository.list(FileKind::Index)?;
    Ok(files.into_iter().map(|(id, _)| id).collect())
}

/// Reads every index file of the repository; also returns the files' names, sorted.
pub fn load(repository: &Repository) -> Result<(Index, Vec<Id>)> {
    let mut loader = Loader::run(repository, &IdSet::default(), Vec::new())?;
    if let Some((_, error)) = loader.damaged.pop() {
        return Err(error);
    }
    let mut files: Vec<Id> = loader.files.into_iter().map(|file| file.id).collect();
    files.sort_unstable();
    Ok((loader.index, files))
}

/// Reads every index file that can be read.
pub fn load_tolerant(repository: &Repository) -> Result<Tolerant> {
    load_without(repository, &IdSet::default(), Vec::new())
}

/// The same as if some packs were not in the index and others were.
pub fn load_without(repository: &Repository, without: &IdSet, fresh: Vec<FreshPack>) -> Result<Tolerant> {
    let loader = Loader::run(repository, without, fresh)?;
    Ok(Tolerant {
        index: Arc::new(loader.index),
        files: loader.files,
        damaged: loader.damaged,
        contradicted: loader.contradicted,
    })
}

/// Reads one index file.
fn read_file(repository: &Repository, id: Id) -> Result<IndexFile> {
    let json = repository.read_file(FileKind::Index, id)?;
    serde_json::from_slice(&json).map_err(|error| Error::damaged(FileKind::Index.object(id), error.to_string()))
}

#[derive(Default)]
struct Loader {
    index: Index,
    files: Vec<LoadedFile>,
    damaged: Vec<(Id, Error)>,
    contradicted: Vec<Id>,
    seen: IdMap<PackNumber>,
}

impl Loader {
    fn run(repository: &Repository, without: &IdSet, fresh: Vec<FreshPack>) -> Result<Self> {
        let ids = files(repository)?;
        repository.forget_cached(FileKind::Index, &ids);
        let mut loader = Self::default();
        for (id, blobs) in fresh {
            loader.add_pack(PackRef { id, blobs })?;
        }
        parallel::each(
            &ids,
            repository.read_threads(),
            |id| match read_file(repository, *id) {
                Err(error) if error.is_of_one_object() => Ok(Err(error)),
                other => other.map(Ok),
            },
            |id, file| match file {
                Ok(mut file) => {
                    file.packs.retain(|pack| !without.contains(&pack.id));
                    loader.add_file(*id, file)
                }
                Err(error) => {
                    loader.damaged.push((*id, error));
                    Ok(())
                }
            },
        )?;
        loader.seen = IdMap::default();
        loader.index.build();
        loader.contradicted.sort_unstable();
        loader.contradicted.dedup();
        Ok(loader)
    }

    fn add_file(&mut self, id: Id, file: IndexFile) -> Result<()> {
        let begin = self.index.pack_count();
        let mut repeated = Vec::new();
        for pack in file.packs {
            repeated.extend(self.add_pack(pack)?);
        }
        let packs = begin..self.index.pack_count();
        self.files.push(LoadedFile { id, packs, repeated });
        Ok(())
    }

    /// Adds the pack unless it is there; returns it when it was.
    fn add_pack(&mut self, pack: PackRef) -> Result<Option<PackNumber>> {
        match self.seen.entry(pack.id) {
            hash_map::Entry::Vacant(entry) => {
                entry.insert(self.index.add_pack(pack.id, pack.blobs)?);
                Ok(None)
            }
            hash_map::Entry::Occupied(entry) => {
                let first = *entry.get();
                if !is_same(&self.index, first, pack.blobs.clone()) {
                    self.contradicted.push(pack.id);
                    self.index.add_pack(pack.id, pack.blobs)?;
                }
                Ok(Some(first))
            }
        }
    }
}

fn is_same(index: &Index, pack: PackNumber, mut blobs: Vec<PackedBlob>) -> bool {
    let mut known: Vec<PackedBlob> = index.blobs_in(pack).map(|location| location.blob).collect();
    known.sort_unstable_by_key(|blob| blob.offset);
    blobs.sort_unstable_by_key(|blob| blob.offset);
    known == blobs
}
