//! What is intact in damaged packs, moved to new ones.

use std::sync::Arc;

use engine_api::{Event, Phase};

use super::Repair;
use super::state::State;
use crate::Id;
use crate::check::PackReader;
use crate::error::Result;
use crate::id::IdSet;
use crate::index::{self, Index, PackNumber};
use crate::pack::PackedBlob;
use crate::parallel;
use crate::removal::remove;
use crate::repository::{BlobSaver, FileKind, Opener, Sealer};

/// Reads every pack and notes those that are damaged.
pub fn read_all(repair: &Repair<'_>, state: &mut State) -> Result<()> {
    let sound = state.inventory.iter().filter(|(_, pack)| pack.is_sound());
    let packs: Vec<PackNumber> = sound.map(|(number, _)| number).collect();
    repair.progress.event(Event::Phase {
        phase: Phase::CheckingData,
        total: Some(packs.len() as u64),
    });
    let State {
        loaded,
        inventory,
        damaged,
        ..
    } = state;
    parallel::each_with(
        &packs,
        repair.bare.read_threads(),
        || PackReader::new(repair.bare, &loaded.index),
        |reader, number| {
            repair.stop_if_cancelled()?;
            let size = inventory.of(*number).size.unwrap_or_default();
            let Some(id) = loaded.index.pack_id(*number) else {
                return Ok(None);
            };
            // Twice, for a bit that flips on the way is no damage.
            let good = reader.is_good(id, *number, size)? || reader.is_good(id, *number, size)?;
            Ok((!good).then_some(id))
        },
        |_, bad| {
            repair.progress.event(Event::Advanced(1));
            damaged.extend(bad);
            Ok(())
        },
    )
}

/// Moves what is intact out of the damaged packs, and removes these.
pub fn mend(repair: &Repair<'_>, mut state: State) -> Result<State> {
    if state.damaged.is_empty() {
        return Ok(state);
    }
    let index = Arc::clone(&state.loaded.index);
    let saver = BlobSaver::new(Arc::clone(repair.repository), Arc::clone(&index), repair.lock.clone());
    let mut salvage = Salvage {
        repair,
        index: &index,
        damaged: &state.damaged,
        saver: &saver,
        opener: Opener::new(repair.repository)?,
        sealer: Sealer::new(repair.repository)?,
        saved: IdSet::default(),
    };
    for id in &state.damaged {
        repair.stop_if_cancelled()?;
        let intact = salvage.pack(*id, state.inventory.size(&index, *id))?;
        state.changes.without.insert(*id);
        if repair.lock.is_none() {
            state.changes.fresh.retain(|(fresh, _)| fresh != id);
            state.changes.fresh.push((*id, intact));
        }
    }
    saver.finish()?;
    state.write_index(repair)?;
    if let Some(lock) = &repair.lock {
        let packs: Vec<Id> = state.damaged.iter().copied().collect();
        remove(repair.repository, lock, FileKind::Pack, &packs, repair.progress)?;
    }
    state.damaged.clear();
    state.reload(repair)
}

struct Salvage<'r> {
    repair: &'r Repair<'r>,
    index: &'r Index,
    damaged: &'r IdSet,
    saver: &'r BlobSaver,
    opener: Opener,
    sealer: Sealer,
    saved: IdSet,
}

impl Salvage<'_> {
    /// Saves what is intact of a pack; returns those of its blobs.
    fn pack(&mut self, id: Id, size: u64) -> Result<Vec<PackedBlob>> {
        let entries = self.entries(id, size);
        let (mut intact, mut saved, mut lost) = (Vec::new(), 0_u64, 0_u64);
        for blob in &entries {
            let known = self.is_elsewhere(blob) || self.saved.contains(&blob.id);
            if known || self.blob(id, size, blob)? {
                intact.push(*blob);
                saved += u64::from(!known);
                self.saved.insert(blob.id);
            } else {
                lost += 1;
            }
        }
        let (object, all) = (FileKind::Pack.object(id), entries.len());
        self.repair.notes.done(format!(
            "{object} is damaged and goes: of its {all} blobs {saved} move to new packs, {lost} are lost"
        ));
        Ok(intact)
    }

    /// What lies in the pack, as the index says and, where it can be read, its header.
    fn entries(&self, id: Id, size: u64) -> Vec<PackedBlob> {
        let numbers = self.index.pack_numbers(id);
        let indexed = numbers
            .flat_map(|number| self.index.blobs_in(number))
            .map(|location| location.blob);
        let header = self.repair.bare.read_header(id, size).unwrap_or_default();
        let mut entries: Vec<PackedBlob> = indexed.chain(header).collect();
        entries.sort_unstable_by_key(|blob| (blob.offset, blob.id, blob.kind));
        entries.dedup();
        entries
    }

    fn is_elsewhere(&self, blob: &PackedBlob) -> bool {
        let pack = |copy: index::Location| self.index.pack_id(copy.pack);
        self.index
            .all(blob.kind, blob.id)
            .filter_map(pack)
            .any(|pack| !self.damaged.contains(&pack))
    }

    /// Saves the blob if it can be read; a listing may also lie in the local cache.
    fn blob(&mut self, pack: Id, size: u64, blob: &PackedBlob) -> Result<bool> {
        let plain = match self.read(pack, size, blob)? {
            Some(plain) => plain,
            None => {
                let repository = self.repair.repository;
                match repository.read_blob_with(&mut self.opener, self.index, blob.kind, blob.id) {
                    Ok(plain) => plain,
                    Err(error) if error.is_loss() => return Ok(false),
                    Err(error) => return Err(error),
                }
            }
        };
        let mut sealed = Vec::new();
        let uncompressed = self.sealer.seal(blob.kind, &plain, &mut sealed)?;
        self.saver.save_sealed(blob.kind, blob.id, &sealed, uncompressed)?;
        Ok(true)
    }

    fn read(&mut self, pack: Id, size: u64, blob: &PackedBlob) -> Result<Option<Vec<u8>>> {
        if u64::from(blob.offset) + u64::from(blob.length) > size {
            return Ok(None);
        }
        let bare = self.repair.bare;
        let (mut sealed, mut plain) = (vec![0; blob.length as usize], Vec::new());
        let read = bare.read_range(pack, blob.kind, blob.offset, &mut sealed);
        let opened = read.and_then(|()| {
            let opened = bare.open_blob(&mut self.opener, pack, blob, &mut sealed, &mut plain);
            opened.map(<[u8]>::to_vec)
        });
        match opened {
            Ok(plain) => Ok(Some(plain)),
            Err(error) if error.is_loss() => Ok(None),
            Err(error) => Err(error),
        }
    }
}
