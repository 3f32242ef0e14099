//! A manifest made from a tree: for snapshots of the original script, and for those whose manifest is lost or no longer
//! true.

use std::collections::HashMap;
use std::sync::Mutex;

use engine_api::{EntryKind, FileStore, Folder, Progress, Timestamp};

use crate::error::{Error, Result};
use crate::manifest::place::Pending;
use crate::manifest::{About, Digest, Manifest, ManifestError, Record, Records, path_order};
use crate::parallel::{self, READERS, lock};
use crate::read::{PIECE, Unread, digest_of};
use crate::time::same_time;
use crate::tree::{Folders, TreeWalk};

/// Entries that are read before they are written down.
const BATCH: usize = 512;

/// Digests of files with several names, which are read once for all snapshots.
pub type Known = HashMap<(u64, u64), Digest>;

/// What came of it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Adopted {
    /// Entries that were written down.
    pub entries: u64,
    /// Entries of the manifest before that are gone, or are no longer what they were.
    pub lost: u64,
    /// Entries that could not be read and were left out.
    pub unreadable: u64,
}

/// Writes the manifest of a snapshot anew: what the place has, and what the manifest `before` knows of those entries that
/// are as they were saved.
pub fn run(
    store: &dyn FileStore,
    name: &str,
    time: Timestamp,
    before: Option<&Manifest>,
    known: &mut Known,
    progress: &dyn Progress,
) -> Result<Adopted> {
    let root = store.root();
    let top = root.child(name.as_bytes()).unwrap_or(root);
    let failed = |error| Error::manifest(name, error);
    let about = before.map_or_else(|| about(name, time), |manifest| manifest.about().clone());
    let mut pending = Pending::create(store, &about).map_err(failed)?;
    let mut saved = Saved::new(before);
    let mut adopted = Adopted::default();
    let mut batch = Vec::new();
    let mut walk = TreeWalk::new(store, top.clone(), b"", true);
    loop {
        let next = walk.next();
        let over = next.is_none();
        match next {
            Some(Ok(record)) => batch.push(record),
            Some(Err(_)) => adopted.unreadable += 1,
            None => {}
        }
        if batch.len() < BATCH && !over {
            continue;
        }
        let digests = digests(store, &top, &batch, known, progress)?;
        for (record, digest) in batch.drain(..).zip(digests) {
            let Some(digest) = digest else {
                adopted.unreadable += 1;
                continue;
            };
            let record = saved.merge(Record { digest, ..record }, store.capabilities().time_unit);
            pending.push(&record.map_err(failed)?).map_err(failed)?;
            adopted.entries += 1;
        }
        if over {
            break;
        }
    }
    adopted.lost = saved.finish().map_err(failed)?;
    pending
        .publish(before.map_or(0, |before| before.totals().bytes_added))
        .map_err(failed)?;
    Ok(adopted)
}

fn about(name: &str, time: Timestamp) -> About {
    About {
        snapshot: name.to_owned(),
        time,
        adopted: true,
        ..About::default()
    }
}

/// For every record its digest, if it is a file; `None` where that could not be read.
fn digests(
    store: &dyn FileStore,
    top: &Folder,
    records: &[Record],
    known: &mut Known,
    progress: &dyn Progress,
) -> Result<Vec<Option<Option<Digest>>>> {
    let digests = Mutex::new(vec![None; records.len()]);
    let set = |at: usize, digest| {
        if let Some(place) = lock(&digests).get_mut(at) {
            *place = Some(digest);
        }
    };
    let mut unread = Vec::new();
    for (at, record) in records.iter().enumerate() {
        match known.get(&identity(record)) {
            _ if record.metadata.kind != EntryKind::File => set(at, None),
            Some(digest) if record.metadata.links > 1 => set(at, Some(*digest)),
            _ => unread.push((at, record)),
        }
    }
    let readers = store.capabilities().concurrency.min(READERS);
    parallel::each(&unread, readers, |(at, record)| {
        let mut folders = Folders::new(top.clone());
        let Ok((folder, name)) = folders.find(&record.path) else {
            return Ok(());
        };
        let Ok(file) = store.open(&folder, name) else {
            return Ok(());
        };
        let mut piece = vec![0; usize::try_from(record.metadata.size).unwrap_or(PIECE).clamp(1, PIECE)];
        match digest_of(file.as_ref(), progress, &mut piece) {
            Ok((digest, _)) => set(*at, Some(digest)),
            Err(Unread::Stopped) => return Err(Error::Interrupted),
            Err(Unread::Failed(_)) => {}
        }
        Ok(())
    })?;
    let digests = digests.into_inner().unwrap_or_default();
    for (record, digest) in records.iter().zip(&digests) {
        if let (true, Some(Some(digest))) = (record.metadata.links > 1, digest) {
            known.insert(identity(record), *digest);
        }
    }
    Ok(digests)
}

fn identity(record: &Record) -> (u64, u64) {
    (record.metadata.device, record.metadata.inode)
}

/// The records of the manifest before, beside the tree.
struct Saved {
    records: Option<Records>,
    next: Option<Record>,
    lost: u64,
}

impl Saved {
    fn new(before: Option<&Manifest>) -> Self {
        Self {
            records: before.map(Manifest::records),
            next: None,
            lost: 0,
        }
    }

    fn look(&mut self) -> Result<Option<&Record>, ManifestError> {
        if self.next.is_none()
            && let Some(records) = &mut self.records
        {
            self.next = records
                .find(|record| !matches!(record, Ok(record) if record.path.is_empty()))
                .transpose()?;
        }
        Ok(self.next.as_ref())
    }

    /// The saved record, if the entry is as it was saved, else what the place tells.
    fn merge(&mut self, there: Record, unit: u32) -> Result<Record, ManifestError> {
        while let Some(saved) = self.look()? {
            match path_order(&saved.path, &there.path) {
                std::cmp::Ordering::Less => {
                    self.lost += 1;
                    self.next = None;
                }
                std::cmp::Ordering::Equal => {
                    let Some(saved) = self.next.take() else { break };
                    if is_same(&saved, &there, unit) {
                        return Ok(saved);
                    }
                    self.lost += 1;
                    return Ok(there);
                }
                std::cmp::Ordering::Greater => break,
            }
        }
        Ok(there)
    }

    fn finish(mut self) -> Result<u64, ManifestError> {
        while self.look()?.is_some() {
            self.lost += 1;
            self.next = None;
        }
        Ok(self.lost)
    }
}

fn is_same(saved: &Record, there: &Record, unit: u32) -> bool {
    let (old, new) = (&saved.metadata, &there.metadata);
    old.kind == new.kind
        && old.link_target == new.link_target
        && (old.kind != EntryKind::File
            || (old.size == new.size && same_time(new.mtime, old.mtime, unit) && saved.digest == there.digest))
}
