//! The index made to say what the packs hold.

use engine_api::{Event, Phase};

use super::Repair;
use super::state::{Changes, State};
use crate::Id;
use crate::error::{Error, Result};
use crate::index::{self, FreshPack, Index, PackNumber, Tolerant};
use crate::inventory::Inventory;
use crate::parallel;
use crate::repository::FileKind;

/// Mends the index, and loads what comes of it.
pub fn mend(repair: &Repair<'_>) -> Result<State> {
    repair.progress.event(Event::Phase {
        phase: Phase::LoadingIndex,
        total: None,
    });
    let loaded = index::load_tolerant(repair.bare)?;
    let inventory = Inventory::gather(repair.bare, &loaded.index)?;
    refuse_if_all_is_gone(&loaded.index, &inventory)?;
    let mut state = State::new(loaded, inventory);
    drop_missing(repair, &mut state);
    read_headers(repair, &mut state)?;
    let repeated = state.loaded.files.iter().any(|file| !file.repeated.is_empty());
    if !repeated && state.loaded.damaged.is_empty() && state.changes.is_empty() {
        return Ok(state);
    }
    for (id, error) in &state.loaded.damaged {
        let object = FileKind::Index.object(*id);
        repair.notes.done(format!("{object} goes: {error}"));
    }
    if repeated {
        repair
            .notes
            .done("packs that several index files name are named by one".to_owned());
    }
    state.write_index(repair)?;
    state.reload(repair)
}

/// Packs that are all gone at once are rather somewhere else than lost.
fn refuse_if_all_is_gone(index: &Index, inventory: &Inventory) -> Result<()> {
    if inventory.stored > 0 || index.pack_count() == 0 {
        return Ok(());
    }
    let why = format!(
        "not one of its {} packs is there: bring the folder `data` back before anything is repaired",
        index.pack_count()
    );
    Err(Error::damaged("the repository", why))
}

fn drop_missing(repair: &Repair<'_>, state: &mut State) {
    for (number, _) in state.inventory.iter().filter(|(_, pack)| pack.size.is_none()) {
        if let Some(id) = state.loaded.index.pack_id(number)
            && state.changes.without.insert(id)
        {
            let blobs = state.loaded.index.blobs_in(number).count();
            let object = FileKind::Pack.object(id);
            repair
                .notes
                .done(format!("{object} is not there: its {blobs} entries leave the index"));
        }
    }
}

/// Reads the headers of packs that are in no index, that have another size than the index says, or that index files
/// contradict each other about.
fn read_headers(repair: &Repair<'_>, state: &mut State) -> Result<()> {
    let packs = doubtful(&state.loaded, &state.inventory);
    if packs.is_empty() {
        return Ok(());
    }
    repair.progress.event(Event::Phase {
        phase: Phase::CheckingStructure,
        total: Some(packs.len() as u64),
    });
    let State {
        loaded,
        changes,
        damaged,
        ..
    } = state;
    parallel::each(
        &packs,
        repair.bare.read_threads(),
        |(id, size)| {
            repair.stop_if_cancelled()?;
            match repair.bare.read_header(*id, *size) {
                Err(error) if error.is_loss() => Ok(Err(error)),
                header => header.map(Ok),
            }
        },
        |(id, _), header| {
            repair.progress.event(Event::Advanced(1));
            match header {
                Ok(blobs) => changes.reindex((*id, blobs)),
                Err(_) if loaded.index.pack_numbers(*id).next().is_some() => drop(damaged.insert(*id)),
                Err(error) => {
                    let why = error.chain();
                    repair
                        .notes
                        .left(format!("{why}; it is in no index, and is left as it is"));
                }
            }
            Ok(())
        },
    )?;
    if !changes.fresh.is_empty() {
        let count = changes.fresh.len();
        repair.notes.done(format!(
            "the entries of {count} packs are read from the packs themselves"
        ));
    }
    Ok(())
}

fn doubtful(loaded: &Tolerant, inventory: &Inventory) -> Vec<(Id, u64)> {
    let wrong_size = inventory.iter().filter(|(_, pack)| !pack.is_sound());
    let named = |(number, size): (PackNumber, Option<u64>)| Some((loaded.index.pack_id(number)?, size?));
    let contradicted = loaded.contradicted.iter().flat_map(|id| loaded.index.pack_numbers(*id));
    let mut packs: Vec<(Id, u64)> = wrong_size
        .map(|(number, _)| number)
        .chain(contradicted)
        .map(|number| (number, inventory.of(number).size))
        .filter_map(named)
        .chain(inventory.unindexed.iter().copied())
        .collect();
    packs.sort_unstable();
    packs.dedup();
    packs
}

impl Changes {
    /// Takes a pack's entries from its header.
    fn reindex(&mut self, pack: FreshPack) {
        self.without.insert(pack.0);
        self.fresh.push(pack);
    }
}
