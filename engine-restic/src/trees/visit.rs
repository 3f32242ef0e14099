use std::sync::{Condvar, Mutex, PoisonError};

use engine_api::{Event, Progress};

use crate::Id;
use crate::error::{Error, Result};
use crate::format::{BlobKind, NodeRefs, Refs};
use crate::index::{Index, Marks};
use crate::repository::{Opener, Repository, lock};

/// What became of a tree that was to be visited.
pub type Visited<'n, 'b> = Result<Listing<'n, 'b>>;

/// A tree that was read.
#[derive(Clone, Copy)]
pub struct Listing<'n, 'b> {
    /// Its bytes.
    pub blob: &'b [u8],
    /// What its nodes refer to.
    pub nodes: &'n [NodeRefs<'b>],
}

/// Visits every tree below `roots` once on several threads, in no order; each root that is begun counts as progress.
///
/// `visitor` gets each tree's name and what it refers to, or why it cannot be read; an error it returns ends the visit.
/// `seen` notes the trees by ordinal: those marked already are not visited. Memory: four bytes for every tree that waits.
pub fn visit(
    repository: &Repository,
    index: &Index,
    roots: &[Id],
    seen: &Marks,
    progress: &dyn Progress,
    visitor: &(dyn Fn(Id, Visited<'_, '_>) -> Result<()> + Sync),
) -> Result<()> {
    let visit = Visit {
        repository,
        index,
        seen,
        progress,
        visitor,
        waiting: Mutex::new(Waiting {
            roots,
            trees: Vec::new(),
            busy: 0,
            failed: None,
        }),
        changed: Condvar::new(),
    };
    std::thread::scope(|scope| {
        for _ in 1..repository.read_threads() {
            scope.spawn(|| visit.run());
        }
        visit.run();
    });
    let waiting = visit.waiting.into_inner().unwrap_or_else(PoisonError::into_inner);
    waiting.failed.map_or(Ok(()), Err)
}

struct Visit<'r> {
    repository: &'r Repository,
    index: &'r Index,
    seen: &'r Marks,
    progress: &'r dyn Progress,
    visitor: &'r (dyn Fn(Id, Visited<'_, '_>) -> Result<()> + Sync),
    waiting: Mutex<Waiting<'r>>,
    changed: Condvar,
}

struct Waiting<'r> {
    roots: &'r [Id],
    /// Ordinals of trees that are marked and not visited yet.
    trees: Vec<u32>,
    busy: usize,
    failed: Option<Error>,
}

enum Next {
    Root(Id),
    Tree(u32),
}

/// Ends the visit when its thread panics: the others would wait for it for ever.
struct EndOnPanic<'v, 'r>(&'v Visit<'r>);

impl Drop for EndOnPanic<'_, '_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail(Error::Interrupted);
        }
    }
}

impl Visit<'_> {
    fn run(&self) {
        let _end = EndOnPanic(self);
        if let Err(error) = self.work() {
            self.fail(error);
        }
    }

    fn fail(&self, error: Error) {
        lock(&self.waiting).failed.get_or_insert(error);
        self.changed.notify_all();
    }

    fn work(&self) -> Result<()> {
        let mut opener = Opener::new(self.repository)?;
        while let Some(next) = self.next() {
            let outcome = match next {
                Next::Root(id) => self.begin(id),
                Next::Tree(ordinal) => self.read(&mut opener, ordinal),
            };
            let found = outcome?;
            self.done(found);
        }
        Ok(())
    }

    /// The next thing to do; waits while there is none but others may still find some.
    fn next(&self) -> Option<Next> {
        let mut waiting = lock(&self.waiting);
        loop {
            if waiting.failed.is_some() {
                return None;
            }
            if self.progress.cancelled() {
                waiting.failed = Some(Error::Interrupted);
                self.changed.notify_all();
                return None;
            }
            let next = waiting.trees.pop().map(Next::Tree).or_else(|| {
                let (first, rest) = waiting.roots.split_first()?;
                waiting.roots = rest;
                Some(Next::Root(*first))
            });
            if next.is_some() {
                waiting.busy += 1;
                return next;
            }
            if waiting.busy == 0 {
                return None;
            }
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn done(&self, found: Vec<u32>) {
        let mut waiting = lock(&self.waiting);
        waiting.busy -= 1;
        waiting.trees.extend(found);
        drop(waiting);
        self.changed.notify_all();
    }

    fn begin(&self, id: Id) -> Result<Vec<u32>> {
        self.progress.event(Event::Advanced(1));
        let mut found = Vec::new();
        self.find(id, &mut found)?;
        Ok(found)
    }

    /// Marks a tree and adds it to `found` unless it was marked.
    fn find(&self, id: Id, found: &mut Vec<u32>) -> Result<()> {
        let Some(location) = self.index.get(BlobKind::Tree, id) else {
            let object = format!("tree blob {id}");
            return (self.visitor)(id, Err(Error::Missing { object }));
        };
        if self.seen.set(location.ordinal) {
            // Ordinals are below 2³²: the index refuses more.
            found.extend(u32::try_from(location.ordinal));
        }
        Ok(())
    }

    fn read(&self, opener: &mut Opener, ordinal: u32) -> Result<Vec<u32>> {
        let mut found = Vec::new();
        let Some(location) = self.index.at(ordinal as usize) else {
            return Ok(found);
        };
        let id = location.blob.id;
        let blob = match self.repository.read_blob_with(opener, self.index, BlobKind::Tree, id) {
            Ok(blob) => blob,
            Err(error) => return (self.visitor)(id, Err(error)).map(|()| found),
        };
        let refs = match Refs::read(&blob) {
            Ok(refs) => refs,
            Err(why) => {
                let error = Error::damaged(format!("tree blob {id}"), why);
                return (self.visitor)(id, Err(error)).map(|()| found);
            }
        };
        let listing = Listing {
            blob: &blob,
            nodes: &refs,
        };
        (self.visitor)(id, Ok(listing))?;
        for subtree in refs.iter().filter_map(|node| node.subtree) {
            self.find(subtree, &mut found)?;
        }
        Ok(found)
    }
}
