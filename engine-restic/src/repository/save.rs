//! New blobs: stored once, in packs that are filled side by side.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::upload::Uploader;
use super::{Repository, Sealer, lock};
use crate::Id;
use crate::crypto::OVERHEAD;
use crate::error::{Error, Result};
use crate::format::BlobKind;
use crate::id::IdSet;
use crate::index::Index;
use crate::lock::Lock;
use crate::pack::{PackWriter, entry_size};

/// Packs of a kind that are filled at once. A blob goes into one of them at random, so that the lengths and the order of
/// a file's chunks cannot be read off a pack: knowing them, an attacker can compute the repository's polynomial.
pub(super) const OPEN_PACKS: usize = 2;
/// Bytes that a pack of chunks may be longer than its size without being moved in memory.
const ROOM: usize = 1 << 20;

/// Stores blobs that the repository has not; shared by all threads of an operation.
pub struct BlobSaver {
    repository: Arc<Repository>,
    index: Arc<Index>,
    new: Mutex<[IdSet; 2]>,
    open: [Mutex<OpenPacks>; 2],
    uploader: Option<Uploader>,
    totals: Totals,
}

struct OpenPacks {
    packs: [Option<PackWriter>; OPEN_PACKS],
    /// Random bits that choose the pack, refilled from the system.
    bits: u64,
    bits_left: u32,
}

#[derive(Default)]
struct Totals {
    data_blobs: AtomicU64,
    tree_blobs: AtomicU64,
    plain_bytes: AtomicU64,
    stored_bytes: AtomicU64,
}

/// What was stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SaveTotals {
    /// New data blobs.
    pub data_blobs: u64,
    /// New tree blobs.
    pub tree_blobs: u64,
    /// Their plain bytes.
    pub plain_bytes: u64,
    /// What they take in the repository, with their share of the packs' headers.
    pub stored_bytes: u64,
    /// The index files written.
    pub index_files: Vec<Id>,
}

/// What became of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Saved {
    /// Its name.
    pub id: Id,
    /// Whether the repository had it not.
    pub new: bool,
}

impl BlobSaver {
    /// A saver that knows what `index` holds and writes under `lock`, which is settled before the first write. Without a
    /// lock it only counts: a dry run.
    pub fn new(repository: Arc<Repository>, index: Arc<Index>, lock: Option<Arc<Lock>>) -> Self {
        let uploader = lock.map(|lock| Uploader::new(Arc::clone(&repository), lock));
        let open = || {
            Mutex::new(OpenPacks {
                packs: [None, None],
                bits: 0,
                bits_left: 0,
            })
        };
        Self {
            repository,
            index,
            new: Mutex::default(),
            open: [open(), open()],
            uploader,
            totals: Totals::default(),
        }
    }

    /// Stores the blob unless the repository has it or another thread is about to store it.
    pub fn save(&self, kind: BlobKind, plain: &[u8], sealer: &mut Sealer, buffer: &mut Vec<u8>) -> Result<Saved> {
        let id = Id::of(plain);
        let new = self.claim(kind, id);
        if new {
            let uncompressed = sealer.seal(kind, plain, buffer)?;
            self.count(kind, plain.len(), buffer.len() + entry_size(uncompressed.is_some()));
            self.pack(kind, id, buffer, uncompressed)?;
        }
        Ok(Saved { id, new })
    }

    /// Stores a blob that is sealed already, whatever the index says: it is moved from another pack. The caller sees to it
    /// that each blob comes once, so that nothing has to be kept of every blob that is moved.
    pub fn save_sealed(&self, kind: BlobKind, id: Id, sealed: &[u8], uncompressed: Option<u32>) -> Result<()> {
        let plain = uncompressed.map_or(sealed.len().saturating_sub(OVERHEAD), |length| length as usize);
        self.count(kind, plain, sealed.len() + entry_size(uncompressed.is_some()));
        self.pack(kind, id, sealed, uncompressed)
    }

    /// Whether the caller is the one to store this blob.
    fn claim(&self, kind: BlobKind, id: Id) -> bool {
        !self.index.has(kind, id) && claim(&mut lock(&self.new), kind, id)
    }

    fn count(&self, kind: BlobKind, plain: usize, stored: usize) {
        let blobs = match kind {
            BlobKind::Data => &self.totals.data_blobs,
            BlobKind::Tree => &self.totals.tree_blobs,
        };
        blobs.fetch_add(1, Ordering::Relaxed);
        self.totals.plain_bytes.fetch_add(plain as u64, Ordering::Relaxed);
        self.totals.stored_bytes.fetch_add(stored as u64, Ordering::Relaxed);
    }

    fn pack(&self, kind: BlobKind, id: Id, sealed: &[u8], uncompressed: Option<u32>) -> Result<()> {
        let Some(uploader) = &self.uploader else { return Ok(()) };
        uploader.check()?;
        let full = self.add(uploader, kind, id, sealed, uncompressed)?;
        full.map_or(Ok(()), |pack| uploader.send(kind, pack))
    }

    /// Adds the blob to an open pack and returns that if it is full now.
    fn add(
        &self,
        uploader: &Uploader,
        kind: BlobKind,
        id: Id,
        sealed: &[u8],
        uncompressed: Option<u32>,
    ) -> Result<Option<PackWriter>> {
        let size = self.repository.settings().pack_size();
        let too_large = || Error::damaged(format!("blob {id}"), "it does not fit into a pack");
        if sealed.len() >= size {
            let mut alone = PackWriter::new(Vec::new(), sealed.len() + 1024);
            alone.add(id, kind, sealed, uncompressed).ok_or_else(too_large)?;
            return Ok(Some(alone));
        }
        let [data, trees] = &self.open;
        let mut open = lock(if kind == BlobKind::Data { data } else { trees });
        let slot = open.choose(kind)?;
        let pack = slot.get_or_insert_with(|| {
            PackWriter::new(uploader.buffer(), if kind == BlobKind::Data { size + ROOM } else { 0 })
        });
        pack.add(id, kind, sealed, uncompressed).ok_or_else(too_large)?;
        let full = pack.len() >= size || pack.header_is_full();
        Ok(if full { slot.take() } else { None })
    }

    /// Stores what is left in open packs, waits for all of it and writes the index.
    pub fn finish(self) -> Result<SaveTotals> {
        let Self {
            open,
            uploader,
            totals,
            repository,
            ..
        } = self;
        let mut result = SaveTotals {
            data_blobs: totals.data_blobs.into_inner(),
            tree_blobs: totals.tree_blobs.into_inner(),
            plain_bytes: totals.plain_bytes.into_inner(),
            stored_bytes: totals.stored_bytes.into_inner(),
            index_files: Vec::new(),
        };
        let Some(uploader) = uploader else { return Ok(result) };
        for (kind, open) in [BlobKind::Data, BlobKind::Tree].into_iter().zip(open) {
            let open = open.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
            for pack in merge(open.packs, repository.settings().pack_size()) {
                uploader.send(kind, pack)?;
            }
        }
        result.index_files = uploader.finish()?;
        Ok(result)
    }
}

fn claim(new: &mut [IdSet; 2], kind: BlobKind, id: Id) -> bool {
    let [data, trees] = new;
    if kind == BlobKind::Data {
        data.insert(id)
    } else {
        trees.insert(id)
    }
}

impl OpenPacks {
    /// Listings are encrypted text of any length, whose cuts tell nothing: one pack of them is enough.
    fn choose(&mut self, kind: BlobKind) -> Result<&mut Option<PackWriter>> {
        if kind == BlobKind::Tree {
            let [first, _] = &mut self.packs;
            return Ok(first);
        }
        if self.bits_left == 0 {
            self.bits = getrandom::u64().map_err(Error::Random)?;
            self.bits_left = u64::BITS;
        }
        self.bits_left -= 1;
        let second = (self.bits >> self.bits_left) & 1 == 1;
        let [first_pack, second_pack] = &mut self.packs;
        Ok(if second { second_pack } else { first_pack })
    }
}

/// The last packs, put together where they fit into one: a repository of many small backups should not be one of many
/// small packs.
fn merge(packs: [Option<PackWriter>; OPEN_PACKS], size: usize) -> Vec<PackWriter> {
    let mut merged: Vec<PackWriter> = Vec::new();
    for pack in packs.into_iter().flatten() {
        match merged.last_mut() {
            Some(last) if last.len() + pack.len() <= size => last.append(&pack),
            _ => merged.push(pack),
        }
    }
    merged
}
