//! A folder whose entries are being saved: its listing is complete when the last of them is.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use engine_api::{Change, EntryKind};

use super::Context;
use crate::Id;
use crate::error::{Error, Result};
use crate::format::{BlobKind, Node, TreeWriter};
use crate::repository::{Sealer, lock};

/// What became of an entry.
pub struct Ready {
    /// Its node; `None` when it is left out.
    pub node: Option<Node>,
    /// Whether it is the same in the snapshot before.
    pub same: bool,
}

/// A place in a folder's listing that will be filled.
pub struct Place {
    pub folder: Arc<Folder>,
    position: usize,
}

/// A folder on its way into the snapshot.
pub struct Folder {
    /// Where its own node goes, and that node; `None` for the topmost folder.
    own: Mutex<Option<(Place, Node)>>,
    path: PathBuf,
    /// How it compares with the snapshot before.
    before: Compared,
    entries: Mutex<Entries>,
}

/// What the snapshot before says of a folder.
#[derive(Debug, Clone, Default)]
pub struct Compared {
    /// Its node there.
    pub node: Option<Node>,
    /// Its listing there.
    pub tree: Option<Id>,
    /// How many entries that has.
    pub count: usize,
}

struct Entries {
    /// Entries from the first that is not ready on.
    waiting: VecDeque<Option<Ready>>,
    /// How many went before those.
    done: usize,
    listing: Listing,
    closed: bool,
}

/// The listing so far.
enum Listing {
    /// All entries are the same as before: the listing may prove to be the same and need no encoding.
    Same(Vec<Node>),
    /// At least one differs.
    Encoded(TreeWriter),
}

impl Folder {
    pub fn new(own: Option<(Place, Node)>, path: PathBuf, before: Compared) -> Arc<Self> {
        let entries = Entries {
            waiting: VecDeque::new(),
            done: 0,
            listing: Listing::Same(Vec::new()),
            closed: false,
        };
        Arc::new(Self {
            own: Mutex::new(own),
            path,
            before,
            entries: Mutex::new(entries),
        })
    }

    /// Takes the next place of the listing.
    pub fn reserve(self: &Arc<Self>) -> Place {
        let mut entries = lock(&self.entries);
        let position = entries.done + entries.waiting.len();
        entries.waiting.push_back(None);
        Place {
            folder: Arc::clone(self),
            position,
        }
    }

    /// No further place will be taken. Returns the topmost folder's listing if it is complete by that.
    pub fn close(self: &Arc<Self>, context: &Context<'_>, tools: &mut Tools) -> Result<Option<Id>> {
        lock(&self.entries).closed = true;
        complete(Arc::clone(self), context, tools)
    }

    /// The listing, if nothing is missing from it and nobody took it before.
    fn take_complete(&self) -> Option<Listing> {
        let mut entries = lock(&self.entries);
        if !entries.closed || !entries.waiting.is_empty() {
            return None;
        }
        // Taken once: whoever comes second finds it open again.
        entries.closed = false;
        Some(std::mem::replace(&mut entries.listing, Listing::Same(Vec::new())))
    }
}

/// What a thread needs to store listings.
pub struct Tools {
    pub sealer: Sealer,
    pub sealed: Vec<u8>,
}

impl Place {
    /// Fills the place; stores the listings that are complete by that. Returns the topmost one if it is among them.
    pub fn fill(self, ready: Ready, context: &Context<'_>, tools: &mut Tools) -> Result<Option<Id>> {
        let folder = Arc::clone(&self.folder);
        self.put(ready, context)?;
        complete(folder, context, tools)
    }

    fn put(self, ready: Ready, context: &Context<'_>) -> Result<()> {
        let mut entries = lock(&self.folder.entries);
        let done = entries.done;
        if let Some(entry) = entries.waiting.get_mut(self.position - done) {
            *entry = Some(ready);
        }
        let released = entries.advance(context)?;
        drop(entries);
        context.window.release(released);
        Ok(())
    }
}

impl Entries {
    /// Moves what is ready at the front into the listing; returns how many of that are no folders.
    fn advance(&mut self, context: &Context<'_>) -> Result<usize> {
        let mut items = 0;
        while let Some(ready) = self.waiting.pop_front_if(|entry| entry.is_some()).flatten() {
            self.done += 1;
            items += usize::from(ready.node.as_ref().is_none_or(|node| node.subtree.is_none()));
            self.listing.add(ready, context)?;
        }
        Ok(items)
    }
}

impl Listing {
    fn add(&mut self, ready: Ready, context: &Context<'_>) -> Result<()> {
        if let Self::Same(nodes) = self
            && !ready.same
        {
            let mut writer = TreeWriter::new(context.repository.settings().zone.clone());
            nodes
                .drain(..)
                .try_for_each(|node| writer.add(&node))
                .map_err(|_| out_of_order())?;
            *self = Self::Encoded(writer);
        }
        let Some(node) = ready.node else { return Ok(()) };
        match self {
            Self::Same(nodes) => nodes.push(node),
            Self::Encoded(writer) => writer.add(&node).map_err(|_| out_of_order())?,
        }
        Ok(())
    }
}

fn out_of_order() -> Error {
    Error::damaged("the walk", "it delivered a folder's entries out of order")
}

/// Stores the folder's listing if it is complete, then that of the folder above if it is so by that, and so on.
fn complete(folder: Arc<Folder>, context: &Context<'_>, tools: &mut Tools) -> Result<Option<Id>> {
    let mut folder = folder;
    loop {
        let Some(listing) = folder.take_complete() else {
            return Ok(None);
        };
        let tree = store(&folder, listing, context, tools)?;
        let Some((place, mut node)) = lock(&folder.own).take() else {
            return Ok(Some(tree));
        };
        node.subtree = Some(tree);
        let change = change(&folder.before, &node, tree);
        context.counters.finished(&folder.path, EntryKind::Dir, change, 0);
        let same = folder.before.node.as_ref() == Some(&node);
        let above = Arc::clone(&place.folder);
        place.put(Ready { node: Some(node), same }, context)?;
        folder = above;
    }
}

fn change(before: &Compared, node: &Node, tree: Id) -> Change {
    match &before.node {
        None => Change::New,
        Some(old) if old.subtree == Some(tree) && old.metadata == node.metadata => Change::Unchanged,
        Some(_) => Change::Changed,
    }
}

fn store(folder: &Folder, listing: Listing, context: &Context<'_>, tools: &mut Tools) -> Result<Id> {
    let json = match listing {
        Listing::Same(nodes) => {
            let known = folder
                .before
                .tree
                .filter(|tree| context.index.has(BlobKind::Tree, *tree));
            if let Some(tree) = known.filter(|_| nodes.len() == folder.before.count) {
                return Ok(tree);
            }
            let mut writer = TreeWriter::new(context.repository.settings().zone.clone());
            nodes
                .iter()
                .try_for_each(|node| writer.add(node))
                .map_err(|_| out_of_order())?;
            writer.finish()
        }
        Listing::Encoded(writer) => writer.finish(),
    };
    let saved = context
        .saver
        .save(BlobKind::Tree, &json, &mut tools.sealer, &mut tools.sealed)?;
    Ok(saved.id)
}
