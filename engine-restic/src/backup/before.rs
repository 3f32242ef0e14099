//! The snapshot before: which one, and what it says of each entry.

use std::ffi::OsStr;
use std::iter::Peekable;
use std::vec::IntoIter;

use engine_api::{BackupRequest, SnapshotFilter, Timestamp};
use fstree::Stat;

use super::Context;
use crate::Id;
use crate::error::Result;
use crate::format::{BlobKind, Node, TreeReader, parse_time};
use crate::repository::Repository;
use crate::snapshots::{self, Stored};

/// The snapshot to compare with: the one asked for, else the newest of this machine with the same paths, else the
/// newest with the same tags, else the newest of the machine. Only time is lost with a bad choice.
pub fn choose_parent(repository: &Repository, request: &BackupRequest) -> Result<Option<Stored>> {
    let host = SnapshotFilter {
        host: Some(request.host.clone()),
        ..SnapshotFilter::default()
    };
    if let Some(asked) = &request.parent {
        return snapshots::resolve(repository, asked, &host).map(Some);
    }
    let (mut candidates, _) = snapshots::load_all(repository)?;
    candidates.retain(|stored| stored.snapshot.host == request.host);
    let includes: Vec<_> = request
        .selection
        .includes
        .iter()
        .map(|path| String::from_utf8_lossy(path))
        .collect();
    let same_paths = |stored: &Stored| {
        stored.file.paths.len() == includes.len()
            && stored.file.paths.iter().all(|path| includes.iter().any(|i| i == path))
    };
    let same_tags = |stored: &Stored| stored.snapshot.tags == request.tags;
    let newest = |fits: &dyn Fn(&Stored) -> bool| candidates.iter().rposition(fits);
    let position = newest(&same_paths)
        .or_else(|| newest(&same_tags))
        .or_else(|| newest(&|_| true));
    Ok(position.map(|position| candidates.swap_remove(position)))
}

/// A folder of the snapshot before, read along with the walk.
pub struct Before {
    nodes: Peekable<IntoIter<Node>>,
    /// How many entries it had.
    pub count: usize,
    /// Its listing.
    pub tree: Option<Id>,
}

impl Before {
    /// A folder that was not there.
    pub fn nothing() -> Self {
        Self {
            nodes: Vec::new().into_iter().peekable(),
            count: 0,
            tree: None,
        }
    }

    /// The folder with this listing. One that cannot be read counts as not there: everything in it is read again, which
    /// may even mend the repository.
    pub fn load(context: &Context<'_>, tree: Option<Id>) -> Self {
        let Some(id) = tree else { return Self::nothing() };
        let blob = context.repository.read_blob(&context.index, BlobKind::Tree, id);
        let nodes = blob.ok().and_then(|blob| TreeReader::all(&blob).ok());
        nodes.map_or_else(Self::nothing, |nodes| Self {
            count: nodes.len(),
            nodes: nodes.into_iter().peekable(),
            tree: Some(id),
        })
    }

    /// The entry of that name; names must be asked for in order.
    pub fn find(&mut self, name: &OsStr) -> Option<Node> {
        while self.nodes.next_if(|node| node.name.as_os_str() < name).is_some() {}
        self.nodes.next_if(|node| node.name.as_os_str() == name)
    }
}

/// When the snapshot before was begun.
pub fn began(parent: &Stored) -> Timestamp {
    let start = parent
        .file
        .summary
        .as_ref()
        .and_then(|summary| parse_time(&summary.backup_start));
    start.unwrap_or(parent.snapshot.time)
}

/// Whether what `stat` tells is the same that was saved, so that neither content nor attributes need to be read: any
/// change of either sets the inode's change time. A file that was changed as late as the backup was running may have
/// been changed after it was read without its time telling so, and counts as changed.
pub fn is_unchanged(node: &Node, stat: &Stat, began: Timestamp) -> bool {
    let saved = &node.metadata;
    saved.kind == stat.kind
        && saved.size == stat.size
        && saved.mtime == stat.mtime
        && saved.ctime == stat.ctime
        && saved.inode == stat.inode
        && saved.mode == stat.mode
        && (saved.uid, saved.gid) == (stat.uid, stat.gid)
        && stat.ctime < began
}
