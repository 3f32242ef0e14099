use super::Index;
use crate::Id;
use crate::error::{Error, Result};
use crate::format::IndexFile;
use crate::parallel;
use crate::repository::{FileKind, Repository};

/// The names of the index files, sorted.
pub fn files(repository: &Repository) -> Result<Vec<Id>> {
    let files = repository.list(FileKind::Index)?;
    Ok(files.into_iter().map(|(id, _)| id).collect())
}

/// Reads every index file of the repository; also returns the files' names.
pub fn load(repository: &Repository) -> Result<(Index, Vec<Id>)> {
    let files = files(repository)?;
    repository.forget_cached(FileKind::Index, &files);
    let mut index = Index::default();
    parallel::each(
        &files,
        repository.read_threads(),
        |id| read_file(repository, *id),
        |_, file| {
            file.packs
                .into_iter()
                .try_for_each(|pack| index.add_pack(pack.id, pack.blobs).map(drop))
        },
    )?;
    index.build();
    Ok((index, files))
}

/// Reads one index file.
pub fn read_file(repository: &Repository, id: Id) -> Result<IndexFile> {
    let json = repository.read_file(FileKind::Index, id)?;
    serde_json::from_slice(&json).map_err(|error| Error::damaged(FileKind::Index.object(id), error.to_string()))
}
