//! The thread that follows the walk: it gives every entry its place, takes over what is unchanged and hands the rest on.

use engine_api::{Change, EntryKind, Event, Timestamp};
use fstree::{Found, Step, Walk};

use super::before::{self, Before, is_unchanged};
use super::file::FileTask;
use super::folder::{Compared, Folder, Place, Ready, Tools};
use super::pool::Pool;
use super::{Context, node};
use crate::Id;
use crate::error::{Error, Result};
use crate::format::{BlobKind, Node};
use crate::repository::Sealer;
use crate::snapshots::Stored;

/// A folder the walk is in.
struct Frame {
    folder: std::sync::Arc<Folder>,
    before: Before,
}

struct Assembler<'a, 'c> {
    context: &'a Context<'c>,
    pool: &'a Pool,
    tools: Tools,
    stack: Vec<Frame>,
    began: Timestamp,
}

/// Follows the walk to its end. Returns the topmost listing if it is complete by then; else a worker completes it.
pub fn assemble(context: &Context<'_>, pool: &Pool, walk: Walk, parent: Option<&Stored>) -> Result<Option<Id>> {
    let before = Before::load(context, parent.map(|stored| stored.file.tree));
    let compared = Compared {
        node: None,
        tree: before.tree,
        count: before.count,
    };
    let folder = Folder::new(None, std::path::PathBuf::from("/"), compared);
    let mut assembler = Assembler {
        context,
        pool,
        tools: Tools {
            sealer: Sealer::new(context.repository)?,
            sealed: Vec::new(),
        },
        stack: vec![Frame { folder, before }],
        began: parent.map(before::began).unwrap_or_default(),
    };
    for step in walk {
        if context.progress.cancelled() {
            return Err(Error::Interrupted);
        }
        pool.check()?;
        assembler.step(step)?;
    }
    assembler.leave()
}

impl Assembler<'_, '_> {
    fn step(&mut self, step: Step) -> Result<()> {
        match step {
            Step::Enter(found) => self.enter(&found),
            Step::Item(found) => self.item(found),
            Step::Leave => self.leave().map(drop),
            Step::Problem(problem) => {
                self.context.counters.problem(problem);
                Ok(())
            }
            Step::Notice(notice) => {
                self.context.progress.event(Event::Notice(&notice));
                Ok(())
            }
        }
    }

    /// The entry's place in the folder being walked, and what the snapshot before has there.
    fn place(&mut self, found: &Found) -> Option<(Place, Option<Node>)> {
        let frame = self.stack.last_mut()?;
        let before = frame.before.find(found.name());
        Some((frame.folder.reserve(), before))
    }

    fn enter(&mut self, found: &Found) -> Result<()> {
        let Some((place, before)) = self.place(found) else {
            return Ok(());
        };
        let before = before.filter(|node| node.metadata.kind == EntryKind::Dir);
        let node = self.metadata(found, before.clone());
        let inside = Before::load(self.context, before.as_ref().and_then(|node| node.subtree));
        let compared = Compared {
            node: before,
            tree: inside.tree,
            count: inside.count,
        };
        let folder = Folder::new(Some((place, node)), found.path().to_owned(), compared);
        self.stack.push(Frame { folder, before: inside });
        Ok(())
    }

    fn leave(&mut self) -> Result<Option<Id>> {
        let Some(frame) = self.stack.pop() else { return Ok(None) };
        frame.folder.close(self.context, &mut self.tools)
    }

    fn item(&mut self, found: Found) -> Result<()> {
        if found.stat().kind == EntryKind::Socket {
            let text = format!("{} is a socket and is not saved", found.path().display());
            self.context.progress.event(Event::Notice(&text));
            return Ok(());
        }
        self.context
            .window
            .take(&|| self.pool.has_failed() || self.context.progress.cancelled());
        let Some((place, before)) = self.place(&found) else {
            return Ok(());
        };
        if !found.stat().is_file() {
            return self.other(&found, place, before);
        }
        match before {
            Some(before) if self.can_take_over(&before, &found) => self.take_over(&found, place, before),
            before => self.pool.send(FileTask { found, before, place }),
        }
    }

    /// Whether the file need not be read: it is unchanged, and the repository has all of it.
    fn can_take_over(&self, before: &Node, found: &Found) -> bool {
        !self.context.force_read
            && is_unchanged(before, found.stat(), self.began)
            && before
                .content
                .iter()
                .all(|id| self.context.index.has(BlobKind::Data, *id))
    }

    fn take_over(&mut self, found: &Found, place: Place, before: Node) -> Result<()> {
        let node = node::renew(before.clone(), found, found.stat(), &self.context.names);
        let same = node == before;
        let size = node.metadata.size;
        let change = if same { Change::Unchanged } else { Change::Changed };
        self.context.progress.event(Event::Bytes(size));
        self.context
            .counters
            .finished(found.path(), EntryKind::File, change, size);
        place
            .fill(Ready { node: Some(node), same }, self.context, &mut self.tools)
            .map(drop)
    }

    /// Links, devices and pipes: all that is to be saved of them is in the listing.
    fn other(&mut self, found: &Found, place: Place, before: Option<Node>) -> Result<()> {
        let kind = found.stat().kind;
        let before = before.filter(|node| node.metadata.kind == kind);
        let node = self.metadata(found, before.clone());
        if kind == EntryKind::Symlink && node.metadata.link_target.is_none() {
            // The problem is told already; a link to nowhere would be no restore of it.
            return place
                .fill(
                    Ready {
                        node: None,
                        same: false,
                    },
                    self.context,
                    &mut self.tools,
                )
                .map(drop);
        }
        let same = before.as_ref() == Some(&node);
        let change = match before {
            _ if same => Change::Unchanged,
            Some(_) => Change::Changed,
            None => Change::New,
        };
        self.context.counters.finished(found.path(), kind, change, 0);
        place
            .fill(Ready { node: Some(node), same }, self.context, &mut self.tools)
            .map(drop)
    }

    /// The entry's node, with what could not be read of it told. The attributes of what is unchanged are not read again.
    fn metadata(&self, found: &Found, before: Option<Node>) -> Node {
        // What an old restic saved of a link may not be what it was: it knew neither targets that are not UTF-8 nor a
        // link's own attributes. Links are few and quickly read.
        let trusted = |node: &Node| !self.context.force_read && node.metadata.kind != EntryKind::Symlink;
        let unchanged = |node: &Node| trusted(node) && is_unchanged(node, found.stat(), self.began);
        if let Some(before) = before.filter(unchanged) {
            let renewed = node::renew(before, found, found.stat(), &self.context.names);
            return Node {
                subtree: None,
                ..renewed
            };
        }
        let (metadata, problems) = found.metadata(&self.context.names);
        problems
            .into_iter()
            .for_each(|problem| self.context.counters.problem(problem));
        node::make(found, metadata)
    }
}
