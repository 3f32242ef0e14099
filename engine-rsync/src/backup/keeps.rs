//! What of an entry's metadata the place keeps: only what it keeps can differ there.

use std::os::unix::ffi::OsStrExt;

use engine_api::{EntryKind, FileCapabilities, Metadata, NewMetadata, Timestamp, Xattr};

use crate::time::same_time;

/// The part of the metadata that the place keeps.
#[derive(Debug, Clone)]
pub struct Keeps {
    owners: bool,
    modes: bool,
    link_metadata: bool,
    xattrs: bool,
    acls: bool,
    fifos: bool,
    devices: bool,
    pub time_unit: u32,
    pub reflinks: bool,
}

impl Keeps {
    pub fn of(capabilities: &FileCapabilities) -> Self {
        Self {
            owners: capabilities.owners,
            modes: capabilities.modes,
            link_metadata: capabilities.link_metadata,
            xattrs: capabilities.xattrs,
            acls: capabilities.acls,
            fifos: capabilities.fifos,
            devices: capabilities.devices,
            time_unit: capabilities.time_unit.max(1),
            reflinks: capabilities.reflinks,
        }
    }

    /// What it does not keep, in words.
    pub fn lacking(&self) -> impl Iterator<Item = &'static str> {
        let all = [
            (self.owners, "owners"),
            (self.modes, "modes"),
            (self.time_unit == 1, "exact times"),
            (self.xattrs, "extended attributes"),
            (self.acls, "ACLs"),
            (self.fifos, "named pipes"),
            (self.devices, "devices"),
        ];
        all.into_iter().filter(|(kept, _)| !kept).map(|(_, name)| name)
    }

    /// Whether such an entry can be made there at all.
    pub const fn can_hold(&self, kind: EntryKind) -> bool {
        match kind {
            EntryKind::Fifo => self.fifos,
            EntryKind::CharDevice | EntryKind::BlockDevice => self.devices,
            EntryKind::Socket => false,
            EntryKind::File | EntryKind::Dir | EntryKind::Symlink => true,
        }
    }

    /// Those attributes that the place keeps.
    pub fn xattrs(&self, all: &[Xattr]) -> Vec<Xattr> {
        all.iter().filter(|xattr| self.keeps_xattr(xattr)).cloned().collect()
    }

    fn keeps_xattr(&self, xattr: &Xattr) -> bool {
        if xattr.name.as_bytes().starts_with(b"system.posix_acl_") {
            self.acls
        } else {
            self.xattrs
        }
    }

    /// What is to be set of an entry; `xattrs` are [those that it keeps](Self::xattrs).
    pub fn new_metadata<'a>(&self, metadata: &Metadata, xattrs: &'a [Xattr]) -> NewMetadata<'a> {
        let is_link = metadata.kind == EntryKind::Symlink;
        let mut new = NewMetadata::default();
        if is_link && !self.link_metadata {
            return new;
        }
        new.owner = self.owners.then_some((metadata.uid, metadata.gid));
        new.mode = (self.modes && !is_link).then_some(metadata.mode);
        new.mtime = Some(metadata.mtime);
        new.xattrs = (self.xattrs || self.acls).then_some(xattrs);
        new
    }

    /// Whether the same inode can stand for both: they differ in nothing that the place keeps.
    pub fn same_metadata(&self, stored: &Metadata, wanted: &Metadata) -> bool {
        let is_link = wanted.kind == EntryKind::Symlink;
        let set = !is_link || self.link_metadata;
        let kept = |xattrs: &[Xattr]| -> Vec<Xattr> {
            let mut kept = self.xattrs(xattrs);
            kept.retain(|xattr| !is_policy(xattr));
            kept
        };
        (!self.owners || !set || (stored.uid, stored.gid) == (wanted.uid, wanted.gid))
            && (!self.modes || is_link || stored.mode == wanted.mode)
            && (!set || self.same_time(stored.mtime, wanted.mtime))
            && kept(&stored.xattrs) == kept(&wanted.xattrs)
    }

    /// Whether the place would show both as one time.
    pub fn same_time(&self, stored: Timestamp, wanted: Timestamp) -> bool {
        same_time(stored, wanted, self.time_unit)
    }
}

/// Labels that a system gives by its own policy are no difference between two trees.
fn is_policy(xattr: &Xattr) -> bool {
    let name = xattr.name.as_bytes();
    name.starts_with(b"security.") && name != b"security.capability"
}
