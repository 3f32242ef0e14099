//! Which folder is read next, and what has been read ahead.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::Step;
use super::listing::{Listing, NameTable, Row};
use super::scope::Scope;
use crate::dir::Dir;

/// Reading ahead stops when so many names and entries wait to be delivered.
const AHEAD: usize = 1 << 15;

/// A folder's number; given to another folder after it is left.
pub(super) type Id = usize;

/// The folders that are being read, wait to be delivered, or are being delivered.
///
/// Those with something left to read form a list in the order of the walk: a folder stands behind all that was found
/// in it up to now, because what is left of it comes later. So the first work in the list is what the walk needs first.
#[derive(Default)]
pub(super) struct Schedule {
    folders: Vec<Option<Folder>>,
    free: Vec<Id>,
    first: Option<Id>,
    ahead: usize,
}

#[derive(Default)]
struct Folder {
    /// `None` while it is being read.
    open: Option<Open>,
    previous: Option<Id>,
    next: Option<Id>,
    listed: bool,
}

struct Open {
    at: Place,
    messages: Vec<Step>,
    /// The batches from `front` on; `None` for one that is being read.
    batches: VecDeque<Option<Vec<Row>>>,
    front: usize,
    /// Batches whose folders are in `subfolders`, counted from the first of all.
    searched: usize,
    /// Folders that nobody reads yet, with the filesystem they lie on.
    subfolders: VecDeque<(u32, u64)>,
    /// Folders that are read ahead.
    children: HashMap<u32, Id>,
}

/// A folder that was read.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) dir: Arc<Dir>,
    pub(super) scope: Arc<Scope>,
    pub(super) names: Arc<NameTable>,
}

/// Something to read.
pub(super) enum Task {
    /// The folder that is entry `index` of `parent`, as folder `id`.
    Folder {
        id: Id,
        parent: Place,
        index: u32,
        device: u64,
    },
    /// One batch of folder `id`.
    Batch { id: Id, place: Place, batch: usize },
}

/// What a walk that comes to a folder or needs the next batch has to do.
pub(super) enum Turn<T> {
    /// Take it: it is read.
    Ready(T),
    /// Wait: somebody reads it.
    Wait,
    /// Read it yourself.
    Read(Task),
    /// There is no more.
    End,
}

impl Schedule {
    /// Adds the root.
    pub(super) fn add_root(&mut self, listing: Listing) -> Id {
        let id = self.add();
        self.link_before(id, None);
        self.opened(id, listing);
        id
    }

    /// Whether it is worth waking somebody for work.
    pub(super) fn is_hungry(&self) -> bool {
        self.first.is_some() && self.ahead < AHEAD / 2
    }

    /// The work that the walk needs first; `None` when there is none or enough was read ahead.
    pub(super) fn next_task(&mut self) -> Option<Task> {
        let mut at = self.first.filter(|_| self.ahead < AHEAD);
        while let Some(id) = at {
            at = self.folder(id)?.next;
            let Some(open) = self.open_mut(id) else { continue };
            if let Some((index, device)) = open.subfolders.pop_front() {
                return Some(self.start_folder(id, index, device)?.1);
            }
            if let Some(batch) = open.start_batch() {
                return Some(Task::Batch {
                    id,
                    place: open.at.clone(),
                    batch,
                });
            }
            if open.is_read() {
                self.unlink(id);
            }
        }
        None
    }

    /// The walk comes to the folder that is entry `index` of folder `parent`.
    pub(super) fn turn_to_folder(&mut self, parent: Id, index: u32, device: u64) -> Turn<Id> {
        let Some(open) = self.open_mut(parent) else {
            return Turn::End;
        };
        if let Some(&child) = open.children.get(&index) {
            return if self.open_mut(child).is_some() {
                Turn::Ready(child)
            } else {
                Turn::Wait
            };
        }
        if open.subfolders.front().is_some_and(|(first, _)| *first == index) {
            open.subfolders.pop_front();
        }
        match self.start_folder(parent, index, device) {
            Some((_, task)) => Turn::Read(task),
            None => Turn::End,
        }
    }

    /// The walk enters folder `id`, which is read: what it is, and what is to be said of it.
    pub(super) fn enter(&mut self, id: Id) -> Option<(Place, Vec<Step>)> {
        let open = self.open_mut(id)?;
        let names = open.at.names.len();
        let entered = (open.at.clone(), std::mem::take(&mut open.messages));
        self.ahead = self.ahead.saturating_sub(names);
        Some(entered)
    }

    /// The walk needs the next batch of folder `id`.
    pub(super) fn turn_to_batch(&mut self, id: Id) -> Turn<Vec<Row>> {
        let Some(open) = self.open_mut(id) else {
            return Turn::End;
        };
        match open.batches.pop_front() {
            Some(Some(rows)) => {
                open.front += 1;
                self.ahead = self.ahead.saturating_sub(rows.len());
                Turn::Ready(rows)
            }
            Some(None) => {
                open.batches.push_front(None);
                Turn::Wait
            }
            None => match open.start_batch() {
                Some(batch) => Turn::Read(Task::Batch {
                    id,
                    place: open.at.clone(),
                    batch,
                }),
                None => Turn::End,
            },
        }
    }

    /// The walk is done with folder `id`.
    pub(super) fn leave(&mut self, parent: Option<(Id, u32)>, id: Id) {
        if let Some((parent, index)) = parent
            && let Some(open) = self.open_mut(parent)
        {
            open.children.remove(&index);
        }
        self.unlink(id);
        if let Some(slot) = self.folders.get_mut(id) {
            *slot = None;
            self.free.push(id);
        }
    }

    /// Folder `id` was read.
    pub(super) fn opened(&mut self, id: Id, listing: Listing) {
        let Listing {
            dir,
            scope,
            names,
            first,
            messages,
        } = listing;
        self.ahead += names.len() + first.len();
        let batches = if names.len() == 0 {
            VecDeque::new()
        } else {
            VecDeque::from([Some(first)])
        };
        let mut open = Open {
            at: Place { dir, scope, names },
            messages,
            batches,
            front: 0,
            searched: 0,
            subfolders: VecDeque::new(),
            children: HashMap::new(),
        };
        open.search();
        let is_read = open.is_read() && open.subfolders.is_empty();
        if let Some(folder) = self.folder_mut(id) {
            folder.open = Some(open);
        }
        if is_read {
            self.unlink(id);
        }
    }

    /// A batch of folder `id` was read.
    pub(super) fn batch_read(&mut self, id: Id, batch: usize, rows: Vec<Row>) {
        self.ahead += rows.len();
        if let Some(open) = self.open_mut(id) {
            if let Some(slot) = batch.checked_sub(open.front).and_then(|at| open.batches.get_mut(at)) {
                *slot = Some(rows);
            }
            open.search();
        }
    }

    fn start_folder(&mut self, parent: Id, index: u32, device: u64) -> Option<(Id, Task)> {
        let id = self.add();
        let listed = self.folder(parent)?.listed;
        self.link_before(id, listed.then_some(parent));
        let open = self.open_mut(parent)?;
        open.children.insert(index, id);
        Some((
            id,
            Task::Folder {
                id,
                parent: open.at.clone(),
                index,
                device,
            },
        ))
    }

    fn add(&mut self) -> Id {
        let folder = Some(Folder::default());
        if let Some(id) = self.free.pop()
            && let Some(slot) = self.folders.get_mut(id)
        {
            *slot = folder;
            return id;
        }
        self.folders.push(folder);
        self.folders.len() - 1
    }

    fn folder(&self, id: Id) -> Option<&Folder> {
        self.folders.get(id)?.as_ref()
    }

    fn folder_mut(&mut self, id: Id) -> Option<&mut Folder> {
        self.folders.get_mut(id)?.as_mut()
    }

    fn open_mut(&mut self, id: Id) -> Option<&mut Open> {
        self.folder_mut(id)?.open.as_mut()
    }

    /// Puts `id` into the list before `next`, or first of all.
    fn link_before(&mut self, id: Id, next: Option<Id>) {
        let next = next.or(self.first);
        let previous = next.and_then(|next| self.folder(next)?.previous);
        if let Some(folder) = self.folder_mut(id) {
            (folder.previous, folder.next, folder.listed) = (previous, next, true);
        }
        self.point(previous, Some(id));
        if let Some(next) = next.and_then(|next| self.folder_mut(next)) {
            next.previous = Some(id);
        }
    }

    fn unlink(&mut self, id: Id) {
        let Some(folder) = self.folder_mut(id).filter(|folder| folder.listed) else {
            return;
        };
        folder.listed = false;
        let (previous, next) = (folder.previous.take(), folder.next.take());
        self.point(previous, next);
        if let Some(next) = next.and_then(|next| self.folder_mut(next)) {
            next.previous = previous;
        }
    }

    /// Makes `next` follow `previous`, or be the first when there is none.
    fn point(&mut self, previous: Option<Id>, next: Option<Id>) {
        match previous.and_then(|previous| self.folder_mut(previous)) {
            Some(previous) => previous.next = next,
            None => self.first = next,
        }
    }
}

impl Open {
    /// Takes on the next batch that nobody reads.
    fn start_batch(&mut self) -> Option<usize> {
        let batch = self.front + self.batches.len();
        if batch >= self.at.names.batches() {
            return None;
        }
        self.batches.push_back(None);
        Some(batch)
    }

    /// Whether every batch is read and searched.
    fn is_read(&self) -> bool {
        self.searched >= self.at.names.batches()
    }

    /// Notes the folders of the batches that are read without a gap.
    fn search(&mut self) {
        while let Some(Some(rows)) = self
            .searched
            .checked_sub(self.front)
            .and_then(|at| self.batches.get(at))
        {
            self.subfolders.extend(rows.iter().filter_map(|row| match row {
                Row::Entry(index, stat) if stat.is_dir() => Some((*index, stat.device)),
                _ => None,
            }));
            self.searched += 1;
        }
    }
}

#[cfg(test)]
mod tests;
