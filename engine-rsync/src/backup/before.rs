//! The snapshot before: what it has under each path, read along with the walk.

use std::iter::Peekable;

use engine_api::{EntryKind, FileStore, Folder, SnapshotId, Timestamp};
use fstree::Stat;

use crate::manifest::{Record, path_order};
use crate::snapshots::Stored;
use crate::tree::{self, Listing};

/// The snapshot that is linked against.
pub struct Base {
    stored: Stored,
    /// When its backup began.
    pub began: Timestamp,
    /// Whether its records tell what the source had, and not only what the place has.
    pub from_source: bool,
}

impl Base {
    pub fn new(stored: Stored) -> Self {
        let from_source = stored
            .manifest
            .as_ref()
            .is_some_and(|manifest| !manifest.about().adopted);
        Self {
            began: stored.snapshot.time,
            from_source,
            stored,
        }
    }

    pub fn id(&self) -> SnapshotId {
        self.stored.snapshot.id.clone()
    }

    pub const fn folder(&self) -> &Folder {
        &self.stored.folder
    }

    /// Its records, for paths that are asked for in the order of a walk.
    pub fn records<'a>(&self, store: &'a dyn FileStore) -> Before<'a> {
        let listing = tree::list(store, &self.stored, b"", true).ok();
        Before {
            listing: listing.map(Iterator::peekable),
        }
    }

    /// Whether `stat` tells the same as what was saved, so that neither content nor attributes need to be read: any change
    /// of either sets the inode's change time. What was changed as late as that backup was running may have been changed
    /// after it was read without its time telling so, and counts as changed.
    pub fn is_untouched(&self, record: &Record, stat: &Stat) -> bool {
        let saved = &record.metadata;
        self.from_source
            && saved.kind == stat.kind
            && saved.size == stat.size
            && saved.mtime == stat.mtime
            && saved.ctime == stat.ctime
            && saved.inode == stat.inode
            && saved.mode == stat.mode
            && (saved.uid, saved.gid) == (stat.uid, stat.gid)
            && stat.ctime < self.began
    }
}

/// The records of the snapshot before.
pub struct Before<'a> {
    listing: Option<Peekable<Listing<'a>>>,
}

impl Before<'_> {
    /// There is no snapshot before.
    pub const fn nothing() -> Self {
        Self { listing: None }
    }

    /// The record of that path. What cannot be read counts as not there, and is copied again.
    pub fn find(&mut self, path: &[u8]) -> Option<Record> {
        let listing = self.listing.as_mut()?;
        while listing
            .next_if(|record| {
                record
                    .as_ref()
                    .map_or(true, |record| path_order(&record.path, path).is_lt())
            })
            .is_some()
        {}
        let record = listing.next_if(|record| record.as_ref().is_ok_and(|record| record.path == path));
        record?.ok()
    }

    /// The same, when it was of this kind.
    pub fn find_kind(&mut self, path: &[u8], kind: EntryKind) -> Option<Record> {
        self.find(path).filter(|record| record.metadata.kind == kind)
    }
}
