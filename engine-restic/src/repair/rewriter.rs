//! Trees written again with what is left of them.

use std::cell::Cell;
use std::ffi::OsString;
use std::path::PathBuf;

use super::Repair;
use super::listing::{self, Scan};
use crate::Id;
use crate::error::{Error, Result};
use crate::format::BlobKind;
use crate::id::{IdMap, IdSet};
use crate::index::{Index, Marks};
use crate::repository::{BlobSaver, Opener, Sealer};

/// The listing of an empty folder.
const EMPTY: &[u8] = b"{\"nodes\":[]}\n";

/// What becomes of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Nothing of it is lost.
    Same,
    /// What is left of it is this one.
    Changed(Id),
    /// It cannot be read.
    Lost,
}

/// Writes trees again; each that several snapshots share once.
pub struct Rewriter<'r> {
    repair: &'r Repair<'r>,
    index: &'r Index,
    saver: &'r BlobSaver,
    opener: Opener,
    sealer: Sealer,
    sealed: Vec<u8>,
    /// Trees that nothing is lost of, by ordinal.
    same: Marks,
    changed: IdMap<Id>,
    lost: IdSet,
    open: Vec<Folder>,
    path: PathBuf,
}

/// A folder whose own entries were looked at and whose folders wait.
struct Folder {
    tree: Id,
    ordinal: usize,
    waiting: std::vec::IntoIter<(OsString, Option<Id>)>,
    same: bool,
}

impl<'r> Rewriter<'r> {
    /// Has not looked at any tree yet.
    pub fn new(repair: &'r Repair<'r>, index: &'r Index, saver: &'r BlobSaver) -> Result<Self> {
        Ok(Self {
            repair,
            index,
            saver,
            opener: Opener::new(repair.repository)?,
            sealer: Sealer::new(repair.repository)?,
            sealed: Vec::new(),
            same: Marks::new(index.len()),
            changed: IdMap::default(),
            lost: IdSet::default(),
            open: Vec::new(),
            path: PathBuf::new(),
        })
    }

    /// Writes the tree of a snapshot again if anything below it is lost.
    pub fn tree(&mut self, root: Id) -> Result<Fate> {
        self.path = PathBuf::from("/");
        if let Some(fate) = self.enter(Some(root))? {
            return Ok(fate);
        }
        loop {
            self.repair.stop_if_cancelled()?;
            let Some(folder) = self.open.last_mut() else {
                return Ok(Fate::Same);
            };
            let fate = if let Some((name, tree)) = folder.waiting.next() {
                self.path.push(name);
                self.enter(tree)?
            } else {
                Some(self.leave()?)
            };
            let Some(fate) = fate else { continue };
            if self.open.is_empty() {
                return Ok(fate);
            }
            self.took(fate);
        }
    }

    /// Notes in the folder above what became of the one at the current path.
    fn took(&mut self, fate: Fate) {
        if fate == Fate::Lost {
            let path = self.path.display();
            self.repair
                .notes
                .done(format!("folder {path} is empty now: its listing is lost"));
        }
        if fate != Fate::Same
            && let Some(above) = self.open.last_mut()
        {
            above.same = false;
        }
        self.path.pop();
    }

    /// Looks at a folder's own entries; what becomes of it, if that is known then.
    fn enter(&mut self, tree: Option<Id>) -> Result<Option<Fate>> {
        let Some(tree) = tree else {
            return Ok(Some(Fate::Lost));
        };
        let location = self.index.get(BlobKind::Tree, tree);
        let Some(location) = location.filter(|_| !self.lost.contains(&tree)) else {
            return Ok(Some(Fate::Lost));
        };
        if self.same.get(location.ordinal) {
            return Ok(Some(Fate::Same));
        }
        if let Some(new) = self.changed.get(&tree) {
            return Ok(Some(Fate::Changed(*new)));
        }
        let scanned = self.read(tree)?.map(|blob| listing::scan(&blob, self.index));
        let Some(Ok(Scan { folders, intact })) = scanned else {
            self.lost.insert(tree);
            return Ok(Some(Fate::Lost));
        };
        self.open.push(Folder {
            tree,
            ordinal: location.ordinal,
            waiting: folders.into_iter(),
            same: intact,
        });
        Ok(None)
    }

    fn read(&mut self, tree: Id) -> Result<Option<Vec<u8>>> {
        let repository = self.repair.repository;
        match repository.read_blob_with(&mut self.opener, self.index, BlobKind::Tree, tree) {
            Ok(blob) => Ok(Some(blob)),
            Err(error) if error.is_loss() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes the innermost folder again if it is to be.
    fn leave(&mut self) -> Result<Fate> {
        let Some(folder) = self.open.pop() else {
            return Ok(Fate::Same);
        };
        if folder.same {
            self.same.set(folder.ordinal);
            return Ok(Fate::Same);
        }
        let gone = || Error::damaged(format!("tree blob {}", folder.tree), "it could be read a moment ago");
        let blob = self.read(folder.tree)?.ok_or_else(gone)?;
        let needs_empty = Cell::new(false);
        let now = |tree: Option<Id>| {
            let known = tree.filter(|tree| self.index.has(BlobKind::Tree, *tree) && !self.lost.contains(tree));
            needs_empty.set(needs_empty.get() || known.is_none());
            known.map_or(Id::of(EMPTY), |tree| self.changed.get(&tree).copied().unwrap_or(tree))
        };
        let rewritten = listing::rewrite(&blob, self.index, &now).map_err(|_| gone())?;
        for (name, what) in rewritten.changes {
            let path = self.path.join(name);
            self.repair.notes.done(format!("{}: {what}", path.display()));
        }
        if needs_empty.get() {
            self.save(EMPTY)?;
        }
        let new = self.save(&rewritten.blob)?;
        self.changed.insert(folder.tree, new);
        Ok(Fate::Changed(new))
    }

    fn save(&mut self, blob: &[u8]) -> Result<Id> {
        let saved = self
            .saver
            .save(BlobKind::Tree, blob, &mut self.sealer, &mut self.sealed)?;
        Ok(saved.id)
    }
}
