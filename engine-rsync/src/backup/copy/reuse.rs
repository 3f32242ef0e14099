//! What an interrupted run had copied is kept when it is what the source has.

use engine_api::{EntryKind, StoredFile};

use super::data::{self, Runs};
use super::{Copied, Failed, Job, Settled};
use crate::backup::batch::Tools;
use crate::read::fill;
use crate::removal::remove_tree;

impl Job<'_, '_> {
    /// The file that is there, if it may be the one that is wanted: its own and of the right size. Anything else is
    /// removed.
    fn existing(&self) -> Result<Option<Box<dyn StoredFile>>, Failed> {
        let (store, name) = (self.context.store, self.item.name());
        let folder = self.level.ready(self.context)?;
        if self.level.take_existing(self.context, name).is_none() {
            return Ok(None);
        }
        let stat = store.stat(folder, name)?;
        // What has other names is another snapshot's too, and must not be given metadata.
        let usable = stat.is_some_and(|stat| {
            stat.kind == EntryKind::File && stat.links == Some(1) && stat.size == self.metadata.size
        });
        if usable && let Ok(file) = store.open(folder, name) {
            return Ok(Some(file));
        }
        remove_tree(store, folder, name, self.context.progress)?;
        Ok(None)
    }

    /// The file is right: it gets its metadata. Or it is wrong, and removed.
    fn settle(&self, right: bool) -> Result<Option<Settled>, Failed> {
        let (store, name) = (self.context.store, self.item.name());
        let folder = self.level.ready(self.context)?;
        if !right {
            remove_tree(store, folder, name, self.context.progress)?;
            return Ok(None);
        }
        let failed = self.described(|new| store.set_metadata(folder, name, new));
        Ok(Some(self.settled(&failed)))
    }

    pub(super) fn reuse_small(&self, tools: &mut Tools) -> Result<Option<Settled>, Failed> {
        let Some(there) = self.existing()? else {
            return Ok(None);
        };
        // One byte more, so that a longer file shows.
        tools.other.resize(tools.piece.len() + 1, 0);
        let len = fill(there.as_ref(), 0, &mut tools.other)?;
        let right = tools.other.get(..len) == Some(tools.piece.as_slice());
        self.settle(right)
    }

    pub(super) fn reuse_large(&self, tools: &mut Tools) -> Result<Option<Copied>, Failed> {
        let Some(there) = self.existing()? else { return Ok(None) };
        let runs = Runs::of(self.file, self.metadata.size)?;
        let sparse = runs.has_holes();
        let mut hasher = blake3::Hasher::new();
        let Tools { piece, other } = tools;
        let mut right = !sparse;
        let size = data::read(
            self.file,
            runs,
            piece,
            self.context,
            &mut hasher,
            &mut |at, piece, len| {
                if right {
                    other.resize(len, 0);
                    let known = fill(there.as_ref(), at, other)?;
                    right = known == len && other.get(..len) == piece.get(..len);
                }
                Ok(())
            },
        )?;
        drop(there);
        let Some(settled) = self.settle(right && size == self.metadata.size)? else {
            return Ok(None);
        };
        Ok(Some(Copied {
            digest: *hasher.finalize().as_bytes(),
            size,
            sparse,
            linked: false,
            mtime: settled.mtime,
        }))
    }
}
