//! Which files are names of one.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use engine_api::{EntryKind, Metadata, Timestamp, Xattr};

/// The first name of every file that had several; it takes about 150 bytes for each.
///
/// How many names there were says nothing: a record keeps the number of the day it was written, and a name that came or
/// went since changes no other name's record.
#[derive(Default)]
pub(super) struct Linked {
    firsts: HashMap<(u64, u64), First>,
}

struct First {
    path: Box<Path>,
    alike: Alike,
}

/// What all names of one file share.
#[derive(PartialEq, Eq)]
struct Alike {
    kind: EntryKind,
    mode: u32,
    owner: (u32, u32),
    mtime: Timestamp,
    xattrs: Box<[Xattr]>,
}

impl Linked {
    /// Where the first name of the same file was put, if `path` is not it. A number that was used again for another
    /// file since shows in the metadata.
    pub(super) fn first_name(&mut self, path: &Path, metadata: &Metadata) -> Option<PathBuf> {
        if metadata.links < 2 {
            return None;
        }
        let inode = (metadata.device, metadata.inode);
        let alike = Alike {
            kind: metadata.kind,
            mode: metadata.mode,
            owner: (metadata.uid, metadata.gid),
            mtime: metadata.mtime,
            xattrs: metadata.xattrs.as_slice().into(),
        };
        if let Some(first) = self.firsts.get(&inode).filter(|first| first.alike == alike) {
            return Some(first.path.to_path_buf());
        }
        let path = path.into();
        self.firsts.insert(inode, First { path, alike });
        None
    }
}
