//! One pack, read whole.

use crate::Id;
use crate::error::Result;
use crate::index::{Index, Location, PackNumber};
use crate::pack::PackedBlob;
use crate::repository::{FileKind, Opener, Repository};

/// Reads packs and compares all of each with its name, its header and the index; one for each thread.
pub struct PackReader<'r> {
    repository: &'r Repository,
    index: &'r Index,
    opener: Opener,
    bytes: Vec<u8>,
    plain: Vec<u8>,
}

/// What is wrong with a pack.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Wrong {
    /// With the pack as a whole.
    pub pack: Vec<String>,
    /// Blobs of it that are spoiled, with why.
    pub blobs: Vec<(Location, String)>,
}

impl Wrong {
    /// Whether nothing is.
    pub const fn is_empty(&self) -> bool {
        self.pack.is_empty() && self.blobs.is_empty()
    }
}

impl<'r> PackReader<'r> {
    /// A reader of the index's packs.
    pub fn new(repository: &'r Repository, index: &'r Index) -> Result<Self> {
        Ok(Self {
            repository,
            index,
            opener: Opener::new(repository)?,
            bytes: Vec::new(),
            plain: Vec::new(),
        })
    }

    /// Reads the pack of that name and number, which has `size` bytes.
    pub fn read(&mut self, id: Id, number: PackNumber, size: u64) -> Result<Wrong> {
        let length = usize::try_from(size).unwrap_or(usize::MAX);
        self.bytes.resize(length, 0);
        let key = FileKind::Pack.key(id)?;
        self.repository.store().get_range(&key, 0, &mut self.bytes)?;
        let mut wrong = Wrong::default();
        if Id::of(&self.bytes) != id {
            wrong.pack.push("its content does not fit its name".to_owned());
        }
        let mut blobs: Vec<Location> = self.index.blobs_in(number).collect();
        blobs.sort_unstable_by_key(|location| location.blob.offset);
        wrong.pack.extend(self.compare_header(&blobs).err());
        for location in blobs {
            if let Err(why) = self.open(&location.blob) {
                wrong.blobs.push((location, why));
            }
        }
        Ok(wrong)
    }

    /// Whether nothing is wrong with the pack; one that cannot be read now is an error, for it may be good.
    pub fn is_good(&mut self, id: Id, number: PackNumber, size: u64) -> Result<bool> {
        match self.read(id, number, size) {
            Ok(wrong) => Ok(wrong.is_empty()),
            Err(error) if error.is_loss() => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn compare_header(&mut self, blobs: &[Location]) -> Result<(), String> {
        let header = self.repository.open_header(&mut self.bytes)?;
        if header.iter().eq(blobs.iter().map(|location| &location.blob)) {
            Ok(())
        } else {
            Err("its header says something else than the index".to_owned())
        }
    }

    fn open(&mut self, blob: &PackedBlob) -> Result<(), String> {
        let begin = blob.offset as usize;
        let sealed = self.bytes.get_mut(begin..begin.saturating_add(blob.length as usize));
        let sealed = sealed.ok_or("it would lie behind the end of the pack")?;
        let plain = self.opener.open(sealed, blob.uncompressed, &mut self.plain)?;
        if Id::of(plain) == blob.id {
            Ok(())
        } else {
            Err("its content does not fit its name".to_owned())
        }
    }
}
