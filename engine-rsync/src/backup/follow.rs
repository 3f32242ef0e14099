//! The thread that follows the walk: it gives every entry its place and deals out the work.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;

use engine_api::{EntryKind, Event, Folder};
use fstree::{Found, Step, Walk};

use super::Context;
use super::batch::{Batch, Item, relative};
use super::before::Before;
use super::file;
use super::level::Level;
use super::pool::Pool;
use crate::error::Result;

/// So many entries make a batch.
const BATCH: usize = 64;
/// A file of this size is a batch of its own.
const LARGE: u64 = 1 << 20;

/// A folder that the walk is in.
struct Frame {
    level: Arc<Level>,
    items: Vec<Item>,
    /// Whether its folder is being made.
    is_prepared: bool,
}

impl Frame {
    const fn new(level: Arc<Level>) -> Self {
        Self {
            level,
            items: Vec::new(),
            is_prepared: false,
        }
    }
}

struct Follower<'a, 'c, 'p> {
    context: &'a Context<'c>,
    pool: &'a Pool<'p>,
    before: Before<'a>,
    stack: Vec<Frame>,
    /// How deep the walk is in what is left out.
    skipped: usize,
    /// The destination's own folder, however it is reached.
    own: Option<(u64, u64)>,
}

/// Follows the walk to its end; the snapshot grows in `building`.
pub fn follow(context: &Context<'_>, pool: &Pool<'_>, walk: Walk, building: Option<&Folder>) -> Result<()> {
    let path = context.store.capabilities().local_path.as_ref();
    let top = Level::new(
        building.cloned(),
        context.base.map(|base| base.folder().clone()),
        PathBuf::from("/"),
        None,
    );
    let mut follower = Follower {
        context,
        pool,
        before: context
            .base
            .map_or_else(Before::nothing, |base| base.records(context.store)),
        stack: vec![Frame::new(top)],
        skipped: 0,
        own: path
            .and_then(|path| std::fs::metadata(path).ok())
            .map(|metadata| (metadata.dev(), metadata.ino())),
    };
    for step in walk {
        context.check()?;
        pool.check()?;
        follower.step(step)?;
    }
    follower.leave()
}

impl Follower<'_, '_, '_> {
    fn step(&mut self, step: Step) -> Result<()> {
        match step {
            Step::Enter(_) if self.skipped > 0 => self.skipped += 1,
            Step::Leave if self.skipped > 0 => self.skipped -= 1,
            Step::Item(_) if self.skipped > 0 => {}
            Step::Enter(found) => self.enter(found)?,
            Step::Item(found) => self.item(found)?,
            Step::Leave => self.leave()?,
            Step::Problem(problem) => self.context.counters.problem(problem),
            Step::Notice(notice) => self.context.progress.event(Event::Notice(&notice)),
        }
        Ok(())
    }

    fn enter(&mut self, found: Found) -> Result<()> {
        if self.own == Some((found.stat().device, found.stat().inode)) {
            let text = format!("{}: the destination itself is left out", found.path().display());
            self.context.progress.event(Event::Notice(&text));
            self.skipped = 1;
            return Ok(());
        }
        let before = self.before.find_kind(relative(&found), EntryKind::Dir);
        let place = self.reserve()?;
        let Some(frame) = self.stack.last_mut() else {
            return Ok(());
        };
        let name = found.name().as_bytes();
        let child = |folder: &Option<Folder>| folder.as_ref().and_then(|folder| folder.child(name).ok());
        let base = before.as_ref().and_then(|_| child(&frame.level.base));
        let level = Level::new(
            child(&frame.level.folder),
            base,
            found.path().to_owned(),
            Some(Arc::clone(&frame.level)),
        );
        // Its own metadata is one more thing to wait for.
        level.add(1);
        frame.level.add(1);
        let item = Item {
            place,
            found,
            before,
            inside: Some(Arc::clone(&level)),
        };
        self.push(item)?;
        self.stack.push(Frame::new(level));
        Ok(())
    }

    fn item(&mut self, found: Found) -> Result<()> {
        let stat = *found.stat();
        if stat.kind == EntryKind::Socket {
            let text = format!("{} is a socket and is not saved", found.path().display());
            self.context.progress.event(Event::Notice(&text));
            return Ok(());
        }
        let before = self.before.find_kind(relative(&found), stat.kind);
        let place = self.reserve()?;
        let Some(frame) = self.stack.last_mut() else {
            return Ok(());
        };
        frame.level.add(1);
        if self.context.is_far && !frame.is_prepared && frame.level.folder.is_some() {
            frame.is_prepared = true;
            self.pool.prepare(&frame.level)?;
        }
        self.push(Item {
            place,
            found,
            before,
            inside: None,
        })
    }

    /// Adds an entry to those of the innermost folder, and hands them on when they are enough.
    fn push(&mut self, item: Item) -> Result<()> {
        let stat = item.found.stat();
        let is_large = stat.kind == EntryKind::File && stat.size >= LARGE;
        // Far away, what is only to be linked goes together, and takes one turn; all else is mostly waiting, which many do
        // at the same time.
        let is_alone = if self.context.is_far {
            !file::is_only_linked(&item, self.context)
        } else {
            is_large
        };
        let Some(frame) = self.stack.last_mut() else {
            return Ok(());
        };
        if is_alone {
            if !self.context.is_far {
                send(self.pool, frame)?;
            }
            return self.pool.send(Batch {
                level: Arc::clone(&frame.level),
                items: vec![item],
            });
        }
        frame.items.push(item);
        if frame.items.len() >= BATCH {
            send(self.pool, frame)?;
        }
        Ok(())
    }

    /// Leaves the innermost folder.
    fn leave(&mut self) -> Result<()> {
        self.flush()?;
        match self.stack.pop() {
            Some(frame) => frame.level.done(1, self.context),
            None => Ok(()),
        }
    }

    /// The next place in the manifest; waits while the workers are far behind.
    fn reserve(&mut self) -> Result<u64> {
        loop {
            if let Some(place) = self.context.ledger.try_reserve() {
                return Ok(place);
            }
            // What they wait for may be here.
            let (context, pool) = (self.context, self.pool);
            for frame in &mut self.stack {
                send(pool, frame)?;
            }
            context.ledger.wait();
            context.check()?;
            pool.check()?;
        }
    }

    fn flush(&mut self) -> Result<()> {
        match self.stack.last_mut() {
            Some(frame) => send(self.pool, frame),
            None => Ok(()),
        }
    }
}

fn send(pool: &Pool<'_>, frame: &mut Frame) -> Result<()> {
    if frame.items.is_empty() {
        return Ok(());
    }
    pool.send(Batch {
        level: Arc::clone(&frame.level),
        items: std::mem::take(&mut frame.items),
    })
}
