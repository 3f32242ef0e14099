//! What of an entry differs, as far as its snapshot can tell.

use engine_api::{EntryKind, Metadata, Snapshot, Timestamp};
use fstree::Names;

use crate::record::EngineName;

/// What duplicity itself saved has lengths in whole blocks, of these at the most.
const BLOCK: u64 = 2048;

/// Which properties count, and how exactly.
pub(super) struct Rules {
    /// The original program made it, and kept less.
    original: bool,
    engine: EngineName,
}

/// Whether another value of this means that the content is another.
pub(super) fn is_content(what: &str) -> bool {
    matches!(what, "size" | "mtime" | "target" | "device")
}

impl Rules {
    pub(super) fn of(engine: EngineName, snapshot: &Snapshot) -> Self {
        Self {
            original: snapshot.program.is_none() && engine != EngineName::Restic,
            engine,
        }
    }

    /// The names of the properties that differ.
    pub(super) fn compare(&self, saved: &Metadata, now: &Metadata, names: &Names) -> Vec<&'static str> {
        let is_file = saved.kind == EntryKind::File;
        let is_link = saved.kind == EntryKind::Symlink;
        let is_device = matches!(saved.kind, EntryKind::CharDevice | EntryKind::BlockDevice);
        let uid = saved.user.as_deref().and_then(|name| names.uid(name));
        let gid = saved.group.as_deref().and_then(|name| names.gid(name));
        // Of a plain tree the place decides what owners and modes there can be.
        let plain = self.original && self.engine == EngineName::Rsync;
        let found = [
            ("size", is_file && !self.same_size(saved.size, now.size)),
            // A folder has another time as soon as anything in it has come or gone, which is told by itself.
            ("mtime", is_file && !self.same_time(saved.mtime, now.mtime)),
            ("target", is_link && saved.link_target != now.link_target),
            ("device", is_device && saved.rdev != now.rdev),
            ("mode", !is_link && !plain && saved.mode != now.mode),
            ("owner", !plain && uid.unwrap_or(saved.uid) != now.uid),
            ("group", !plain && gid.unwrap_or(saved.gid) != now.gid),
            ("xattrs", !self.original && saved.xattrs != now.xattrs),
        ];
        found
            .into_iter()
            .filter_map(|(what, differs)| differs.then_some(what))
            .collect()
    }

    fn same_size(&self, saved: u64, now: u64) -> bool {
        saved == now || (self.original && self.engine == EngineName::Duplicity && now < saved && saved - now < BLOCK)
    }

    /// What has no fractions of a second was saved without them by all but restic.
    fn same_time(&self, saved: Timestamp, now: Timestamp) -> bool {
        saved == now
            || (self.engine != EngineName::Restic && saved.nanos == 0 && saved.seconds.max(0) == now.seconds.max(0))
    }
}
