//! Where every blob lies, in memory: 48 bytes a blob and a table of four-byte references.

mod load;
mod marks;
mod rewrite;
mod segments;
mod table;

use std::ops::Range;

pub use load::{LoadedFile, Tolerant, files, load, load_tolerant, load_without};
pub use marks::Marks;
pub use rewrite::{FreshPack, rewrite};
use segments::Segments;
use table::Table;

use crate::Id;
use crate::error::{Error, Result};
use crate::format::BlobKind;
use crate::pack::PackedBlob;

/// The number of a pack in this index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackNumber(u32);

/// One blob in one pack. Exactly 48 bytes, because there may be many millions.
#[derive(Debug, Clone, Copy)]
struct Record {
    id: Id,
    /// The pack's number; the highest bit is set for trees.
    pack: u32,
    offset: u32,
    length: u32,
    /// Plain length when compressed, else 0.
    uncompressed: u32,
}

const TREE: u32 = 1 << 31;

impl Record {
    const fn kind(&self) -> BlobKind {
        if self.pack & TREE == 0 {
            BlobKind::Data
        } else {
            BlobKind::Tree
        }
    }

    const fn pack(&self) -> PackNumber {
        PackNumber(self.pack & !TREE)
    }

    fn blob(&self) -> PackedBlob {
        let uncompressed = (self.uncompressed != 0).then_some(self.uncompressed);
        PackedBlob {
            id: self.id,
            kind: self.kind(),
            offset: self.offset,
            length: self.length,
            uncompressed,
        }
    }
}

/// Where a blob lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location {
    /// Position in the index: from 0 to [`Index::len`], the same as long as nothing is added.
    pub ordinal: usize,
    /// In which pack.
    pub pack: PackNumber,
    /// Where in it.
    pub blob: PackedBlob,
}

/// All blobs of all packs of a repository.
#[derive(Default)]
pub struct Index {
    records: Segments<Record>,
    packs: Vec<Id>,
    /// For every pack the ordinal behind its last blob.
    ends: Vec<u32>,
    /// The packs' numbers in the order of their names.
    by_name: Vec<u32>,
    table: Table,
}

impl Index {
    /// Adds a pack with what lies in it.
    ///
    /// # Errors
    /// When there would be more packs or blobs than this program can number.
    pub fn add_pack(&mut self, id: Id, blobs: impl IntoIterator<Item = PackedBlob>) -> Result<PackNumber> {
        let too_large = || Error::damaged("the index", "it has more packs or blobs than can be");
        let number = u32::try_from(self.packs.len())
            .ok()
            .filter(|number| number & TREE == 0)
            .ok_or_else(too_large)?;
        self.packs.push(id);
        for blob in blobs {
            let tree = if blob.kind == BlobKind::Tree { TREE } else { 0 };
            self.records.push(Record {
                id: blob.id,
                pack: number | tree,
                offset: blob.offset,
                length: blob.length,
                uncompressed: blob.uncompressed.unwrap_or(0),
            });
        }
        self.ends
            .push(u32::try_from(self.records.len()).map_err(|_| too_large())?);
        Ok(PackNumber(number))
    }

    /// Makes everything that was added findable; call it after the last [`Index::add_pack`].
    pub fn build(&mut self) {
        let records = &self.records;
        self.table = Table::build(records.len(), |position| {
            records.get(position).map_or(0, |record| record.id.spread())
        });
        self.by_name = (0..).take(self.packs.len()).collect();
        let packs = &self.packs;
        self.by_name.sort_unstable_by_key(|number| packs.get(*number as usize));
    }

    /// How many blobs there are, counting a blob again for every pack it lies in.
    pub const fn len(&self) -> usize {
        self.records.len()
    }

    /// How many packs there are.
    pub const fn pack_count(&self) -> usize {
        self.packs.len()
    }

    /// Every place where the blob lies.
    pub fn all(&self, kind: BlobKind, id: Id) -> impl Iterator<Item = Location> + '_ {
        let positions = self.table.candidates(id.spread());
        positions.filter_map(move |ordinal| {
            let record = self.records.get(ordinal)?;
            (record.id == id && record.kind() == kind).then(|| location(ordinal, record))
        })
    }

    /// A place where the blob lies.
    pub fn get(&self, kind: BlobKind, id: Id) -> Option<Location> {
        self.all(kind, id).next()
    }

    /// Whether the blob lies anywhere.
    pub fn has(&self, kind: BlobKind, id: Id) -> bool {
        self.get(kind, id).is_some()
    }

    /// The name of a pack.
    pub fn pack_id(&self, number: PackNumber) -> Option<Id> {
        self.packs.get(number.0 as usize).copied()
    }

    /// The numbers of the packs of that name: several when index files contradict each other.
    pub fn pack_numbers(&self, id: Id) -> impl Iterator<Item = PackNumber> + '_ {
        let name = |number: &u32| self.packs.get(*number as usize);
        let begin = self.by_name.partition_point(|number| name(number) < Some(&id));
        let rest = self.by_name.get(begin..).unwrap_or_default();
        let same = rest.iter().take_while(move |number| name(number) == Some(&id));
        same.copied().map(PackNumber)
    }

    /// What lies in a pack, in the order it was added.
    pub fn blobs_in(&self, pack: PackNumber) -> impl Iterator<Item = Location> + '_ {
        let position = pack.position();
        (self.begin(position)..self.begin(position + 1)).filter_map(|ordinal| self.at(ordinal))
    }

    /// How many blobs there are in packs by their positions.
    pub fn blob_count(&self, packs: Range<usize>) -> usize {
        self.begin(packs.end).saturating_sub(self.begin(packs.start))
    }

    /// The ordinal of the first blob of the pack at that position.
    fn begin(&self, position: usize) -> usize {
        let end = position.checked_sub(1).and_then(|before| self.ends.get(before));
        end.map_or(0, |end| *end as usize)
    }

    /// The blob with that ordinal.
    pub fn at(&self, ordinal: usize) -> Option<Location> {
        self.records.get(ordinal).map(|record| location(ordinal, record))
    }

    /// Every pack with its number.
    pub fn packs(&self) -> impl Iterator<Item = (PackNumber, Id)> + '_ {
        (0..).map(PackNumber).zip(self.packs.iter().copied())
    }

    /// Every blob, pack by pack in the order they were added.
    pub fn iter(&self) -> impl Iterator<Item = Location> + '_ {
        (0..self.len()).filter_map(|ordinal| self.at(ordinal))
    }

    /// Bytes of memory that it holds.
    #[cfg(test)]
    pub fn memory(&self) -> usize {
        let packs = self.packs.capacity() * size_of::<Id>() + (self.ends.capacity() + self.by_name.capacity()) * 4;
        self.records.memory() + self.table.memory() + packs
    }
}

impl PackNumber {
    /// The pack at that position of a list with an element for every pack.
    pub fn at(position: usize) -> Self {
        // Packs are numbered by 31 bits: the index refuses more.
        Self(u32::try_from(position).unwrap_or(u32::MAX))
    }

    /// As a position in a list with an element for every pack.
    pub const fn position(self) -> usize {
        self.0 as usize
    }
}

fn location(ordinal: usize, record: &Record) -> Location {
    Location {
        ordinal,
        pack: record.pack(),
        blob: record.blob(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn blob(number: u32, kind: BlobKind) -> PackedBlob {
        let id = Id::of(&number.to_le_bytes());
        PackedBlob {
            id,
            kind,
            offset: number,
            length: 40,
            uncompressed: number.is_multiple_of(2).then_some(9),
        }
    }

    #[test]
    fn a_record_is_48_bytes() {
        assert_eq!(size_of::<Record>(), 48);
    }

    #[test]
    fn finds_every_copy_and_tells_kinds_apart() {
        let mut index = Index::default();
        let first = index
            .add_pack(Id::of(b"one"), [blob(1, BlobKind::Data), blob(2, BlobKind::Data)])
            .unwrap();
        let second = index
            .add_pack(Id::of(b"two"), [blob(1, BlobKind::Tree), blob(2, BlobKind::Data)])
            .unwrap();
        index.build();
        let packs = |kind, number| {
            index
                .all(kind, blob(number, kind).id)
                .map(|found| found.pack)
                .collect::<Vec<_>>()
        };
        assert_eq!(packs(BlobKind::Data, 1), [first]);
        assert_eq!(packs(BlobKind::Tree, 1), [second]);
        let mut both = packs(BlobKind::Data, 2);
        both.sort();
        assert_eq!(both, [first, second]);
        assert!(!index.has(BlobKind::Tree, blob(2, BlobKind::Tree).id));
        assert_eq!(
            index.get(BlobKind::Tree, blob(1, BlobKind::Tree).id).unwrap().blob,
            blob(1, BlobKind::Tree)
        );
    }

    #[test]
    fn an_empty_index_finds_nothing() {
        let mut index = Index::default();
        assert!(!index.has(BlobKind::Data, Id::of(b"")));
        index.build();
        assert!(!index.has(BlobKind::Data, Id::of(b"")));
    }

    #[test]
    fn memory_stays_below_64_bytes_a_blob() {
        let mut index = Index::default();
        for pack in 0..2000_u32 {
            index
                .add_pack(
                    Id::of(&pack.to_le_bytes()),
                    (0..100).map(|n| blob(pack * 100 + n, BlobKind::Data)),
                )
                .unwrap();
        }
        index.build();
        assert!(
            index.memory() <= 60 * index.len(),
            "{} bytes for {} blobs",
            index.memory(),
            index.len()
        );
        assert!((0..200_000).all(|number| index.has(BlobKind::Data, blob(number, BlobKind::Data).id)));
    }

    proptest! {
        #[test]
        fn finds_what_was_added_and_nothing_else(numbers in prop::collection::vec(0..500_u32, 0..300)) {
            let mut index = Index::default();
            for number in &numbers {
                index.add_pack(Id::of(&number.to_le_bytes()), [blob(*number, BlobKind::Data)]).unwrap();
            }
            index.build();
            for number in 0..500 {
                let times = numbers.iter().filter(|other| **other == number).count();
                prop_assert_eq!(index.all(BlobKind::Data, blob(number, BlobKind::Data).id).count(), times);
            }
        }
    }
}
