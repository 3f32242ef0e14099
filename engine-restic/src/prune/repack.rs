//! What is needed of packs that go, moved to new ones.

use std::sync::Arc;

use engine_api::{Event, Phase, Progress};

use super::Prepared;
use super::plan::Fate;
use crate::Id;
use crate::error::{Error, Result};
use crate::format::BlobKind;
use crate::index::{Index, Location, Marks, PackNumber};
use crate::lock::Lock;
use crate::pack::PackedBlob;
use crate::parallel;
use crate::repository::{BlobSaver, Opener, Repository, SaveTotals, Sealer};

/// Bytes between two needed blobs that are rather read than left out.
const GAP: u32 = 256 << 10;
/// Bytes that are read at once, unless one blob is longer.
const STRETCH: u32 = 8 << 20;

/// Moves what the plan says; when it returns, new packs and index files hold all of it.
pub fn run(
    repository: &Arc<Repository>,
    lock: &Arc<Lock>,
    prepared: &Prepared,
    progress: &dyn Progress,
) -> Result<SaveTotals> {
    let packs: Vec<PackNumber> = prepared
        .plan
        .fates
        .iter()
        .enumerate()
        .filter(|(_, fate)| **fate == Fate::Repack)
        .map(|(position, _)| PackNumber::at(position))
        .collect();
    if packs.is_empty() {
        return Ok(SaveTotals::default());
    }
    progress.event(Event::Phase {
        phase: Phase::Repacking,
        total: Some(packs.len() as u64),
    });
    let index = &prepared.index;
    let saver = BlobSaver::new(Arc::clone(repository), Arc::clone(index), Some(Arc::clone(lock)));
    parallel::each_with(
        &packs,
        repository.read_threads(),
        || Mover::new(repository, index, &saver),
        |mover, pack| {
            if progress.cancelled() {
                return Err(Error::Interrupted);
            }
            mover.move_pack(*pack, &prepared.plan.keep)?;
            progress.event(Event::Advanced(1));
            Ok(())
        },
        |_, ()| Ok(()),
    )?;
    saver.finish()
}

/// Moves blobs from old packs to new ones; one for each thread.
pub struct Mover<'r> {
    repository: &'r Repository,
    index: &'r Index,
    saver: &'r BlobSaver,
    opener: Opener,
    sealer: Sealer,
    /// A stretch of the pack that is being read.
    stretch: Vec<u8>,
    sealed: Vec<u8>,
    plain: Vec<u8>,
}

impl<'r> Mover<'r> {
    /// Moves from the packs of `index` to the saver's.
    pub fn new(repository: &'r Repository, index: &'r Index, saver: &'r BlobSaver) -> Result<Self> {
        Ok(Self {
            repository,
            index,
            saver,
            opener: Opener::new(repository)?,
            sealer: Sealer::new(repository)?,
            stretch: Vec::new(),
            sealed: Vec::new(),
            plain: Vec::new(),
        })
    }

    fn move_pack(&mut self, pack: PackNumber, keep: &Marks) -> Result<()> {
        let Some(id) = self.index.pack_id(pack) else {
            return Ok(());
        };
        let kept = self.index.blobs_in(pack).filter(|location| keep.get(location.ordinal));
        let mut blobs: Vec<PackedBlob> = kept.map(|location: Location| location.blob).collect();
        blobs.sort_unstable_by_key(|blob| blob.offset);
        for stretch in stretches(&blobs) {
            self.move_stretch(id, stretch)?;
        }
        Ok(())
    }

    fn move_stretch(&mut self, pack: Id, blobs: &[PackedBlob]) -> Result<()> {
        let (Some(first), Some(last)) = (blobs.first(), blobs.last()) else {
            return Ok(());
        };
        let length = last.offset.saturating_add(last.length).saturating_sub(first.offset);
        let mut stretch = std::mem::take(&mut self.stretch);
        stretch.resize(length as usize, 0);
        self.repository
            .read_range(pack, first.kind, first.offset, &mut stretch)?;
        for blob in blobs {
            let begin = (blob.offset - first.offset) as usize;
            let sealed = stretch.get(begin..begin + blob.length as usize).unwrap_or_default();
            self.move_blob(pack, blob, sealed)?;
        }
        self.stretch = stretch;
        Ok(())
    }

    /// Stores the blob anew after it has been opened and compared with its name. A damaged one is taken from another
    /// pack, if one has it.
    fn move_blob(&mut self, pack: Id, blob: &PackedBlob, sealed: &[u8]) -> Result<()> {
        self.sealed.clear();
        self.sealed.extend_from_slice(sealed);
        let opened = self
            .repository
            .open_blob(&mut self.opener, pack, blob, &mut self.sealed, &mut self.plain)
            .map(drop);
        match opened {
            Ok(()) if !self.must_compress(blob) => {
                return self.saver.save_sealed(blob.kind, blob.id, sealed, blob.uncompressed);
            }
            Err(error) if !error.is_loss() => return Err(error),
            _ => {}
        }
        let plain = self
            .repository
            .read_blob_with(&mut self.opener, self.index, blob.kind, blob.id)?;
        let uncompressed = self.sealer.seal(blob.kind, &plain, &mut self.sealed)?;
        self.saver.save_sealed(blob.kind, blob.id, &self.sealed, uncompressed)
    }

    fn must_compress(&self, blob: &PackedBlob) -> bool {
        blob.kind == BlobKind::Tree && blob.uncompressed.is_none() && self.repository.config().version >= 2
    }
}

/// The blobs, which are in order, in runs that are read at once.
fn stretches(mut blobs: &[PackedBlob]) -> impl Iterator<Item = &[PackedBlob]> {
    std::iter::from_fn(move || {
        let begin = blobs.first()?.offset;
        let mut end = begin;
        let is_near = |blob: &&PackedBlob| {
            let new_end = blob.offset.saturating_add(blob.length);
            let near = blob.offset.saturating_sub(end) <= GAP && (end == begin || new_end - begin <= STRETCH);
            end = new_end;
            near
        };
        let count = blobs.iter().take_while(is_near).count();
        let (stretch, rest) = blobs.split_at_checked(count)?;
        blobs = rest;
        Some(stretch)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blobs_that_lie_near_are_read_at_once() {
        let blob = |offset, length| PackedBlob {
            id: Id::of(b""),
            kind: BlobKind::Data,
            offset,
            length,
            uncompressed: None,
        };
        let blobs = [
            blob(0, 10),
            blob(10 + GAP, 10),
            blob(21 + 2 * GAP, STRETCH + 1),
            blob(22 + 2 * GAP + STRETCH, STRETCH / 2),
            blob(22 + 2 * GAP + STRETCH + STRETCH / 2, STRETCH / 2),
            blob(22 + 2 * GAP + 2 * STRETCH, 1),
        ];
        let lengths: Vec<usize> = stretches(&blobs).map(<[PackedBlob]>::len).collect();
        assert_eq!(lengths, [2, 1, 2, 1]);
        assert_eq!(stretches(&[]).count(), 0);
    }
}
