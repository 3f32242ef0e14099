//! The walk over a selection.

mod expand;
mod listing;
mod plan;
mod schedule;
mod scope;
mod shared;

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use engine_api::{Problem, Selection};
use rustix::fs::OFlags;

use crate::dir::Dir;
use crate::pattern::Matcher;
use crate::{Error, Found, Stat};
use listing::{Reader, Row};
use schedule::{Id, Schedule};
use scope::{Rules, Scope};
use shared::{Entered, Shared};

pub use scope::is_cache_folder;

/// How a walk reads ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalkOptions {
    /// Threads that read ahead; with 0 everything is read when it is asked for.
    pub threads: usize,
}

impl Default for WalkOptions {
    /// A thread per core, at most four.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            threads: cores.clamp(1, 4),
        }
    }
}

/// One step of a walk.
#[derive(Debug, Clone)]
pub enum Step {
    /// A folder; its children follow, then [`Step::Leave`].
    Enter(Found),
    /// Anything that is not a folder.
    Item(Found),
    /// The innermost entered folder is done.
    Leave,
    /// A path that could not be read; the walk goes on.
    Problem(Problem),
    /// Something worth saying that is no problem: an include that matches nothing, a mount point left out.
    Notice(String),
}

/// The entries that a selection means, depth first in byte order of the path components.
///
/// The root itself is not delivered. The folders above an include are, with only what leads to an include in them. An
/// exclude beats every include. What vanishes while the walk goes on is left out without a word, save an include.
pub struct Walk {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    reader: Reader,
    pending: VecDeque<Step>,
    stack: Vec<Frame>,
    /// The folder that was delivered last and is entered next.
    ahead: Option<(u32, Stat)>,
    path: Vec<u8>,
    includes: Vec<PathBuf>,
}

/// A folder that the walk is in.
struct Frame {
    id: Id,
    index: u32,
    place: schedule::Place,
    rows: std::vec::IntoIter<Row>,
    /// Length of the path of the folder above.
    outer_path: usize,
}

impl Walk {
    /// Starts a walk: wildcards in the includes are expanded now, against what is there.
    ///
    /// # Errors
    /// When the selection has no include, one of its patterns cannot be used, or `/` cannot be read.
    pub fn new(selection: &Selection, options: WalkOptions) -> Result<Self, Error> {
        let excludes = if selection.excludes.is_empty() {
            None
        } else {
            Some(Matcher::compile(&selection.excludes)?)
        };
        let rules = Rules {
            excludes,
            exclude_caches: selection.exclude_caches,
            one_file_system: selection.one_file_system,
        };
        let (root, device) = open_root()?;
        let expanded = expand::expand(&selection.includes, &root, &rules)?;
        let scope = Scope::root(expanded.plan, &rules, device);
        let mut reader = Reader::new(&rules);
        let mut schedule = Schedule::default();
        let id = schedule.add_root(listing::read(root, scope, &rules, &mut reader));
        let shared = Arc::new(Shared::new(rules, schedule));
        let mut walk = Self {
            threads: shared::start(&shared, options.threads),
            shared,
            reader,
            pending: expanded.steps.into(),
            stack: Vec::new(),
            ahead: None,
            path: b"/".to_vec(),
            includes: expanded.found,
        };
        let root = walk.shared.entered(id);
        walk.push(id, 0, root);
        Ok(walk)
    }

    /// What the includes mean after wildcards are expanded: the paths that are saved with all below them.
    #[must_use]
    pub fn includes(&self) -> &[PathBuf] {
        &self.includes
    }

    fn push(&mut self, id: Id, index: u32, entered: Option<Entered>) {
        let Some((place, messages)) = entered else { return };
        self.pending.extend(messages);
        let outer_path = self.path.len();
        if let Some(name) = Some(place.dir.name().to_bytes()).filter(|name| !name.is_empty()) {
            append(&mut self.path, name);
        }
        self.stack.push(Frame {
            id,
            index,
            place,
            rows: Vec::new().into_iter(),
            outer_path,
        });
    }

    /// Goes into the folder that was delivered last.
    fn enter(&mut self, index: u32, stat: &Stat) {
        let Some(parent) = self.stack.last().map(|frame| frame.id) else {
            return;
        };
        match self.shared.enter(parent, index, stat.device, &mut self.reader) {
            Some((id, entered)) => self.push(id, index, Some(entered)),
            None => self.pending.push_back(Step::Leave),
        }
    }

    fn leave(&mut self) -> Option<Step> {
        let frame = self.stack.pop()?;
        self.path.truncate(frame.outer_path);
        let parent = self.stack.last().map(|parent| (parent.id, frame.index));
        self.shared.leave(parent, frame.id);
        parent.map(|_| Step::Leave)
    }

    fn deliver(&mut self, row: Row) -> Option<Step> {
        let (index, stat) = match row {
            Row::Entry(index, stat) => (index, stat),
            Row::Message(step) => return Some(*step),
        };
        let place = &self.stack.last()?.place;
        let found = Found::new(
            Arc::clone(&place.dir),
            &self.path,
            place.names.name(index as usize),
            stat,
        );
        if stat.is_dir() {
            self.ahead = Some((index, stat));
            return Some(Step::Enter(found));
        }
        Some(Step::Item(found))
    }
}

impl Iterator for Walk {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        if let Some((index, stat)) = self.ahead.take() {
            self.enter(index, &stat);
        }
        loop {
            if let Some(step) = self.pending.pop_front() {
                return Some(step);
            }
            let frame = self.stack.last_mut()?;
            if let Some(row) = frame.rows.next() {
                return self.deliver(row);
            }
            match self.shared.next_batch(frame.id, &mut self.reader) {
                Some(rows) => frame.rows = rows.into_iter(),
                None => return self.leave(),
            }
        }
    }
}

impl Drop for Walk {
    fn drop(&mut self) {
        self.shared.close();
        for thread in self.threads.drain(..) {
            // A thread that panicked has nothing left to say.
            let _ = thread.join();
        }
    }
}

/// Counts the files of a selection and their bytes by the rules of [`Walk`], for a progress bar: `found` is told the
/// sums so far now and then, and at the end. What cannot be read is not counted; the backup itself reports it.
///
/// # Errors
/// As [`Walk::new`].
pub fn estimate(
    selection: &Selection,
    cancelled: &dyn Fn() -> bool,
    found: &mut dyn FnMut(u64, u64),
) -> Result<(), Error> {
    const EVERY: Duration = Duration::from_millis(100);
    let (mut files, mut bytes) = (0, 0);
    let mut told = Instant::now();
    for step in Walk::new(selection, WalkOptions { threads: 1 })? {
        match step {
            Step::Item(item) if item.stat().is_file() => {
                files += 1;
                bytes += item.stat().size;
            }
            Step::Enter(_) if cancelled() => return Ok(()),
            _ => {}
        }
        if files % 256 == 0 && told.elapsed() >= EVERY {
            told = Instant::now();
            found(files, bytes);
        }
    }
    found(files, bytes);
    Ok(())
}

fn open_root() -> Result<(Arc<Dir>, u64), Error> {
    let path = Path::new("/");
    let refuse = |source: io::Error| Error::Open {
        path: path.to_owned(),
        source,
    };
    let fd = std::fs::File::open(path).map_err(refuse)?;
    let device = Stat::from(rustix::fs::fstat(&fd).map_err(|error| refuse(error.into()))?).device;
    let dir = Dir::root(fd.into(), path.to_owned(), OFlags::RDONLY | OFlags::NOATIME);
    Ok((dir, device))
}

fn append(path: &mut Vec<u8>, name: &[u8]) {
    if path.last() != Some(&b'/') {
        path.push(b'/');
    }
    path.extend_from_slice(name);
}

fn problem(path: PathBuf, action: &'static str, error: &io::Error) -> Problem {
    Problem {
        path,
        action,
        cause: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_that_is_dropped_half_way_ends_its_threads() {
        let selection = Selection {
            includes: vec![b"/usr".to_vec()],
            ..Selection::default()
        };
        let mut walk = Walk::new(&selection, WalkOptions { threads: 3 }).unwrap();
        assert!(walk.nth(10).is_some());
        // Each thread holds what the walk shares with it.
        let shared = Arc::downgrade(&walk.shared);
        assert_eq!(shared.strong_count(), 4);
        drop(walk);
        assert_eq!(shared.strong_count(), 0);
    }
}
