//! From what the walk finds to the nodes of a listing.

use engine_api::{EntryKind, Metadata};
use fstree::{Found, Names, Stat};

use crate::format::Node;

/// A node as restic would make it: access times are not saved, for they change without anybody caring; folders and
/// pipes carry no count of links, unless a pipe has several names, which restic would forget.
pub fn make(found: &Found, mut metadata: Metadata) -> Node {
    metadata.atime = metadata.mtime;
    if metadata.kind == EntryKind::Dir || metadata.kind == EntryKind::Fifo && metadata.links < 2 {
        metadata.links = 0;
    }
    Node {
        name: found.name().to_owned(),
        metadata,
        content: Vec::new(),
        subtree: None,
    }
}

/// The node of an entry that is unchanged: attributes and content as they were, the rest as it is.
pub fn renew(before: Node, found: &Found, stat: &Stat, names: &Names) -> Node {
    let metadata = Metadata {
        device: stat.device,
        links: stat.links,
        rdev: stat.rdev,
        user: names.user(stat.uid),
        group: names.group(stat.gid),
        ..before.metadata
    };
    Node {
        content: before.content,
        subtree: before.subtree,
        ..make(found, metadata)
    }
}
