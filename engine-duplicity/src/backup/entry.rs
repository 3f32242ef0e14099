//! An entry's metadata on its way into volumes and signature files, and whether it is what it was.

use std::os::unix::ffi::OsStrExt;

use engine_api::{EntryKind, Metadata, Timestamp};
use fstree::{Names, Stat};

use crate::format::extras::{Extras, Inode};
use crate::sigtar::Old;
use crate::tar::Header;

/// What volumes and signature files say of an entry beside its name and content.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The fields that duplicity knows; name, size and records are empty.
    pub header: Header,
    /// The rest; `size` and `sha256` are of the content.
    pub extras: Extras,
}

impl Entry {
    /// Of what was read from the tree; without extras when they are not wanted.
    pub fn new(metadata: Metadata, with_extras: bool) -> Self {
        let inexact = metadata.mtime.nanos != 0 || metadata.mtime.seconds < 0;
        let extras = if with_extras {
            Extras {
                mtime: inexact.then_some(metadata.mtime),
                ctime: Some(metadata.ctime),
                inode: Some(Inode {
                    device: metadata.device,
                    number: metadata.inode,
                    links: metadata.links,
                }),
                xattrs: metadata.xattrs,
                ..Extras::default()
            }
        } else {
            Extras::default()
        };
        let name = |name: Option<std::sync::Arc<str>>| name.map_or_else(Vec::new, |name| name.as_bytes().to_vec());
        let target = metadata.link_target.map(|path| path.as_os_str().as_bytes().to_vec());
        let header = Header {
            name: Vec::new(),
            kind: metadata.kind,
            mode: metadata.mode,
            uid: metadata.uid,
            gid: metadata.gid,
            user: name(metadata.user),
            group: name(metadata.group),
            mtime: Timestamp {
                seconds: metadata.mtime.seconds,
                nanos: 0,
            },
            size: 0,
            link: target.unwrap_or_default(),
            device: (rustix::fs::major(metadata.rdev), rustix::fs::minor(metadata.rdev)),
            private: Vec::new(),
        };
        Self { header, extras }
    }

    /// Its header in a volume under `name`, before `size` bytes of data. What is only known when a file's content has
    /// been read to its end stands at the entry that ends it.
    pub fn in_volume(&self, name: Vec<u8>, size: u64, place: Place) -> Header {
        let mut extras = self.extras.clone();
        extras.ctime = None;
        let is_dir = self.header.kind == EntryKind::Dir;
        extras.inode = extras.inode.filter(|inode| inode.links > 1 && !is_dir);
        if place == Place::Middle {
            extras = Extras::default();
        } else if place == Place::First {
            (extras.size, extras.sha256) = (None, None);
        }
        Header {
            name,
            size,
            private: extras.records(),
            ..self.header.clone()
        }
    }

    /// Its header in a signature file under `name`, before `size` bytes of signature.
    pub fn in_signatures(&self, name: Vec<u8>, size: u64) -> Header {
        Header {
            name,
            size,
            private: self.extras.records(),
            ..self.header.clone()
        }
    }
}

/// Which of a file's entries in a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The first of several.
    First,
    /// One between.
    Middle,
    /// The one that ends it.
    Last,
}

/// The header of a deletion marker.
pub fn deletion(name: Vec<u8>) -> Header {
    Header {
        name,
        kind: EntryKind::File,
        mode: 0,
        uid: 0,
        gid: 0,
        user: Vec::new(),
        group: Vec::new(),
        mtime: Timestamp::default(),
        size: 0,
        link: Vec::new(),
        device: (0, 0),
        private: Vec::new(),
    }
}

/// How an entry compares with the state before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing says that it changed.
    Same,
    /// What duplicity looks at is the same, but something else says that it may have changed.
    Suspect,
    /// It differs.
    Differs,
}

/// Compares what `lstat` tells with the state before, whose last set was begun at `began`.
pub fn compare(old: &Old, extras: &Extras, stat: &Stat, names: &Names, began: i64) -> Verdict {
    let header = &old.header;
    if header.kind != stat.kind {
        return Verdict::Differs;
    }
    // Of a link duplicity keeps the target alone.
    let is_link = stat.kind == EntryKind::Symlink;
    let (user, group) = owner(header, names);
    let same_second = header.mtime.seconds == stat.mtime.seconds || header.mtime.seconds.max(stat.mtime.seconds) <= 0;
    let same_time = same_second || matches!(stat.kind, EntryKind::CharDevice | EntryKind::BlockDevice);
    let equal = header.mode == stat.mode && (user, group) == (stat.uid, stat.gid) && same_time;
    if !equal && !is_link {
        return Verdict::Differs;
    }
    let same_size = stat.kind != EntryKind::File || extras.size == Some(stat.size);
    let Some(ctime) = extras.ctime else {
        let unknown = matches!(
            stat.kind,
            EntryKind::Symlink | EntryKind::CharDevice | EntryKind::BlockDevice
        );
        let other_size = extras.size.is_some() && !same_size;
        return if unknown || other_size {
            Verdict::Suspect
        } else {
            Verdict::Same
        };
    };
    let mtime = extras.mtime.unwrap_or(header.mtime);
    let inode = extras.inode.map(|inode| inode.number);
    let untouched = mtime == stat.mtime && ctime == stat.ctime && inode == Some(stat.inode);
    // What changed while the last backup ran may have been read before it changed.
    if equal && untouched && same_size && stat.ctime.seconds < began {
        Verdict::Same
    } else {
        Verdict::Suspect
    }
}

/// The owner by the names that this machine knows, as duplicity takes it.
fn owner(header: &Header, names: &Names) -> (u32, u32) {
    let text = |name: &[u8]| {
        std::str::from_utf8(name)
            .ok()
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
    };
    let user = text(&header.user).and_then(|name| names.uid(&name));
    let group = text(&header.group).and_then(|name| names.gid(&name));
    (user.unwrap_or(header.uid), group.unwrap_or(header.gid))
}

/// Whether an entry that is no file is what the state before says; `old` are that state's extras.
pub fn is_unchanged(before: &Header, old: &Extras, now: &Entry, with_extras: bool) -> bool {
    let (was, is) = (before, &now.header);
    let same = match is.kind {
        EntryKind::Symlink => was.link == is.link,
        EntryKind::CharDevice | EntryKind::BlockDevice => was.device == is.device,
        _ => true,
    };
    let known = with_extras && old.ctime.is_some();
    let exact = |extras: &Extras, header: &Header| extras.mtime.unwrap_or(header.mtime);
    let alike = || exact(old, was) == exact(&now.extras, is) && old.xattrs == now.extras.xattrs;
    same && (!known || (alike() && is_linked_alike(old, &now.extras, is.kind)))
}

/// Whether the names of one file, and nothing else, can still be known for such. A name that is left alone has no namesake
/// to miss; a copy in its place must not be taken for one.
fn is_linked_alike(old: &Extras, now: &Extras, kind: EntryKind) -> bool {
    match (old.inode, now.inode) {
        (Some(old), Some(now)) if kind != EntryKind::Dir && old.links.max(now.links) > 1 => {
            old.links > 1 && (old.device, old.number) == (now.device, now.number)
        }
        _ => true,
    }
}
