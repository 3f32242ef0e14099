//! An entry's metadata on its way back from volumes and signature files.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::Arc;

use engine_api::{EntryKind, Metadata};

use crate::format::Extras;
use crate::tar::Header;

/// The metadata that a header and its private records bring; `size` is a file's whole length, where it is known.
pub(crate) fn metadata(header: &Header, extras: &Extras, size: Option<u64>) -> Metadata {
    let mtime = extras.mtime.unwrap_or(header.mtime);
    let (major, minor) = header.device;
    let is_device = matches!(header.kind, EntryKind::CharDevice | EntryKind::BlockDevice);
    let inode = extras.inode;
    Metadata {
        kind: header.kind,
        mode: header.mode,
        uid: header.uid,
        gid: header.gid,
        user: name(&header.user),
        group: name(&header.group),
        mtime,
        atime: extras.atime.unwrap_or(mtime),
        ctime: extras.ctime.unwrap_or_default(),
        size: if header.kind == EntryKind::File {
            size.or(extras.size).unwrap_or(0)
        } else {
            0
        },
        inode: inode.map_or(0, |inode| inode.number),
        device: inode.map_or(0, |inode| inode.device),
        links: inode.map_or(1, |inode| inode.links),
        rdev: if is_device {
            rustix::fs::makedev(major, minor)
        } else {
            0
        },
        link_target: (header.kind == EntryKind::Symlink)
            .then(|| PathBuf::from(OsString::from_vec(header.link.clone()))),
        xattrs: extras.xattrs.clone(),
    }
}

fn name(bytes: &[u8]) -> Option<Arc<str>> {
    std::str::from_utf8(bytes)
        .ok()
        .filter(|name| !name.is_empty())
        .map(Arc::from)
}
