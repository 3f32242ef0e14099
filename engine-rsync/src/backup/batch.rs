//! The unit of work: some entries of one folder.

use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use engine_api::{Change, EntryKind, Metadata};
use fstree::Found;

use super::groups::{Target, Turn};
use super::level::Level;
use super::{Context, file, other};
use crate::error::Result;
use crate::manifest::Record;

/// A buffer of this size is kept by its thread, wherever the place is: there may be hundreds of threads.
const KEPT: usize = 16 << 10;

/// Some entries of one folder.
pub struct Batch {
    pub level: Arc<Level>,
    pub items: Vec<Item>,
}

/// An entry to be saved.
pub struct Item {
    /// Its place in the manifest.
    pub place: u64,
    pub found: Found,
    /// What the snapshot before has under this path, of the same kind.
    pub before: Option<Record>,
    /// For a folder: where its entries go.
    pub inside: Option<Arc<Level>>,
}

/// What became of an entry.
pub enum Saved {
    /// It is in the snapshot, so.
    As(Box<Record>, Change),
    /// It is not, and the report says why.
    LeftOut,
}

/// What a worker has of its own.
#[derive(Default)]
pub struct Tools {
    pub piece: Vec<u8>,
    pub other: Vec<u8>,
}

impl Tools {
    /// Gives large buffers back: of many threads few need them at a time.
    fn give_back(&mut self) {
        for buffer in [&mut self.piece, &mut self.other] {
            if buffer.capacity() > KEPT {
                *buffer = Vec::new();
            }
        }
    }
}

impl Item {
    /// Its name.
    pub fn name(&self) -> &[u8] {
        self.found.name().as_bytes()
    }

    /// Its record, with this metadata.
    pub fn record(&self, metadata: Metadata) -> Record {
        Record {
            path: relative(&self.found).to_vec(),
            metadata,
            digest: None,
            sparse: false,
        }
    }

    /// How it compares with the snapshot before, when it is not the same.
    pub const fn change(&self) -> Change {
        if self.before.is_some() {
            Change::Changed
        } else {
            Change::New
        }
    }
}

/// The path in a snapshot.
pub fn relative(found: &Found) -> &[u8] {
    let path = found.path().as_os_str().as_bytes();
    path.strip_prefix(b"/").unwrap_or(path)
}

/// Saves all entries of a batch.
pub fn run(batch: Batch, context: &Context<'_>, tools: &mut Tools) -> Result<()> {
    let mut filled = Vec::with_capacity(batch.items.len());
    let items = link_together(&batch.level, batch.items, context, &mut filled)?;
    for item in items {
        context.check()?;
        let (place, path, kind) = (item.place, item.found.clone(), item.found.stat().kind);
        if let Some(saved) = save_linked(&batch.level, item, context, tools)? {
            filled.push((place, tell(context, &path, kind, saved)));
        }
    }
    let done = filled.len();
    context.ledger.fill(filled)?;
    if done > 0 {
        batch.level.done(done, context)?;
    }
    if context.is_far {
        tools.give_back();
    }
    Ok(())
}

/// Links at once what there is only to link, where that pays; returns the rest.
fn link_together(
    level: &Arc<Level>,
    items: Vec<Item>,
    context: &Context<'_>,
    filled: &mut Vec<(u64, Option<Box<Record>>)>,
) -> Result<Vec<Item>> {
    if !context.is_far || items.len() < 2 {
        return Ok(items);
    }
    context.check()?;
    let (linked, mut rest): (Vec<_>, Vec<_>) = items.into_iter().partition(|item| file::is_only_linked(item, context));
    let outcomes = file::link_together(level, &linked, context)?;
    for (item, saved) in linked.into_iter().zip(outcomes) {
        match saved {
            Some(saved) => filled.push((item.place, tell(context, &item.found, EntryKind::File, saved))),
            None => rest.push(item),
        }
    }
    Ok(rest)
}

/// Counts what became of an entry; the rest is for the manifest.
fn tell(context: &Context<'_>, found: &Found, kind: EntryKind, saved: Saved) -> Option<Box<Record>> {
    match saved {
        Saved::As(record, change) => {
            context
                .counters
                .finished(found.path(), kind, change, record.metadata.size);
            Some(record)
        }
        Saved::LeftOut => None,
    }
}

/// Saves an entry; one of several names waits for the first of them. `None` when it waits.
fn save_linked(level: &Arc<Level>, item: Item, context: &Context<'_>, tools: &mut Tools) -> Result<Option<Saved>> {
    let stat = *item.found.stat();
    if stat.is_dir() || stat.links < 2 || context.dry_run {
        return save(level, &item, context, tools).map(Some);
    }
    let key = (stat.device, stat.inode);
    match context.groups.enter(key, stat.links, level, item) {
        Turn::Waits => Ok(None),
        Turn::Follows(item, target) => follow(level, &item, &target, context, tools).map(Some),
        Turn::Leads(item) => {
            let saved = save(level, &item, context, tools)?;
            let target = match (&saved, &level.folder) {
                (Saved::As(record, _), Some(folder)) if context.keeps.can_hold(stat.kind) => Some(Target {
                    folder: folder.clone(),
                    name: item.name().into(),
                    record: record.clone(),
                }),
                _ => None,
            };
            release(key, target, context, tools)?;
            Ok(Some(saved))
        }
    }
}

/// Saves those that waited for the first name.
fn release(key: (u64, u64), target: Option<Target>, context: &Context<'_>, tools: &mut Tools) -> Result<()> {
    let (waiting, target) = context.groups.finish(key, target);
    for (level, item) in waiting {
        let saved = match &target {
            Some(target) => follow(&level, &item, target, context, tools)?,
            None => save(&level, &item, context, tools)?,
        };
        let record = tell(context, &item.found, item.found.stat().kind, saved);
        context.ledger.fill([(item.place, record)])?;
        level.done(1, context)?;
    }
    Ok(())
}

/// Makes the entry another name of one that is saved.
fn follow(level: &Arc<Level>, item: &Item, target: &Target, context: &Context<'_>, tools: &mut Tools) -> Result<Saved> {
    let folder = level.ready(context)?;
    file::clear(level, item, context)?;
    let linked = context
        .store
        .hard_link((&target.folder, &target.name), (folder, item.name()));
    match linked {
        Ok(()) => {}
        Err(error) if super::stored::is_of_one_entry(&error) => return save(level, item, context, tools),
        Err(error) => return Err(error.into()),
    }
    let record = Record {
        path: relative(&item.found).to_vec(),
        ..(*target.record).clone()
    };
    let same = item.before.as_ref().is_some_and(|before| {
        before.digest == record.digest && context.keeps.same_metadata(&before.metadata, &record.metadata)
    });
    let change = if same { Change::Unchanged } else { item.change() };
    Ok(Saved::As(Box::new(record), change))
}

fn save(level: &Arc<Level>, item: &Item, context: &Context<'_>, tools: &mut Tools) -> Result<Saved> {
    match item.found.stat().kind {
        EntryKind::File => file::save(level, item, context, tools),
        EntryKind::Dir => other::save_folder(item, context),
        _ => other::save(level, item, context),
    }
}
