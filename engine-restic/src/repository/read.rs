//! Reading blobs out of packs.

use super::{FileKind, Opener, Repository};
use crate::Id;
use crate::error::{Error, Result};
use crate::format::BlobKind;
use crate::index::{Index, Location};
use crate::pack::PackedBlob;

impl Repository {
    /// Reads a blob from any pack that has it whole.
    pub fn read_blob(&self, index: &Index, kind: BlobKind, id: Id) -> Result<Vec<u8>> {
        self.read_blob_with(&mut Opener::new(self)?, index, kind, id)
    }

    /// The same with an opener that was used before.
    pub fn read_blob_with(&self, opener: &mut Opener, index: &Index, kind: BlobKind, id: Id) -> Result<Vec<u8>> {
        let mut failure = Error::Missing {
            object: format!("{kind} blob {id}"),
        };
        for location in index.all(kind, id) {
            match self.read_location(opener, index, &location) {
                Ok(plain) => return Ok(plain),
                Err(error) if error.is_loss() => failure = error,
                Err(error) => return Err(error),
            }
        }
        Err(failure)
    }

    fn read_location(&self, opener: &mut Opener, index: &Index, location: &Location) -> Result<Vec<u8>> {
        let blob = location.blob;
        let pack = index.pack_id(location.pack).ok_or_else(|| Error::Missing {
            object: format!("blob {}", blob.id),
        })?;
        let mut sealed = vec![0; blob.length as usize];
        self.read_range(pack, blob.kind, blob.offset, &mut sealed)?;
        let mut out = Vec::new();
        let plain = self.open_blob(opener, pack, &blob, &mut sealed, &mut out)?;
        // What was compressed lies in `out` already.
        Ok(if blob.uncompressed.is_some() {
            out
        } else {
            plain.to_vec()
        })
    }

    /// Opens one sealed blob of a pack and compares it with its name.
    pub fn open_blob<'a>(
        &self,
        opener: &mut Opener,
        pack: Id,
        blob: &PackedBlob,
        sealed: &'a mut [u8],
        out: &'a mut Vec<u8>,
    ) -> Result<&'a [u8]> {
        let damaged = |why| Error::damaged(format!("{} blob {} in pack {pack}", blob.kind, blob.id), why);
        let plain = opener.open(sealed, blob.uncompressed, out).map_err(damaged)?;
        if Id::of(plain) == blob.id {
            Ok(plain)
        } else {
            Err(damaged("its content does not fit its name".to_owned()))
        }
    }

    /// Fills `buffer` from a pack, through the cache where it holds listings.
    pub fn read_range(&self, pack: Id, kind: BlobKind, offset: u32, buffer: &mut [u8]) -> Result<()> {
        if kind == BlobKind::Tree && self.read_cached(pack, offset, buffer)? {
            return Ok(());
        }
        Ok(self
            .store
            .get_range(&FileKind::Pack.key(pack)?, u64::from(offset), buffer)?)
    }

    fn read_cached(&self, pack: Id, offset: u32, buffer: &mut [u8]) -> Result<bool> {
        let Some(cache) = &self.cache else { return Ok(false) };
        if cache.read_range(FileKind::Pack, pack, u64::from(offset), buffer) {
            return Ok(true);
        }
        // Packs of listings are read in many small pieces: one whole read is cheaper than the second piece.
        let bytes = self.store.get(&FileKind::Pack.key(pack)?)?;
        cache.write(FileKind::Pack, pack, &bytes);
        let start = offset as usize;
        let Some(part) = bytes.get(start..start.saturating_add(buffer.len())) else {
            return Ok(false);
        };
        buffer.copy_from_slice(part);
        Ok(true)
    }
}
