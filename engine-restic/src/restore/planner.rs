//! The walk over a snapshot's listings: makes folders and the like, and gathers files into batches.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::vec::IntoIter;

use crossbeam_channel::Sender;
use engine_api::{Change, EntryKind, Metadata, Overwrite};
use fstree::Made;

use super::Context;
use super::batch::{Batch, FileItem, Link};
use super::execute::is_lost;
use super::existing::{Decision, decide};
use super::select::Part;
use crate::Id;
use crate::error::{Error, Result};
use crate::format::{BlobKind, Node, TreeReader};
use crate::snapshots::Stored;

/// A folder that is being planned.
struct Frame {
    nodes: IntoIter<Node>,
    path: PathBuf,
    /// What it gets when nothing more is put into it; nothing when it was there and only leads to what is selected.
    metadata: Option<Metadata>,
}

struct Planner<'a, 'c> {
    context: &'a Context<'c>,
    batches: Sender<Batch>,
    batch: Batch,
    stack: Vec<Frame>,
    /// Files with several names: where the first of them was put, by device and inode, and how many names are to come.
    linked: HashMap<(u64, u64), (PathBuf, u64)>,
}

/// Plans everything and hands it over batch by batch.
pub fn run(context: &Context<'_>, stored: &Stored, batches: Sender<Batch>) -> Result<()> {
    let mut planner = Planner {
        context,
        batches,
        batch: Batch::default(),
        stack: Vec::new(),
        linked: HashMap::new(),
    };
    let nodes = read_tree(context, stored.file.tree)?;
    planner.stack.push(Frame {
        nodes: nodes.into_iter(),
        path: PathBuf::from("/"),
        metadata: None,
    });
    while let Some(frame) = planner.stack.last_mut() {
        match frame.nodes.next() {
            Some(node) => planner.node(node)?,
            None => planner.leave(),
        }
        if planner.batch.is_full() {
            context.go_on()?;
            planner.flush()?;
        }
    }
    planner.flush()
}

/// A folder's listing.
pub fn read_tree(context: &Context<'_>, id: Id) -> Result<Vec<Node>> {
    let blob = context.repository.read_blob(&context.index, BlobKind::Tree, id)?;
    TreeReader::all(&blob).map_err(|why| Error::damaged(format!("tree {id}"), why))
}

impl Planner<'_, '_> {
    fn flush(&mut self) -> Result<()> {
        let batch = std::mem::take(&mut self.batch);
        if batch.is_empty() {
            return Ok(());
        }
        // The executor goes on receiving after a failure, which it returns itself.
        self.batches.send(batch).map_err(|_| Error::Interrupted)
    }

    fn node(&mut self, node: Node) -> Result<()> {
        let Some(frame) = self.stack.last() else { return Ok(()) };
        let path = frame.path.join(&node.name);
        match (self.context.selected.part(&path), node.metadata.kind) {
            (Part::Outside, _) => {}
            (part, EntryKind::Dir) => self.folder(node, path, part)?,
            (Part::Above, _) => {}
            (Part::Whole, EntryKind::File) => self.file(node, path),
            (Part::Whole, EntryKind::Socket) => {}
            (Part::Whole, _) => self.other(&node, path),
        }
        Ok(())
    }

    fn leave(&mut self) {
        if let Some(frame) = self.stack.pop()
            && let Some(metadata) = frame.metadata
        {
            self.batch.folders.push((frame.path, metadata));
        }
    }

    fn folder(&mut self, node: Node, path: PathBuf, part: Part) -> Result<()> {
        let nodes = match node.subtree.map(|id| read_tree(self.context, id)).transpose() {
            Ok(nodes) => Some(nodes.unwrap_or_default()),
            Err(error) if is_lost(&error) => {
                self.context
                    .counters
                    .failed(&path, "read what was in the folder", &error);
                None
            }
            Err(error) => return Err(error),
        };
        let made = self.make_folder(&path);
        let made = match made {
            Ok(made) => made,
            Err(error) => {
                self.context.counters.failed(&path, "create the folder", &error);
                return Ok(());
            }
        };
        if part == Part::Whole {
            let change = if made == Made::Created {
                Change::New
            } else {
                Change::Changed
            };
            self.context.counters.finished(&path, EntryKind::Dir, change, 0);
            // What is not known to be extra stays.
            if let Some(nodes) = nodes.as_ref().filter(|nodes| !self.is_foreign(&path, nodes)) {
                self.delete_extra(&path, nodes);
            }
        }
        let ours = made == Made::Created || part == Part::Whole;
        let metadata = Some(node.metadata).filter(|_| ours && !self.context.dry_run);
        self.stack.push(Frame {
            nodes: nodes.unwrap_or_default().into_iter(),
            path,
            metadata,
        });
        Ok(())
    }

    /// Whether the folder is where another filesystem is mounted of which the snapshot has nothing.
    fn is_foreign(&self, path: &Path, nodes: &[Node]) -> bool {
        nodes.is_empty() && self.context.target.is_mount_point(path).unwrap_or(true)
    }

    fn make_folder(&self, path: &Path) -> io::Result<Made> {
        if self.context.dry_run {
            let there = self.context.target.stat(path).unwrap_or_default();
            return Ok(there.map_or(Made::Created, |_| Made::Existed));
        }
        let replace = matches!(self.context.overwrite, Overwrite::Always | Overwrite::IfChanged);
        self.context.target.make_dir(path, replace)
    }

    /// Removes what is in the folder at the target and not in the snapshot.
    fn delete_extra(&self, path: &Path, nodes: &[Node]) {
        if !self.context.delete_extra {
            return;
        }
        let there = match self.context.target.list(path) {
            Ok(there) => there,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => return self.context.counters.failed(path, "list the folder", &error),
        };
        let known = |name: &std::ffi::OsString| nodes.binary_search_by(|node| node.name.cmp(name)).is_ok();
        for name in there.into_iter().filter(|name| !known(name)) {
            let extra = path.join(name);
            let removed = if self.context.dry_run {
                Ok(1)
            } else {
                self.context.target.remove(&extra)
            };
            match removed {
                Ok(count) => self.context.counters.deleted(count),
                Err(error) => self.context.counters.failed(&extra, "remove", &error),
            }
        }
    }

    /// Links, devices and pipes are made at once.
    fn other(&mut self, node: &Node, path: PathBuf) {
        match self.first_name(node, &path) {
            Some(existing) => self.batch.links.push(Link {
                existing,
                new: path,
                kind: node.metadata.kind,
            }),
            None => self.first_other(node, &path),
        }
    }

    fn first_other(&self, node: &Node, path: &Path) {
        let there = match self.context.target.stat(path) {
            Ok(there) => there,
            Err(error) => return self.context.counters.failed(path, "look at", &error),
        };
        if let Some(there) = &there {
            let newer = self.context.overwrite == Overwrite::IfNewer && there.mtime >= node.metadata.mtime;
            if newer || self.context.overwrite == Overwrite::Never {
                return;
            }
        }
        if !self.context.dry_run {
            if let Err(error) = self.make_other(node, path) {
                return self.context.counters.failed(path, "create", &error);
            }
            self.context
                .counters
                .problems(self.context.target.set_metadata(path, &node.metadata));
        }
        let change = if there.is_some() { Change::Changed } else { Change::New };
        self.context.counters.finished(path, node.metadata.kind, change, 0);
    }

    fn make_other(&self, node: &Node, path: &Path) -> io::Result<()> {
        let target = &self.context.target;
        match node.metadata.kind {
            EntryKind::Symlink => target.symlink(path, node.metadata.link_target.as_deref().unwrap_or(Path::new(""))),
            EntryKind::Fifo => target.fifo(path),
            _ => target.device(path, &node.metadata),
        }
    }

    fn file(&mut self, node: Node, path: PathBuf) {
        if let Some(existing) = self.first_name(&node, &path) {
            self.batch.links.push(Link {
                existing,
                new: path,
                kind: EntryKind::File,
            });
            return;
        }
        let decision = match decide(self.context, &path, &node.metadata, node.content.len()) {
            Ok(decision) => decision,
            Err(error) => return self.context.counters.failed(&path, "look at", &error),
        };
        let size = node.metadata.size;
        match decision {
            Decision::Leave | Decision::Right => {
                self.context.counters.bytes(0, size);
                self.context
                    .counters
                    .finished(&path, EntryKind::File, Change::Unchanged, size);
                if decision == Decision::Right && !self.context.dry_run {
                    self.batch.right.push((path, node.metadata));
                }
            }
            Decision::Create | Decision::Update if self.context.dry_run => {
                self.context.counters.bytes(size, 0);
                self.context
                    .counters
                    .finished(&path, EntryKind::File, Change::Changed, size);
            }
            Decision::Create | Decision::Update => self.write(node, path, decision == Decision::Update),
        }
    }

    /// Where the first name of the same file was put, if this is not it.
    fn first_name(&mut self, node: &Node, path: &Path) -> Option<PathBuf> {
        if node.metadata.links < 2 {
            return None;
        }
        let key = (node.metadata.device, node.metadata.inode);
        let Some((first, to_come)) = self.linked.get_mut(&key) else {
            self.linked.insert(key, (path.to_owned(), node.metadata.links - 1));
            return None;
        };
        let first = first.clone();
        *to_come = to_come.saturating_sub(1);
        if *to_come == 0 {
            self.linked.remove(&key);
        }
        Some(first)
    }

    /// Adds the file to the batch, with every blob of it that the repository has.
    fn write(&mut self, node: Node, path: PathBuf, update: bool) {
        let mut position = 0;
        let mut wants = Vec::with_capacity(node.content.len());
        let mut lost = None;
        for id in &node.content {
            match self.context.index.get(BlobKind::Data, *id) {
                Some(location) => {
                    // The index numbers its blobs with 32 bits.
                    wants.push((u32::try_from(location.ordinal).unwrap_or(u32::MAX), position));
                    position += u64::from(location.blob.plain_length());
                }
                None => {
                    lost = Some(*id);
                    break;
                }
            }
        }
        let item = FileItem::new(path, node.metadata, wants.len(), update);
        if let Some(id) = lost {
            // Where the rest belongs cannot be told without the length of what is lost.
            item.incomplete.store(true, std::sync::atomic::Ordering::Relaxed);
            let cause = format!("data blob {id} is missing from the repository; only {position} bytes are left");
            self.context.counters.failed(&item.path, "restore all of", &cause);
        }
        self.batch.add(item, wants.into_iter());
    }
}
