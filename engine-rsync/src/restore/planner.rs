//! The way through a snapshot's records: makes folders and the like, and hands files to the workers.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::iter::Peekable;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::vec::IntoIter;

use crossbeam_channel::Sender;
use engine_api::{Change, EntryKind, Overwrite};
use fstree::Made;

use super::Context;
use super::existing::{Decision, decide};
use super::folder::Folder;
use super::job::{Batch, First, Job, Task};
use crate::error::{Error, Result, is_out_of_reach};
use crate::manifest::{Record, is_below};
use crate::tree::{Folders, Listing, absolute, list};

/// What a record is to the selection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Selected.
    Whole,
    /// Not selected, but something below it is.
    Above,
}

/// A folder that is being planned.
struct Level {
    path: Vec<u8>,
    folder: Arc<Folder>,
    /// What is in it at the target and was not met in the snapshot yet, where that is to be removed.
    extra: Option<Peekable<IntoIter<OsString>>>,
}

struct Planner<'a, 'c> {
    context: &'a Context<'c>,
    batches: Sender<Batch>,
    batch: Batch,
    /// Those of the snapshot, which all that lies in one shares.
    folders: Folders,
    stack: Vec<Level>,
    /// Below a folder that could not be made nothing is tried.
    barred: Option<Vec<u8>>,
    /// Entries with several names: the first of them, by device and inode, and how many names are to come.
    linked: HashMap<(u64, u64), (Arc<First>, u64)>,
}

/// Plans everything that is selected.
pub fn run(context: &Context<'_>, batches: Sender<Batch>) -> Result<()> {
    let mut planner = Planner {
        context,
        batches,
        batch: Batch::default(),
        folders: Folders::new(context.stored.folder.clone()),
        stack: Vec::new(),
        barred: None,
        linked: HashMap::new(),
    };
    for path in context.selected.paths() {
        planner.lead_to(path)?;
        let Some(records) = planner.open(path)? else { continue };
        for record in records {
            planner.take(record, Part::Whole)?;
        }
    }
    planner.leave_to(None);
    planner.flush()
}

impl<'a> Planner<'a, '_> {
    fn open(&self, path: &[u8]) -> Result<Option<Listing<'a>>> {
        match list(self.context.store, &self.context.stored, path, true) {
            Ok(listing) => Ok(Some(listing)),
            // What was selected by name was found before; an include may have been there only once.
            Err(Error::PathNotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes the folders above a selected path.
    fn lead_to(&mut self, path: &[u8]) -> Result<()> {
        let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        let ends: Vec<usize> = slashes.map(|(at, _)| at).collect();
        for end in ends {
            let above = path.get(..end).unwrap_or_default();
            self.leave_to(Some(above));
            if self.stack.last().is_some_and(|level| level.path == above) {
                continue;
            }
            if let Some(record) = self.open(above)?.and_then(|mut records| records.next()) {
                self.take(record, Part::Above)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, record: Result<Record>, part: Part) -> Result<()> {
        match record {
            Ok(record) if record.path.is_empty() => Ok(()),
            Ok(record) => self.record(record, part),
            // The walk goes on behind it, unless nothing can be read any more.
            Err(Error::Unreadable { path, source }) if !is_out_of_reach(&source) => {
                let cause = engine_api::Error::from(source).chain();
                self.context.counters.failed(&path, "read what is stored of", &cause);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn record(&mut self, record: Record, part: Part) -> Result<()> {
        if self
            .barred
            .as_ref()
            .is_some_and(|barred| is_below(&record.path, barred))
        {
            return Ok(());
        }
        self.barred = None;
        let (above, name) = split(&record.path);
        self.leave_to(Some(above));
        self.remove_extra(Some(name));
        let path = absolute(&record.path);
        match record.metadata.kind {
            EntryKind::Dir => self.folder(record, path, part),
            _ if part == Part::Above => Ok(()),
            EntryKind::File => self.file(record, path),
            EntryKind::Socket => Ok(()),
            _ => self.other(record, path),
        }
    }

    /// Leaves the folders that `above` does not lie in; all without it.
    fn leave_to(&mut self, above: Option<&[u8]>) {
        while let Some(level) = self.stack.last() {
            if above.is_some_and(|above| is_below(above, &level.path)) {
                return;
            }
            self.remove_extra(None);
            if let Some(level) = self.stack.pop() {
                level.folder.done(self.context);
            }
        }
    }

    /// Removes what the innermost folder has and the snapshot has not, up to `name`.
    fn remove_extra(&mut self, name: Option<&[u8]>) {
        let Some(Level {
            path,
            extra: Some(extra),
            ..
        }) = self.stack.last_mut()
        else {
            return;
        };
        let context = self.context;
        let before = |there: &OsString| name.is_none_or(|name| there.as_bytes() < name);
        while let Some(there) = extra.next_if(before) {
            let full = absolute(path).join(there);
            let removed = if context.dry_run {
                Ok(1)
            } else {
                context.target.remove(&full)
            };
            match removed {
                Ok(count) => context.counters.deleted(count),
                Err(error) => context.counters.failed(&full, "remove", &error),
            }
        }
        let is_it = |there: &OsString| name == Some(there.as_bytes());
        extra.next_if(is_it);
    }

    fn folder(&mut self, record: Record, path: PathBuf, part: Part) -> Result<()> {
        self.context.go_on()?;
        let made = match self.make_folder(&path) {
            Ok(made) => made,
            Err(error) => {
                self.context.counters.failed(&path, "create the folder", &error);
                self.barred = Some(record.path);
                return Ok(());
            }
        };
        let mut extra = None;
        if part == Part::Whole {
            let change = if made == Made::Created {
                Change::New
            } else {
                Change::Changed
            };
            self.context.counters.finished(&path, EntryKind::Dir, change, 0);
            if made == Made::Existed && self.context.delete_extra {
                extra = self.what_is_there(&path);
            }
        }
        let ours = made == Made::Created || part == Part::Whole;
        let metadata = Some(record.metadata).filter(|_| ours && !self.context.dry_run);
        let above = self.stack.last().map(|level| &level.folder);
        let folder = Folder::enter(path, metadata, above);
        self.stack.push(Level {
            path: record.path,
            folder,
            extra,
        });
        Ok(())
    }

    fn make_folder(&self, path: &Path) -> io::Result<Made> {
        if self.context.dry_run {
            let there = self.context.target.stat(path).unwrap_or_default();
            return Ok(there.map_or(Made::Created, |_| Made::Existed));
        }
        let replace = matches!(self.context.overwrite, Overwrite::Always | Overwrite::IfChanged);
        self.context.target.make_dir(path, replace)
    }

    /// Another filesystem may be mounted there of which the snapshot has nothing: it is left alone.
    fn what_is_there(&self, path: &Path) -> Option<Peekable<IntoIter<OsString>>> {
        if self.context.target.is_mount_point(path).unwrap_or(true) {
            return None;
        }
        match self.context.target.list(path) {
            Ok(names) => Some(names.into_iter().peekable()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                self.context.counters.failed(path, "list the folder", &error);
                None
            }
        }
    }

    /// Links, devices and pipes are made at once.
    fn other(&mut self, record: Record, path: PathBuf) -> Result<()> {
        match self.first_name(&record, &path) {
            Name::Further(first) => self.hand_over(record, path, Task::Link(first)),
            Name::Only => {
                self.make_other(&record, &path);
                Ok(())
            }
            Name::First(named) => {
                self.make_other(&record, &path);
                drop(named);
                Ok(())
            }
        }
    }

    fn make_other(&self, record: &Record, path: &Path) {
        let context = self.context;
        let there = match context.target.stat(path) {
            Ok(there) => there,
            Err(error) => return context.counters.failed(path, "look at", &error),
        };
        let metadata = &record.metadata;
        if let Some(there) = &there {
            let newer = context.overwrite == Overwrite::IfNewer && there.mtime >= metadata.mtime;
            if newer || context.overwrite == Overwrite::Never {
                return;
            }
        }
        if !context.dry_run {
            let target = &context.target;
            let made = match metadata.kind {
                EntryKind::Symlink => target.symlink(path, metadata.link_target.as_deref().unwrap_or(Path::new(""))),
                EntryKind::Fifo => target.fifo(path),
                _ => target.device(path, metadata),
            };
            if let Err(error) = made {
                return context.counters.failed(path, "create", &error);
            }
            context.counters.problems(target.set_metadata(path, metadata));
        }
        let change = if there.is_some() { Change::Changed } else { Change::New };
        context.counters.finished(path, metadata.kind, change, 0);
    }

    fn file(&mut self, record: Record, path: PathBuf) -> Result<()> {
        let named = match self.first_name(&record, &path) {
            Name::Further(first) => return self.hand_over(record, path, Task::Link(first)),
            Name::First(named) => Some(named),
            Name::Only => None,
        };
        let decision = match decide(self.context, &path, &record.metadata) {
            Ok(decision) => decision,
            Err(error) => {
                self.context.counters.failed(&path, "look at", &error);
                return Ok(());
            }
        };
        let size = record.metadata.size;
        let settled = match decision {
            Decision::Leave => Some((0, size, Change::Unchanged)),
            Decision::Right if self.context.dry_run => Some((0, size, Change::Unchanged)),
            _ if self.context.dry_run => Some((size, 0, Change::Changed)),
            _ => None,
        };
        if let Some((written, right, change)) = settled {
            self.context.counters.bytes(written, right);
            self.context.counters.finished(&path, EntryKind::File, change, size);
            return Ok(());
        }
        self.hand_over(record, path, Task::File(decision, named))
    }

    /// Whether an entry of several names was met before.
    fn first_name(&mut self, record: &Record, path: &Path) -> Name {
        let metadata = &record.metadata;
        if metadata.links < 2 {
            return Name::Only;
        }
        let key = (metadata.device, metadata.inode);
        let Some((first, to_come)) = self.linked.get_mut(&key) else {
            let (first, named) = First::expect(path.to_owned());
            self.linked.insert(key, (first, metadata.links - 1));
            return Name::First(named);
        };
        let first = Arc::clone(first);
        *to_come = to_come.saturating_sub(1);
        if *to_come == 0 {
            self.linked.remove(&key);
        }
        Name::Further(first)
    }

    fn hand_over(&mut self, record: Record, path: PathBuf, task: Task) -> Result<()> {
        let folder = match self.stack.last() {
            Some(level) => Arc::clone(&level.folder),
            // Right below the target's root, whose own metadata stays.
            None => Folder::enter(PathBuf::from("/"), None, None),
        };
        let place = self.folders.find(&record.path);
        let (stored, _) = place.map_err(|error| Error::Usage(error.to_string()))?;
        folder.expect();
        self.batch.add(Job {
            record,
            path,
            folder,
            stored,
            task,
        });
        if self.batch.is_full(self.context.is_far()) {
            self.flush()
        } else {
            Ok(())
        }
    }

    fn flush(&mut self) -> Result<()> {
        self.context.go_on()?;
        let batch = std::mem::take(&mut self.batch);
        self.batches.send(batch).map_err(|_| Error::Interrupted)
    }
}

/// Which of its names a path is of an entry.
enum Name {
    Only,
    First(super::job::Named),
    Further(Arc<First>),
}

/// The path of the folder, and the name in it.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (
            path.get(..slash).unwrap_or_default(),
            path.get(slash + 1..).unwrap_or_default(),
        ),
        None => (&[], path),
    }
}
