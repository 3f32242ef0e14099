//! A tree at the place, entry by entry in walk order.

use std::ffi::OsString;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::vec::IntoIter;

use engine_api::{EntryKind, FileStat, FileStore, Folder, Metadata, StoreError, Timestamp};

use crate::manifest::Record;

/// An entry that cannot be read.
#[derive(Debug)]
pub struct Unreadable {
    /// Its path in the snapshot; nothing is known of what is below it.
    pub path: Vec<u8>,
    /// Why.
    pub error: StoreError,
}

/// Walks a tree of a store. What cannot be read is an error, and the walk goes on behind it.
pub struct TreeWalk<'a> {
    store: &'a dyn FileStore,
    /// Whether the extended attributes are read too.
    xattrs: bool,
    path: Vec<u8>,
    stack: Vec<Level>,
    /// The folder that was delivered last, to be entered next.
    ahead: Option<Folder>,
}

struct Level {
    folder: Folder,
    rows: IntoIter<Row>,
    /// Length of the folder's path.
    path: usize,
}

type Row = (Vec<u8>, Option<FileStat>);

impl<'a> TreeWalk<'a> {
    /// Walks all below `folder`, whose path in the snapshot is `path`; the folder itself is not delivered.
    pub fn new(store: &'a dyn FileStore, folder: Folder, path: &[u8], xattrs: bool) -> Self {
        Self {
            store,
            xattrs,
            path: path.to_vec(),
            stack: Vec::new(),
            ahead: Some(folder),
        }
    }

    fn enter(&mut self, folder: Folder) -> Result<(), StoreError> {
        let mut rows: Vec<Row> = Vec::new();
        self.store.list(&folder, &mut |listed| {
            rows.push((listed.name.to_vec(), listed.stat));
            ControlFlow::Continue(())
        })?;
        rows.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        self.stack.push(Level {
            folder,
            rows: rows.into_iter(),
            path: self.path.len(),
        });
        Ok(())
    }

    fn deliver(&mut self, (name, stat): Row) -> Option<Result<Record, Unreadable>> {
        let level = self.stack.last()?;
        self.path.truncate(level.path);
        if !self.path.is_empty() {
            self.path.push(b'/');
        }
        self.path.extend_from_slice(&name);
        let stat = match stat.map_or_else(|| self.store.stat(&level.folder, &name), |stat| Ok(Some(stat))) {
            Ok(stat) => stat?,
            Err(error) => return Some(Err(self.unreadable(error))),
        };
        if stat.kind == EntryKind::Dir {
            self.ahead = level.folder.child(&name).ok();
        }
        let record = record_of(self.store, &level.folder, &name, &self.path, &stat, self.xattrs);
        Some(record.map_err(|error| self.unreadable(error)))
    }

    fn unreadable(&self, error: StoreError) -> Unreadable {
        Unreadable {
            path: self.path.clone(),
            error,
        }
    }
}

impl Iterator for TreeWalk<'_> {
    type Item = Result<Record, Unreadable>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(folder) = self.ahead.take()
            && let Err(error) = self.enter(folder)
        {
            return Some(Err(self.unreadable(error)));
        }
        loop {
            let level = self.stack.last_mut()?;
            match level.rows.next() {
                // What is gone meanwhile is left out.
                Some(row) => {
                    if let Some(delivered) = self.deliver(row) {
                        return Some(delivered);
                    }
                }
                None => {
                    self.stack.pop();
                }
            }
        }
    }
}

/// What the place itself tells of an entry.
///
/// # Errors
/// When a link or the attributes cannot be read.
pub fn record_of(
    store: &dyn FileStore,
    folder: &Folder,
    name: &[u8],
    path: &[u8],
    stat: &FileStat,
    xattrs: bool,
) -> Result<Record, StoreError> {
    let link_target = match stat.kind {
        EntryKind::Symlink => Some(PathBuf::from(OsString::from_vec(store.read_link(folder, name)?))),
        _ => None,
    };
    let xattrs = if xattrs {
        store.xattrs(folder, name)?
    } else {
        Vec::new()
    };
    let (device, inode) = stat.identity.unwrap_or_default();
    let metadata = Metadata {
        kind: stat.kind,
        mode: stat.mode,
        uid: stat.uid,
        gid: stat.gid,
        // This machine's names may be others than those of the machine that was saved.
        user: None::<Arc<str>>,
        group: None,
        mtime: stat.mtime,
        atime: stat.mtime,
        ctime: Timestamp::default(),
        size: stat.size,
        inode,
        device,
        links: stat.links.filter(|_| stat.identity.is_some()).unwrap_or(1),
        rdev: stat.rdev,
        link_target,
        xattrs,
    };
    Ok(Record {
        path: path.to_vec(),
        metadata,
        digest: None,
        sparse: false,
    })
}
