//! A tree beside its manifest.

use std::cmp::Ordering;

use engine_api::{EntryKind, FileCapabilities, FileStore, Metadata};

use super::data::{Candidate, Reader};
use crate::error::{Error, Result};
use crate::manifest::{Manifest, Record, is_below, path_order};
use crate::time::same_time;
use crate::tree::TreeWalk;

/// Compares every entry with its record, and hands the files that are as they should be to `reader`.
pub fn compare(store: &dyn FileStore, name: &str, manifest: &Manifest, reader: &mut Reader<'_>) -> Result<()> {
    let root = store.root();
    let top = root.child(name.as_bytes()).unwrap_or(root);
    reader.begin(name, top.clone());
    let mut comparison = Comparison {
        place: store.capabilities(),
        walk: TreeWalk::new(store, top, b"", false),
        unreadable: None,
        reader,
    };
    let mut there = comparison.next_there();
    for record in manifest.records() {
        let record = record.map_err(|error| Error::manifest(name, error))?;
        if record.path.is_empty() {
            continue;
        }
        while let Some(extra) = there.take_if(|there| path_order(&there.path, &record.path) == Ordering::Less) {
            comparison.extra(&extra);
            there = comparison.next_there();
        }
        match there.take_if(|there| there.path == record.path) {
            Some(found) => {
                comparison.pair(&record, &found)?;
                there = comparison.next_there();
            }
            None => comparison.missing(&record),
        }
    }
    while let Some(extra) = there {
        comparison.extra(&extra);
        there = comparison.next_there();
    }
    comparison.reader.read_rest()
}

struct Comparison<'a, 'r, 'c> {
    place: &'a FileCapabilities,
    walk: TreeWalk<'a>,
    /// What could not be read last; nothing is known of what is below it.
    unreadable: Option<Vec<u8>>,
    reader: &'r mut Reader<'c>,
}

impl Comparison<'_, '_, '_> {
    /// The next entry of the tree that can be read.
    fn next_there(&mut self) -> Option<Record> {
        loop {
            match self.walk.next()? {
                Ok(record) => return Some(record),
                Err(unreadable) => {
                    let cause = engine_api::Error::from(unreadable.error).chain();
                    let what = format!("{cause}; it cannot be restored from here: look for it in another snapshot");
                    self.reader.error(&unreadable.path, &what);
                    self.unreadable = Some(unreadable.path);
                }
            }
        }
    }

    fn extra(&self, there: &Record) {
        let what = "it was put there after the backup, by somebody: a restore leaves it out, and expiry removes it with the snapshot";
        self.reader.hint(&there.path, what);
    }

    fn missing(&self, record: &Record) {
        let place = self.place;
        let impossible = match record.metadata.kind {
            EntryKind::CharDevice | EntryKind::BlockDevice => !place.devices,
            EntryKind::Fifo => !place.fifos,
            EntryKind::Symlink => !place.symlinks,
            // Never restored.
            EntryKind::Socket => true,
            EntryKind::File | EntryKind::Dir => false,
        };
        let unknown = self
            .unreadable
            .as_ref()
            .is_some_and(|path| is_below(&record.path, path));
        if !impossible && !unknown {
            let what = "it was removed after the backup, by somebody: look for it in another snapshot; `holdfast repair snapshots` makes the manifest tell what is left";
            self.reader.error(&record.path, what);
        }
    }

    fn pair(&mut self, record: &Record, there: &Record) -> Result<()> {
        let (saved, found) = (&record.metadata, &there.metadata);
        if saved.kind != found.kind || saved.link_target != found.link_target {
            let what = "it was replaced by something else after the backup, by somebody: look for it in another snapshot; `holdfast repair snapshots` makes the manifest tell what is left";
            self.reader.error(&record.path, what);
            return Ok(());
        }
        if saved.kind == EntryKind::File
            && (saved.size != found.size || !same_time(found.mtime, saved.mtime, self.place.time_unit))
        {
            let what = format!(
                "it is not as it was saved (it has {} bytes instead of {}, or another time): it was changed by somebody, and with it every snapshot that shares it, or its time could not be set; `holdfast repair snapshots` makes the manifest tell what is there",
                found.size, saved.size
            );
            self.reader.error(&record.path, &what);
            return Ok(());
        }
        if !self.same_permissions(saved, found) {
            let what = "its owner or mode at the place is not what was saved; a restore sets what was saved, a plain copy would not";
            self.reader.hint(&record.path, what);
        }
        let digest = record.digest.filter(|_| saved.kind == EntryKind::File);
        let Some(digest) = digest else { return Ok(()) };
        self.reader.add(Candidate {
            path: there.path.clone(),
            digest,
            size: saved.size,
            identity: Some((found.device, found.inode)).filter(|_| found.links > 1),
        })
    }

    fn same_permissions(&self, saved: &Metadata, found: &Metadata) -> bool {
        let is_link = saved.kind == EntryKind::Symlink;
        let kept = !is_link || self.place.link_metadata;
        let owner = !self.place.owners || !kept || (saved.uid, saved.gid) == (found.uid, found.gid);
        owner && (!self.place.modes || is_link || saved.mode == found.mode)
    }
}
