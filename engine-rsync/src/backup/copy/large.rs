//! Copying a file piece by piece; where the place can share blocks, only what changed is written.

use crossbeam_channel::bounded;
use engine_api::{StoreError, StoredFile};

use super::data::{self, Runs};
use super::{Copied, Failed, Job, file};
use crate::backup::batch::Tools;
use crate::error::Error;
use crate::read::fill;

/// A changed file is compared with the old one in blocks of this size.
const BLOCK: usize = 16 << 10;
/// So many pieces wait to be written.
const AHEAD: usize = 3;

impl Job<'_, '_> {
    pub(super) fn large(&self, tools: &mut Tools) -> Result<Copied, Failed> {
        if let Some(copied) = self.link_if_same(tools)? {
            return Ok(copied);
        }
        if let Some(copied) = self.reuse_large(tools)? {
            return Ok(copied);
        }
        let runs = Runs::of(self.file, self.metadata.size)?;
        let sparse = runs.has_holes();
        let out = self.create()?;
        let old = self.clone_before(out.as_ref(), sparse);
        let mut hasher = blake3::Hasher::new();
        let far = if old.is_none() {
            self.before_far_away(sparse)
        } else {
            None
        };
        let written = match &far {
            Some(far) => self.write_far(out.as_ref(), far.as_ref(), runs, tools, &mut hasher),
            None => self.write(out.as_ref(), old.as_deref(), runs, tools, &mut hasher),
        };
        let size = written.as_ref().copied().unwrap_or(0);
        let settled = self.finish(out, written.map(drop))?;
        Ok(Copied {
            digest: *hasher.finalize().as_bytes(),
            size,
            sparse,
            linked: false,
            mtime: settled.mtime,
        })
    }

    /// A file that looks like the old one and may not be taken for it is read before it is copied.
    fn link_if_same(&self, tools: &mut Tools) -> Result<Option<Copied>, Failed> {
        let before = self.before.and_then(|before| before.digest);
        let Some(digest) = before.filter(|digest| self.is_as_before(*digest, self.metadata.size)) else {
            return Ok(None);
        };
        let (now, sparse) = super::digest(self.file, self.metadata.size, self.context, tools)?;
        if now != digest || !file::link_before(self.level, self.item, self.context)? {
            return Ok(None);
        }
        Ok(Some(Copied {
            digest,
            size: self.metadata.size,
            sparse,
            linked: true,
            mtime: None,
        }))
    }

    /// Makes the new file share the blocks of the old one, and opens that to be compared; holes would be filled by it.
    fn clone_before(&self, out: &dyn StoredFile, sparse: bool) -> Option<Box<dyn StoredFile>> {
        let folder = self.level.base.as_ref()?;
        if !self.context.keeps.reflinks || sparse || self.item.before.as_ref()?.metadata.size == 0 {
            return None;
        }
        let old = self.context.store.open(folder, self.item.name()).ok()?;
        out.reflink(old.as_ref()).ok()?;
        Some(old)
    }

    fn write(
        &self,
        out: &dyn StoredFile,
        old: Option<&dyn StoredFile>,
        runs: Runs,
        tools: &mut Tools,
        hasher: &mut blake3::Hasher,
    ) -> Result<u64, Failed> {
        let sparse = runs.has_holes();
        let size = match old {
            Some(old) => self.write_changes(out, old, runs, tools, hasher)?,
            None => {
                if !sparse {
                    out.reserve(self.metadata.size)?;
                }
                self.write_all(out, runs, tools, hasher)?
            }
        };
        if sparse || old.is_some() {
            out.set_len(size)?;
        }
        Ok(size)
    }

    /// Writes what is not the same in the old file, whose blocks the new one shares.
    fn write_changes(
        &self,
        out: &dyn StoredFile,
        old: &dyn StoredFile,
        runs: Runs,
        tools: &mut Tools,
        hasher: &mut blake3::Hasher,
    ) -> Result<u64, Failed> {
        let Tools { piece, other } = tools;
        data::read(self.file, runs, piece, self.context, hasher, &mut |at, piece, len| {
            other.resize(len, 0);
            let known = fill(old, at, other)?;
            let known = other.get(..known).unwrap_or_default();
            for (number, block) in piece.get(..len).unwrap_or_default().chunks(BLOCK).enumerate() {
                let start = number * BLOCK;
                if known.get(start..start + block.len()) != Some(block) {
                    out.write_at(at + start as u64, block)?;
                    self.context.counters.added(block.len() as u64);
                }
            }
            Ok(())
        })
    }

    /// Writes all of it, on a thread of its own: one piece is written while the next is read and hashed.
    fn write_all(
        &self,
        out: &dyn StoredFile,
        runs: Runs,
        tools: &mut Tools,
        hasher: &mut blake3::Hasher,
    ) -> Result<u64, Failed> {
        let (full, to_write) = bounded::<(u64, Vec<u8>)>(AHEAD);
        let (empty, spare) = bounded::<Vec<u8>>(AHEAD + 2);
        std::thread::scope(|scope| {
            let writer = scope.spawn(move || -> Result<(), StoreError> {
                for (at, piece) in to_write {
                    out.write_at(at, &piece)?;
                    // There is room for every piece that there is.
                    let _ = empty.try_send(piece);
                }
                Ok(())
            });
            let size = data::read(
                self.file,
                runs,
                &mut tools.piece,
                self.context,
                hasher,
                &mut |at, piece, len| {
                    let mut taken = std::mem::replace(piece, spare.try_recv().unwrap_or_default());
                    taken.truncate(len);
                    self.context.counters.added(len as u64);
                    // A writer that has failed tells why below.
                    full.send((at, taken)).map_err(|_| Failed::Run(Error::Interrupted))
                },
            );
            drop(full);
            match writer.join() {
                Ok(written) => written?,
                Err(_) => return Err(Failed::Run(Error::Interrupted)),
            }
            size
        })
    }
}
