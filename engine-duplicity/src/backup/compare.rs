//! The thread that follows the walk and the state before side by side, both in the order of the paths.

use std::collections::HashSet;
use std::path::Path;

use crossbeam_channel::{Sender, bounded};
use engine_api::{Change, EntryKind, Event};
use fstree::{Found, Stat, Step, Walk};
use rdiff::Signature;

use super::Context;
use super::entry::{Entry, Verdict, compare, is_unchanged};
use super::file::{Before, FileTask};
use super::message::Pending;
use crate::error::{Error, Result};
use crate::format::TreePath;
use crate::format::extras::Extras;
use crate::sigtar::{Old, State};

/// Room that an entry takes in memory beside its content.
const OVERHEAD: u64 = 4 << 10;
/// Content beyond this does not wait in memory.
const MOST_WAITING: u64 = 1 << 20;
/// Pieces of one file that wait to be used.
const PIECES: usize = 4;

pub struct Comparer<'a, 'c> {
    context: &'a Context<'c>,
    state: State<'static>,
    /// The next path of the state.
    old: Option<Old>,
    pending: Sender<Pending>,
    files: Sender<FileTask>,
    /// Paths that could not be read: what the state has there, and below, stays.
    unreadable: HashSet<TreePath>,
    /// When the set before was begun.
    began: i64,
    found_any: bool,
}

impl<'a, 'c> Comparer<'a, 'c> {
    pub fn new(
        context: &'a Context<'c>,
        state: State<'static>,
        pending: Sender<Pending>,
        files: Sender<FileTask>,
    ) -> Self {
        Self {
            context,
            state,
            old: None,
            pending,
            files,
            unreadable: HashSet::new(),
            began: context.began.map_or(0, crate::format::SetTime::seconds),
            found_any: false,
        }
    }

    /// Follows both to their ends.
    pub fn run(mut self, walk: Walk) -> Result<()> {
        self.old = self.state.next()?;
        self.root_of_everything()?;
        for step in walk {
            if self.context.progress.cancelled() {
                return Err(Error::Interrupted);
            }
            self.context.failed()?;
            self.step(step)?;
        }
        if !self.found_any {
            let text = "nothing to back up: none of the paths to save exists";
            return Err(Error::Usage(text.to_owned()));
        }
        while let Some(old) = self.old.take() {
            self.gone(&old)?;
            self.old = self.state.next()?;
        }
        Ok(())
    }

    fn step(&mut self, step: Step) -> Result<()> {
        match step {
            Step::Enter(found) | Step::Item(found) => self.found(&found),
            Step::Leave => Ok(()),
            Step::Problem(problem) => {
                if let Some(path) = self.path(&problem.path) {
                    self.unreadable.insert(path);
                }
                self.context.counters.problem(problem);
                Ok(())
            }
            Step::Notice(notice) => {
                self.context.progress.event(Event::Notice(&notice));
                Ok(())
            }
        }
    }

    fn path(&self, absolute: &Path) -> Option<TreePath> {
        TreePath::below(&self.context.settings.source, absolute)
    }

    /// The walk does not deliver `/` itself.
    fn root_of_everything(&mut self) -> Result<()> {
        let source = &self.context.settings.source;
        if source.parent().is_some() {
            return Ok(());
        }
        let raw = rustix::fs::lstat(source).map_err(|error| Error::local("look at", source)(error.into()))?;
        let stat = Stat::from(raw);
        let Some(before) = self.catch_up(&TreePath::root())? else {
            return self.bare(TreePath::root(), Entry::of_stat(&stat, self.context), None);
        };
        let extras = self.extras(&before);
        match compare(&before, &extras, &stat, &self.context.names, self.began) {
            Verdict::Same => {
                self.old = self.state.next()?;
                self.unchanged(source, &stat);
                Ok(())
            }
            _ => self.bare(TreePath::root(), Entry::of_stat(&stat, self.context), Some(before)),
        }
    }

    fn extras(&self, old: &Old) -> Extras {
        if self.context.settings.extras {
            Extras::read(&old.header.private)
        } else {
            Extras::default()
        }
    }

    /// Marks what the state has before `path` as gone; gives what it has there.
    fn catch_up(&mut self, path: &TreePath) -> Result<Option<Old>> {
        while let Some(old) = self.old.take_if(|old| old.path < *path) {
            self.gone(&old)?;
            self.old = self.state.next()?;
        }
        Ok(self.old.take_if(|old| old.path == *path))
    }

    fn gone(&mut self, old: &Old) -> Result<()> {
        if self.is_unreadable(&old.path) || self.context.is_done(&old.path) {
            return Ok(());
        }
        self.send(Pending::Gone {
            path: old.path.clone(),
            file: old.header.kind == EntryKind::File,
        })
    }

    fn is_unreadable(&self, path: &TreePath) -> bool {
        if self.unreadable.is_empty() {
            return false;
        }
        let mut above = Some(path.clone());
        while let Some(path) = above {
            if self.unreadable.contains(&path) {
                return true;
            }
            above = path.parent();
        }
        false
    }

    fn send(&self, pending: Pending) -> Result<()> {
        self.context.hand(&self.pending, pending)
    }

    fn found(&mut self, found: &Found) -> Result<()> {
        let Some(path) = self.path(found.path()) else {
            // A folder above the source.
            return Ok(());
        };
        self.found_any = true;
        let before = self.catch_up(&path)?;
        let result = self.entry(found, path, before.as_ref());
        if before.is_some() {
            self.old = self.state.next()?;
        }
        result
    }

    fn entry(&mut self, found: &Found, path: TreePath, before: Option<&Old>) -> Result<()> {
        let stat = found.stat();
        if stat.kind == EntryKind::Socket {
            let text = format!("{}: a socket, which is not saved", found.path().display());
            self.context.progress.event(Event::Notice(&text));
            // What was there before is gone.
            return before.map_or(Ok(()), |old| self.gone(old));
        }
        if self.context.is_done(&path) {
            self.unchanged(found.path(), stat);
            return Ok(());
        }
        let extras = before.map(|old| self.extras(old)).unwrap_or_default();
        let damaged = self.context.damaged.contains(&path);
        let verdict = before.map(|old| compare(old, &extras, stat, &self.context.names, self.began));
        let verdict = match verdict {
            Some(Verdict::Same) if damaged => Some(Verdict::Differs),
            Some(Verdict::Same) if self.context.force_read && stat.is_file() => Some(Verdict::Suspect),
            other => other,
        };
        match (verdict, stat.is_file()) {
            (Some(Verdict::Same), false) => {
                self.unchanged(found.path(), stat);
                Ok(())
            }
            (_, false) => self.not_a_file(found, path, before, &extras),
            (verdict, true) => self.file(found, path, before.zip(verdict), extras, damaged),
        }
    }

    fn unchanged(&self, path: &Path, stat: &Stat) {
        let counters = &self.context.counters;
        counters.finished(path, stat.kind, Change::Unchanged, stat.size);
    }

    fn not_a_file(&mut self, found: &Found, path: TreePath, before: Option<&Old>, extras: &Extras) -> Result<()> {
        let (metadata, problems) = found.metadata(&self.context.names);
        let link_lost = metadata.kind == EntryKind::Symlink && metadata.link_target.is_none();
        for problem in problems {
            self.context.counters.problem(problem);
        }
        if link_lost {
            return Ok(());
        }
        let entry = Entry::new(metadata, self.context.settings.extras);
        let stat = found.stat();
        let same = before.is_some_and(|old| {
            let began = i64::MAX;
            let alike = compare(old, extras, stat, &self.context.names, began) != Verdict::Differs;
            alike && is_unchanged(&old.header, extras, &entry, self.context.settings.extras)
        });
        if same && !self.context.damaged.contains(&path) {
            self.unchanged(found.path(), stat);
            return Ok(());
        }
        let change = if before.is_some() { Change::Changed } else { Change::New };
        self.context.counters.finished(found.path(), stat.kind, change, 0);
        self.send(Pending::Bare {
            path,
            entry: Box::new(entry),
        })
    }

    fn bare(&mut self, path: TreePath, entry: Entry, before: Option<Old>) -> Result<()> {
        let change = if before.is_some() { Change::Changed } else { Change::New };
        if before.is_some() {
            self.old = self.state.next()?;
        }
        let absolute = path.under(&self.context.settings.source);
        self.context.counters.finished(&absolute, entry.header.kind, change, 0);
        if self.context.is_done(&path) {
            return Ok(());
        }
        self.send(Pending::Bare {
            path,
            entry: Box::new(entry),
        })
    }

    fn file(
        &mut self,
        found: &Found,
        path: TreePath,
        before: Option<(&Old, Verdict)>,
        extras: Extras,
        damaged: bool,
    ) -> Result<()> {
        let stat = found.stat();
        let mut only_if_changed = before.is_some_and(|(_, verdict)| verdict != Verdict::Differs);
        let mut signature = None;
        if let Some((old, verdict)) = before
            && old.header.kind == EntryKind::File
            && !damaged
        {
            let start = self.state.signature(old, rdiff::Layout::HEADER_LEN as u64)?;
            if verdict == Verdict::Same && (extras.size.is_some() || may_have_len(&start, old.header.size, stat.size)) {
                self.unchanged(found.path(), stat);
                return Ok(());
            }
            only_if_changed &= verdict != Verdict::Same;
            let rest = self
                .state
                .signature(old, old.header.size.saturating_sub(start.len() as u64))?;
            signature = self.signature(&path, [start, rest].concat());
        }
        let change = if before.is_some() { Change::Changed } else { Change::New };
        let (sender, pieces) = bounded(PIECES);
        let given_up = || self.context.has_failed();
        let permit = self
            .context
            .budget
            .take(stat.size.min(MOST_WAITING) + OVERHEAD, &given_up);
        self.send(Pending::File {
            path,
            change,
            pieces,
            permit,
        })?;
        let task = FileTask {
            found: found.clone(),
            before: before.map(|(old, _)| Before {
                header: old.header.clone(),
                extras,
                only_if_changed: only_if_changed && signature.is_some(),
                signature,
            }),
            pieces: sender,
        };
        self.context.hand(&self.files, task)
    }

    /// A broken signature is as good as none: the file is saved whole.
    fn signature(&self, path: &TreePath, bytes: Vec<u8>) -> Option<Signature> {
        match Signature::parse(bytes) {
            Ok(signature) => Some(signature),
            Err(error) => {
                let text = format!("{path}: its old signature is of no use ({error}), so it is saved whole");
                self.context.progress.event(Event::Notice(&text));
                None
            }
        }
    }
}

/// Whether a file of `len` bytes can have a signature of `signature_len` bytes that begins with `start`.
fn may_have_len(start: &[u8], signature_len: u64, len: u64) -> bool {
    let Ok(layout) = Signature::parse(start.to_vec()).map(|signature| signature.layout()) else {
        return false;
    };
    layout.signature_len(len) == signature_len
}

impl Entry {
    /// Of a folder that only `lstat` was asked about.
    fn of_stat(stat: &Stat, context: &Context<'_>) -> Self {
        let metadata = engine_api::Metadata {
            kind: stat.kind,
            mode: stat.mode,
            uid: stat.uid,
            gid: stat.gid,
            user: context.names.user(stat.uid),
            group: context.names.group(stat.gid),
            mtime: stat.mtime,
            atime: stat.atime,
            ctime: stat.ctime,
            size: 0,
            inode: stat.inode,
            device: stat.device,
            links: stat.links,
            rdev: stat.rdev,
            link_target: None,
            xattrs: Vec::new(),
        };
        Self::new(metadata, context.settings.extras)
    }
}
