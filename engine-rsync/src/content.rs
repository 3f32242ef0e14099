//! One file of a snapshot, readable from any position.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use engine_api::{EntryKind, FileContent, SnapshotId, StoredFile};

use crate::error::{Error, Result};
use crate::tree::{locate, relative};
use crate::{RsyncEngine, snapshots};

/// Opens the file at `path`.
pub fn open<'e>(engine: &'e RsyncEngine, snapshot: &SnapshotId, path: &Path) -> Result<Box<dyn FileContent + 'e>> {
    let stored = snapshots::by_id(engine, snapshot)?;
    let store = engine.store();
    let name = stored.name().to_owned();
    let not_found = || Error::PathNotFound {
        path: path.to_path_buf(),
        snapshot: name.clone(),
    };
    let path_in = relative(path).filter(|path| !path.is_empty()).ok_or_else(not_found)?;
    let (folder, file_name, stat) = locate(store, &stored.folder, &path_in)?.ok_or_else(not_found)?;
    if stat.kind != EntryKind::File {
        return Err(Error::NotAFile {
            path: path.to_path_buf(),
            snapshot: name,
        });
    }
    let file = store.open(&folder, file_name)?;
    Ok(Box::new(Content {
        size: stat.size,
        file,
        position: 0,
    }))
}

struct Content {
    file: Box<dyn StoredFile>,
    size: u64,
    position: u64,
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(self.position, buffer).map_err(io::Error::other)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for Content {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
