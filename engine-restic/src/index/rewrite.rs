use super::{Index, PackNumber};
use crate::Id;
use crate::error::Result;
use crate::format::IndexWriter;
use crate::pack::PackedBlob;
use crate::repository::{FileKind, Repository};

/// Writes index files pack by pack: one of them is in memory.
pub struct Rewriter<'r> {
    repository: &'r Repository,
    writer: IndexWriter,
    written: Vec<Id>,
}

impl<'r> Rewriter<'r> {
    /// Has written nothing yet.
    pub fn new(repository: &'r Repository) -> Self {
        Self {
            repository,
            writer: IndexWriter::new(),
            written: Vec::new(),
        }
    }

    /// Adds a pack as `index` has it.
    pub fn copy(&mut self, index: &Index, pack: PackNumber) -> Result<()> {
        let blobs: Vec<PackedBlob> = index.blobs_in(pack).map(|location| location.blob).collect();
        index.pack_id(pack).map_or(Ok(()), |id| self.add(&id, &blobs))
    }

    /// Adds a pack.
    pub fn add(&mut self, pack: &Id, blobs: &[PackedBlob]) -> Result<()> {
        self.writer.add(pack, blobs);
        if self.writer.is_full() { self.flush() } else { Ok(()) }
    }

    /// Writes what is left; returns the files written.
    pub fn finish(mut self) -> Result<Vec<Id>> {
        if !self.writer.is_empty() {
            self.flush()?;
        }
        Ok(self.written)
    }

    fn flush(&mut self) -> Result<()> {
        let json = std::mem::replace(&mut self.writer, IndexWriter::new()).finish();
        self.written.push(self.repository.write_file(FileKind::Index, &json)?);
        Ok(())
    }
}
