//! One file of a snapshot, readable from any position.

use std::collections::VecDeque;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use engine_api::{EntryKind, FileContent, Silent, SnapshotId};

use crate::error::{Error, Result};
use crate::format::BlobKind;
use crate::index::Index;
use crate::lock::Lock;
use crate::repository::{Opener, Repository};
use crate::trees::{Located, locate};
use crate::{Id, ResticEngine, snapshots};

/// Chunks that are kept for the next read: one that goes back and forth around a cut needs two.
const CACHED: usize = 2;

/// Opens the file at `path`.
pub fn open<'e>(engine: &'e ResticEngine, snapshot: &SnapshotId, path: &Path) -> Result<Box<dyn FileContent + 'e>> {
    let repository = engine.repository();
    let lock = Lock::for_reading(&repository, &Silent)?;
    let stored = snapshots::by_id(&repository, snapshot)?;
    let index = engine.index(&repository)?;
    let (path_buf, short) = (path.to_path_buf(), stored.id.short());
    let node = match locate(&repository, &index, stored.file.tree, path)? {
        Some(Located::Node(node)) if node.metadata.kind == EntryKind::File => node,
        Some(_) => {
            return Err(Error::NotAFile {
                path: path_buf,
                snapshot: short,
            });
        }
        None => {
            return Err(Error::PathNotFound {
                path: path_buf,
                snapshot: short,
            });
        }
    };
    let chunks = chunks(&index, &node.content)?;
    Ok(Box::new(Content {
        opener: Opener::new(&repository)?,
        repository,
        index,
        chunks,
        position: 0,
        cached: VecDeque::new(),
        _lock: lock,
    }))
}

struct Content {
    repository: Arc<Repository>,
    index: Arc<Index>,
    opener: Opener,
    /// Every chunk with the position behind its last byte.
    chunks: Vec<(Id, u64)>,
    position: u64,
    /// The chunks that were used last, by their position in the list, the newest in front.
    cached: VecDeque<(usize, Vec<u8>)>,
    _lock: Option<Lock>,
}

fn chunks(index: &Index, content: &[Id]) -> Result<Vec<(Id, u64)>> {
    let mut end = 0;
    let chunk = |id: &Id| {
        let location = index.get(BlobKind::Data, *id).ok_or_else(|| Error::Missing {
            object: format!("data blob {id}"),
        })?;
        end += u64::from(location.blob.plain_length());
        Ok((*id, end))
    };
    content.iter().map(chunk).collect()
}

impl Content {
    fn len(&self) -> u64 {
        self.chunks.last().map_or(0, |(_, end)| *end)
    }

    /// What follows the current position in the chunk that it lies in; nothing at the end.
    fn rest_of_chunk(&mut self) -> Result<&[u8]> {
        let number = self.chunks.partition_point(|(_, end)| *end <= self.position);
        let Some((id, end)) = self.chunks.get(number).copied() else {
            return Ok(&[]);
        };
        self.load(number, id)?;
        let (_, chunk) = self.cached.front().map_or((0, &[][..]), |(n, chunk)| (*n, chunk));
        let left = usize::try_from(end - self.position).unwrap_or(usize::MAX);
        let begin = chunk.len().saturating_sub(left);
        Ok(chunk.get(begin..).unwrap_or_default())
    }

    /// Puts the chunk in front of the cached ones.
    fn load(&mut self, number: usize, id: Id) -> Result<()> {
        if let Some(found) = self.cached.iter().position(|(cached, _)| *cached == number) {
            self.cached.swap(0, found);
            return Ok(());
        }
        let chunk = self
            .repository
            .read_blob_with(&mut self.opener, &self.index, BlobKind::Data, id)?;
        self.cached.truncate(CACHED - 1);
        self.cached.push_front((number, chunk));
        Ok(())
    }
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut rest = self.rest_of_chunk().map_err(io::Error::other)?;
        let read = rest.read(buffer)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for Content {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => self.len().checked_add_signed(by),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use engine_api::{Engine, ErrorKind};
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{Model, noise};

    #[test]
    fn reads_from_any_position() {
        let mut model = Model::new();
        let content = noise(5, 5 << 20);
        model.write("large", &content);
        let id = model.backup();
        let path = model.tree.path().join("large");
        let mut file = model.engine.open(&id, &path).unwrap();
        assert_eq!(file.seek(SeekFrom::End(0)).unwrap(), content.len() as u64);
        assert_eq!(file.read(&mut [0; 10]).unwrap(), 0);
        assert!(file.seek(SeekFrom::Current(-1 << 40)).is_err());
        let file = std::sync::Mutex::new(file);
        let len = content.len();
        proptest!(ProptestConfig::with_cases(60), |(begin in 0..len, length in 0..2_000_000_usize)| {
            let mut file = file.lock().unwrap();
            let end = (begin + length).min(len);
            let mut read = vec![0; end - begin];
            file.seek(SeekFrom::Start(begin as u64)).unwrap();
            file.read_exact(&mut read).unwrap();
            prop_assert!(read == content[begin..end]);
        });
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let mut model = Model::new();
        model.write("folder/file", b"");
        let id = model.backup();
        for path in ["folder", "folder/other", "folder/file/below", "folder/../folder/file"] {
            let outcome = model.engine.open(&id, &model.tree.path().join(path));
            assert_eq!(outcome.err().unwrap().kind(), ErrorKind::Usage, "{path}");
        }
        let mut text = String::new();
        let path = model.tree.path().join("folder/file");
        model
            .engine
            .open(&id, &path)
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "");
    }
}
