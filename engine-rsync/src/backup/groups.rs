//! Files of several names: the first that is met is saved, the others become links to it.
//!
//! Only what has several links is remembered, and only until all its names were met.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use engine_api::Folder;

use super::batch::Item;
use super::level::Level;
use crate::manifest::Record;
use crate::parallel::lock;

/// Filesystem and inode.
type Key = (u64, u64);

/// A name that was met while the first one is being saved, with its folder.
type Waiting = (Arc<Level>, Item);

/// The files of several names that were met.
#[derive(Default)]
pub struct Groups(Mutex<HashMap<Key, Group>>);

struct Group {
    state: State,
    /// Names that were not met yet.
    left: u64,
}

enum State {
    /// Somebody saves the first name.
    Busy(Vec<Waiting>),
    Done(Arc<Target>),
}

/// The first name, saved.
pub struct Target {
    pub folder: Folder,
    pub name: Box<[u8]>,
    pub record: Box<Record>,
}

/// What to do with the next name.
pub enum Turn {
    /// Save it: it is the first.
    Leads(Item),
    /// Link it.
    Follows(Item, Arc<Target>),
    /// Nothing: whoever saves the first name goes on with it.
    Waits,
}

impl Groups {
    pub fn enter(&self, key: Key, links: u64, level: &Arc<Level>, item: Item) -> Turn {
        let mut groups = lock(&self.0);
        let Some(group) = groups.get_mut(&key) else {
            let state = State::Busy(Vec::new());
            groups.insert(key, Group { state, left: links - 1 });
            return Turn::Leads(item);
        };
        group.left = group.left.saturating_sub(1);
        let all_met = group.left == 0;
        match &mut group.state {
            State::Busy(waiting) => {
                waiting.push((Arc::clone(level), item));
                Turn::Waits
            }
            State::Done(target) => {
                let target = Arc::clone(target);
                if all_met {
                    groups.remove(&key);
                }
                Turn::Follows(item, target)
            }
        }
    }

    /// The first name is saved, or is not; returns those that waited for it.
    pub fn finish(&self, key: Key, target: Option<Target>) -> (Vec<Waiting>, Option<Arc<Target>>) {
        let mut groups = lock(&self.0);
        let Some(Group { state, left }) = groups.remove(&key) else {
            return (Vec::new(), None);
        };
        let target = target.map(Arc::new);
        if let (Some(target), true) = (&target, left > 0) {
            let state = State::Done(Arc::clone(target));
            groups.insert(key, Group { state, left });
        }
        match state {
            State::Busy(waiting) => (waiting, target),
            State::Done(_) => (Vec::new(), target),
        }
    }
}
