use super::Repair;
use crate::Id;
use crate::error::Result;
use crate::id::IdSet;
use crate::index::{self, FreshPack, PackNumber, Tolerant};
use crate::inventory::Inventory;
use crate::removal::remove;
use crate::repository::FileKind;

/// What is known of index and packs between two steps.
pub struct State {
    /// The index as it is, or in a dry run as it would be.
    pub loaded: Tolerant,
    /// The packs beside it.
    pub inventory: Inventory,
    /// What is to be written differently, or in a dry run would have been.
    pub changes: Changes,
    /// Packs of the index that hold something else than it says.
    pub damaged: IdSet,
}

/// Changes of the index.
#[derive(Default)]
pub struct Changes {
    /// Packs whose entries go.
    pub without: IdSet,
    /// Packs whose entries come.
    pub fresh: Vec<FreshPack>,
}

impl Changes {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.without.is_empty() && self.fresh.is_empty()
    }
}

impl State {
    /// Nothing is to be changed yet.
    pub fn new(loaded: Tolerant, inventory: Inventory) -> Self {
        Self {
            loaded,
            inventory,
            changes: Changes::default(),
            damaged: IdSet::default(),
        }
    }

    /// Writes the changes, and removes the index files that they replace.
    pub fn write_index(&self, repair: &Repair<'_>) -> Result<()> {
        let Some(lock) = &repair.lock else { return Ok(()) };
        let Tolerant {
            index, files, damaged, ..
        } = &self.loaded;
        let stays = |pack: PackNumber| {
            let id = index.pack_id(pack);
            id.is_some_and(|id| !self.changes.without.contains(&id))
        };
        let fresh = &self.changes.fresh;
        let mut old = index::rewrite(repair.repository, index, files, &stays, fresh, repair.progress)?;
        old.extend(damaged.iter().map(|(id, _): &(Id, _)| *id));
        remove(repair.repository, lock, FileKind::Index, &old, repair.progress)
    }

    /// Loads what was written; in a dry run, what would have been.
    pub fn reload(self, repair: &Repair<'_>) -> Result<Self> {
        let Self { changes, damaged, .. } = self;
        let changes = if repair.lock.is_some() {
            Changes::default()
        } else {
            changes
        };
        let mut loaded = index::load_without(repair.bare, &changes.without, changes.fresh.clone())?;
        if repair.lock.is_none() {
            loaded.damaged.clear();
        }
        let inventory = Inventory::gather(repair.bare, &loaded.index)?;
        Ok(Self {
            loaded,
            inventory,
            changes,
            damaged,
        })
    }
}
