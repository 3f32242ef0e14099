//! The packs of the index beside those in the storage.

use crate::Id;
use crate::crypto::OVERHEAD;
use crate::error::Result;
use crate::format::BlobKind;
use crate::index::{Index, Location, PackNumber};
use crate::pack::{HEADER_LENGTH, entry_size};
use crate::repository::{FileKind, Repository};

/// What is known of every pack.
pub struct Inventory {
    /// For every pack of the index.
    packs: Vec<PackState>,
    /// Packs that no index file names, with their sizes.
    pub unindexed: Vec<(Id, u64)>,
    /// How many packs are in the storage.
    pub stored: u64,
}

/// What is known of one pack.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PackState {
    /// Its size in the storage; `None` when it is not there.
    pub size: Option<u64>,
    /// The size it should have.
    pub expected: u64,
    /// Bytes of its blobs that are needed, with their share of the header.
    pub used: u64,
    /// Bytes of the others.
    pub unused: u64,
    /// How many of its blobs are needed.
    pub blobs_used: u32,
    /// Whether it holds chunks of files.
    pub has_data: bool,
    /// Whether it holds listings.
    pub has_trees: bool,
    /// Whether it holds listings that are not compressed.
    pub has_plain_trees: bool,
}

impl PackState {
    /// Whether the storage has it as the index says.
    pub fn is_sound(&self) -> bool {
        self.size == Some(self.expected)
    }

    fn add(&mut self, location: &Location) {
        self.expected += taken(location);
        match location.blob.kind {
            BlobKind::Data => self.has_data = true,
            BlobKind::Tree => {
                self.has_trees = true;
                self.has_plain_trees |= location.blob.uncompressed.is_none();
            }
        }
    }
}

/// Bytes that a blob takes in its pack, with its entry in the header.
pub const fn taken(location: &Location) -> u64 {
    location.blob.length as u64 + entry_size(location.blob.uncompressed.is_some()) as u64
}

impl Inventory {
    /// Compares the index with what is in the storage.
    pub fn gather(repository: &Repository, index: &Index) -> Result<Self> {
        Ok(Self::compare(index, repository.list(FileKind::Pack)?))
    }

    /// Compares the index with the packs that were listed.
    pub fn compare(index: &Index, stored: Vec<(Id, u64)>) -> Self {
        let mut inventory = Self {
            packs: vec![PackState::default(); index.pack_count()],
            unindexed: Vec::new(),
            stored: 0,
        };
        for pack in &mut inventory.packs {
            pack.expected = (OVERHEAD + HEADER_LENGTH) as u64;
        }
        index
            .iter()
            .for_each(|location| inventory.change(location.pack, |pack| pack.add(&location)));
        for (id, size) in stored {
            inventory.stored += 1;
            let mut known = false;
            for number in index.pack_numbers(id) {
                known = true;
                inventory.change(number, |pack| pack.size = Some(size));
            }
            if !known {
                inventory.unindexed.push((id, size));
            }
        }
        inventory
    }

    /// Changes what is known of a pack.
    pub fn change(&mut self, number: PackNumber, change: impl FnOnce(&mut PackState)) {
        if let Some(pack) = self.packs.get_mut(number.position()) {
            change(pack);
        }
    }

    /// What is known of a pack.
    pub fn of(&self, number: PackNumber) -> PackState {
        self.packs.get(number.position()).copied().unwrap_or_default()
    }

    /// The size of the pack of that name in the storage; 0 when it is not there.
    pub fn size(&self, index: &Index, id: Id) -> u64 {
        let mut sizes = index.pack_numbers(id).filter_map(|number| self.of(number).size);
        sizes.next().unwrap_or_default()
    }

    /// Every pack of the index with what is known of it.
    pub fn iter(&self) -> impl Iterator<Item = (PackNumber, &PackState)> {
        let number = |(position, pack)| (PackNumber::at(position), pack);
        self.packs.iter().enumerate().map(number)
    }
}
