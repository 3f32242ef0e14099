//! The state that a full set and its increments bring, path by path, in one pass over all their volumes.
//!
//! For every path the newest item that is no delta is the beginning, the deltas after it are applied to it, and the
//! newest item of all has the metadata. Each set is read in the order of its volumes, so that memory holds one file at
//! most, and of a large one nothing but the commands of its deltas.

mod content;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::PathBuf;
use std::thread::Scope;

use engine_api::EntryKind;

use crate::error::Result;
use crate::format::TreePath;
use crate::source::{Doubt, Feed, Item, ItemKind, Notice, SetPlan, Source, Wanted};
use crate::tar::Header;
pub(crate) use content::Content;

/// One path of the state.
#[derive(Debug)]
pub(crate) struct Merged {
    /// Which.
    pub path: TreePath,
    /// Its metadata, of the newest set that says something of it.
    pub header: Header,
    /// Where its content is.
    pub state: State,
    /// Why it may be of an older state than asked for.
    pub doubt: Option<String>,
    /// The number of the newest set that says something of it.
    pub newest: usize,
}

/// Where the content of a path is.
#[derive(Debug)]
pub(crate) enum State {
    /// It has none: a folder, a link, a device.
    Bare,
    /// In one set, whole.
    Whole(usize),
    /// In several: the first has the beginning, the others each a delta on the one before.
    Patched(Vec<usize>),
    /// It is lost: how.
    Lost(String),
    /// It is gone; told only where [`Merge::with_gone`] asks for it.
    Gone,
}

/// Merges the items of several sets.
pub(crate) struct Merge<'s, 'e> {
    feeds: Vec<Feed<'s, 'e>>,
    heads: BinaryHeap<Reverse<(TreePath, usize)>>,
    /// Feeds whose next item is not in `heads` yet.
    behind: Vec<usize>,
    doubts: Vec<(usize, Doubt)>,
    notices: Vec<Notice>,
    temp: PathBuf,
    with_gone: bool,
}

impl<'s, 'e> Merge<'s, 'e> {
    /// Begins to read; `plans` are of one chain, oldest first.
    pub(crate) fn open(source: Source<'e>, scope: &'s Scope<'s, 'e>, plans: Vec<SetPlan>, wanted: &'e Wanted) -> Self {
        let feeds = Feed::open_all(source, scope, plans, wanted);
        Self {
            behind: (0..feeds.len()).collect(),
            feeds,
            heads: BinaryHeap::new(),
            doubts: Vec::new(),
            notices: Vec::new(),
            temp: source.temp.to_owned(),
            with_gone: false,
        }
    }

    /// The same, which also tells what the newest set that names a path says is gone.
    pub(crate) const fn with_gone(mut self) -> Self {
        self.with_gone = true;
        self
    }

    /// The next path of the state; what was not read of the last one's content is passed over.
    pub(crate) fn next(&mut self) -> Result<Option<Merged>> {
        loop {
            self.catch_up()?;
            let Some(Reverse((path, first))) = self.heads.pop() else {
                return Ok(None);
            };
            self.behind.push(first);
            while let Some(Reverse((same, _))) = self.heads.peek()
                && *same == path
                && let Some(Reverse((_, index))) = self.heads.pop()
            {
                self.behind.push(index);
            }
            // Equal paths leave the heap by the number of their set: oldest first.
            let indices = self.behind.clone();
            let items: Vec<(usize, Item)> = indices
                .into_iter()
                .filter_map(|index| Some((index, self.feeds.get_mut(index)?.take()?)))
                .collect();
            if let Some(merged) = self.decide(path, items) {
                return Ok(Some(merged));
            }
        }
    }

    /// What happened beside the paths since the last call.
    pub(crate) fn notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// Whether some volume is lost of which nobody knows what it held.
    pub(crate) fn has_doubts(&self) -> bool {
        !self.doubts.is_empty()
    }

    /// The content of the path that came last.
    pub(crate) fn content(&mut self, merged: &Merged) -> Result<Content<'_, 's, 'e>> {
        Content::of(&mut self.feeds, &merged.state, &self.temp)
    }

    fn catch_up(&mut self) -> Result<()> {
        for index in std::mem::take(&mut self.behind) {
            let Some(feed) = self.feeds.get_mut(index) else {
                continue;
            };
            if let Some(head) = feed.head()? {
                self.heads.push(Reverse((head.path.clone(), index)));
            }
            for notice in feed.notices() {
                if let Notice::Doubt(doubt) = &notice {
                    self.doubts.push((index, doubt.clone()));
                }
                self.notices.push(notice);
            }
        }
        Ok(())
    }

    /// What the items of a path, oldest first, make together; `None` when it is gone.
    fn decide(&self, path: TreePath, mut items: Vec<(usize, Item)>) -> Option<Merged> {
        let base = items.iter().rposition(|(_, item)| item.kind != ItemKind::Diff);
        let diffs = items.len() - base.map_or(0, |base| base + 1);
        let lost = |why: &str| State::Lost(why.to_owned());
        let state = match base.and_then(|base| items.get(base)) {
            Some((_, item)) if item.kind == ItemKind::Deleted && diffs == 0 => {
                if !self.with_gone {
                    return None;
                }
                State::Gone
            }
            Some((_, item)) if item.kind == ItemKind::Lost => lost("its data lay in a volume that is lost"),
            Some((_, item)) if item.kind == ItemKind::Snapshot => self.found(&path, &items, base.unwrap_or(0), item),
            _ => lost("the content that its deltas belong to is in none of the sets"),
        };
        let newest = items.last().map_or(0, |(index, _)| *index);
        let doubt = self.doubt(&path, newest..usize::MAX);
        let (_, item) = items.pop()?;
        Some(Merged {
            path,
            header: item.header,
            state,
            doubt,
            newest,
        })
    }

    fn found(&self, path: &TreePath, items: &[(usize, Item)], base: usize, item: &Item) -> State {
        let indices: Vec<usize> = items.iter().skip(base).map(|(index, _)| *index).collect();
        match indices.as_slice() {
            [_] if item.header.kind != EntryKind::File => State::Bare,
            [index] => State::Whole(*index),
            _ if item.header.kind != EntryKind::File => State::Lost("there is a delta for what is no file".to_owned()),
            [first, .., last] => match self.doubt(path, *first..*last) {
                Some(why) => State::Lost(format!("a delta of it may lie in a volume that is lost: {why}")),
                None => State::Patched(indices),
            },
            [] => State::Lost("nothing is left of it".to_owned()),
        }
    }

    /// Why one of these sets may have said something of the path; the first of the range has said what it had to.
    fn doubt(&self, path: &TreePath, sets: std::ops::Range<usize>) -> Option<String> {
        let covers = |(set, doubt): &&(usize, Doubt)| {
            *set > sets.start && *set < sets.end && doubt.from <= *path && *path <= doubt.to
        };
        self.doubts.iter().find(covers).map(|(_, doubt)| doubt.why.clone())
    }
}
