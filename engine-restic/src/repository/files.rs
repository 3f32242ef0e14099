//! The repository's files by kind: where they lie, how they are listed, read, written and removed.

use std::ops::ControlFlow;

use engine_api::{BlobStore, Body, Key, PutMode};

use super::Repository;
use crate::Id;
use crate::error::{Error, Result};
use crate::format;

/// The kinds of file that have a digest for a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// A key, sealed with a password.
    Key,
    /// A lock.
    Lock,
    /// A snapshot.
    Snapshot,
    /// A part of the index.
    Index,
    /// A pack.
    Pack,
}

impl FileKind {
    /// The folder they lie in.
    pub const fn folder(self) -> &'static str {
        match self {
            Self::Key => "keys",
            Self::Lock => "locks",
            Self::Snapshot => "snapshots",
            Self::Index => "index",
            Self::Pack => "data",
        }
    }

    /// What one is called in messages.
    const fn noun(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Lock => "lock",
            Self::Snapshot => "snapshot",
            Self::Index => "index",
            Self::Pack => "pack",
        }
    }

    /// How messages name the file.
    pub fn object(self, id: Id) -> String {
        format!("{} {id}", self.noun())
    }

    /// Where the file lies.
    ///
    /// # Errors
    /// Never for a digest: the signature is that of [`Key::new`].
    pub fn key(self, id: Id) -> Result<Key> {
        let (folder, name) = (self.folder(), id.to_string());
        let path = match (self, name.get(..2)) {
            (Self::Pack, Some(prefix)) => format!("{folder}/{prefix}/{name}"),
            _ => format!("{folder}/{name}"),
        };
        Key::new(path).map_err(|error| Error::Usage(error.to_string()))
    }
}

/// Names and sizes of all files of a kind, sorted by name. Files whose name is no digest are passed over, as restic does.
pub fn list(store: &dyn BlobStore, kind: FileKind) -> Result<Vec<(Id, u64)>> {
    let mut files = Vec::new();
    store.list(kind.folder(), &mut |object| {
        let name = object
            .key
            .as_bytes()
            .rsplit(|byte| *byte == b'/')
            .next()
            .unwrap_or_default();
        if let Some(id) = std::str::from_utf8(name).ok().and_then(Id::parse) {
            files.push((id, object.size));
        }
        ControlFlow::Continue(())
    })?;
    files.sort_unstable();
    Ok(files)
}

impl Repository {
    /// Names and sizes of all files of a kind, sorted by name.
    pub fn list(&self, kind: FileKind) -> Result<Vec<(Id, u64)>> {
        list(self.store.as_ref(), kind)
    }

    /// Reads, opens and decodes a file that is not a pack.
    pub fn read_file(&self, kind: FileKind, id: Id) -> Result<Vec<u8>> {
        let cached = self.cache.as_ref().and_then(|cache| cache.read(kind, id));
        let stored = match cached.filter(|bytes| Id::of(bytes) == id) {
            Some(bytes) => bytes,
            None => self.fetch(kind, id)?,
        };
        self.open_file(stored, &kind.object(id))
    }

    fn fetch(&self, kind: FileKind, id: Id) -> Result<Vec<u8>> {
        let stored = self.store.get(&kind.key(id)?)?;
        if Id::of(&stored) != id {
            return Err(Error::damaged(kind.object(id), "its content does not fit its name"));
        }
        if let Some(cache) = &self.cache {
            cache.write(kind, id, &stored);
        }
        Ok(stored)
    }

    fn open_file(&self, mut stored: Vec<u8>, object: &str) -> Result<Vec<u8>> {
        let plain = self.key.open_in_place(&mut stored);
        let plain = plain
            .map_err(|_| Error::damaged(object, "its authentication code does not fit"))?
            .to_vec();
        format::decode_unpacked(plain, object)
    }

    /// Encodes, seals and stores a file that is not a pack; durable when it returns.
    pub fn write_file(&self, kind: FileKind, json: &[u8]) -> Result<Id> {
        let sealed = self.key.seal(&format::encode_unpacked(json, self.config.version)?)?;
        let id = Id::of(&sealed);
        self.put(kind, id, &sealed)?;
        if let Some(cache) = &self.cache {
            cache.write(kind, id, &sealed);
        }
        Ok(id)
    }

    /// Stores bytes under their digest. What is there already under that name is the same.
    pub(super) fn put(&self, kind: FileKind, id: Id, bytes: &[u8]) -> Result<()> {
        let sha256 = id.as_bytes();
        Ok(self
            .store
            .put(&kind.key(id)?, Body::Digested { bytes, sha256 }, PutMode::Replace)?)
    }

    /// Removes a file; one that is gone already is as good as removed.
    pub fn remove(&self, kind: FileKind, id: Id) -> Result<()> {
        if let Some(cache) = &self.cache {
            cache.remove(kind, id);
        }
        Ok(self.store.discard(&kind.key(id)?)?)
    }

    /// Drops cached files of a kind that the storage has no more.
    pub fn forget_cached(&self, kind: FileKind, existing: &[Id]) {
        if let Some(cache) = &self.cache {
            cache.keep_only(kind, existing);
        }
    }
}
