use sha2::{Digest, Sha256};

use super::PackedBlob;
use crate::Id;
use crate::Result;
use crate::crypto::SealingKey;
use crate::format::BlobKind;

/// Blobs that a header may list at the most: restic reads no longer headers.
const MOST_BLOBS: usize = 16 * 1024 * 1024 / 41 - 8;

/// A pack that is being filled, in memory.
pub struct PackWriter {
    bytes: Vec<u8>,
    blobs: Vec<PackedBlob>,
}

/// A pack that is complete and has its name.
pub struct SealedPack {
    /// The digest of its bytes.
    pub id: Id,
    /// What is to be stored.
    pub bytes: Vec<u8>,
    /// What lies in it.
    pub blobs: Vec<PackedBlob>,
}

impl PackWriter {
    /// An empty pack with room for `capacity` bytes, in a buffer that may have been used before.
    pub fn new(mut buffer: Vec<u8>, capacity: usize) -> Self {
        buffer.clear();
        buffer.reserve(capacity);
        Self {
            bytes: buffer,
            blobs: Vec::new(),
        }
    }

    /// Bytes of blobs in it.
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether no further blob may be added.
    pub const fn header_is_full(&self) -> bool {
        self.blobs.len() >= MOST_BLOBS
    }

    /// Adds a sealed blob; `None` when the pack would grow over 4 GiB.
    pub fn add(&mut self, id: Id, kind: BlobKind, sealed: &[u8], uncompressed: Option<u32>) -> Option<()> {
        let offset = u32::try_from(self.bytes.len()).ok()?;
        let length = u32::try_from(sealed.len()).ok()?;
        offset.checked_add(length)?;
        self.bytes.extend_from_slice(sealed);
        self.blobs.push(PackedBlob {
            id,
            kind,
            offset,
            length,
            uncompressed,
        });
        Some(())
    }

    /// Adds all blobs of another pack; both together are below 4 GiB.
    pub fn append(&mut self, other: &Self) {
        for blob in &other.blobs {
            let (start, end) = (blob.offset as usize, blob.offset as usize + blob.length as usize);
            if let Some(sealed) = other.bytes.get(start..end) {
                let _ = self.add(blob.id, blob.kind, sealed, blob.uncompressed);
            }
        }
    }

    /// Appends the header and names the pack.
    pub fn seal(mut self, key: &SealingKey) -> Result<SealedPack> {
        let mut header = Vec::new();
        self.blobs.iter().for_each(|blob| blob.write_entry(&mut header));
        let start = self.bytes.len();
        key.seal_into(&header, &mut self.bytes)?;
        // A header is far below 4 GiB: see MOST_BLOBS.
        let length = u32::try_from(self.bytes.len() - start).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(&length.to_le_bytes());
        let id = Id::from_bytes(Sha256::digest(&self.bytes).into());
        Ok(SealedPack {
            id,
            bytes: self.bytes,
            blobs: self.blobs,
        })
    }
}
