use std::any::Any;
use std::collections::VecDeque;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine_api::{FileStat, NewMetadata, StoreError, StoreErrorKind, StoredFile};

use super::ahead::Ahead;
use super::metadata;
use crate::sftp::errors::{Context, Problem};
use crate::sftp::link::{Link, Share};
use crate::sftp::requests::Handle;
use crate::sftp::root::{Root, allow};
use crate::sftp::transfer::{self, Writes};
use crate::sftp::wire::Attributes;

/// The server answers nothing else while it copies, so it copies piece by piece.
const COPIED_AT_ONCE: u64 = 32 << 20;
/// So much, in so many pieces, is asked for before the first answer.
const COPIED_AHEAD: (u64, usize) = (2 * COPIED_AT_ONCE, 128);

/// Below this it is not worth asking whether there is room.
const LARGE: u64 = 16 << 20;

/// A file of the server that is open. It ends with the connection.
pub(super) struct OpenFile {
    root: Arc<Root>,
    /// As messages name it.
    path: Vec<u8>,
    handle: Handle,
    /// What a new file has in its channel.
    share: Option<Share>,
    writes: Mutex<Pending>,
    ahead: Ahead,
}

#[derive(Default)]
struct Pending {
    writes: Writes,
    /// The first write that failed: the file is never whole again.
    failed: Option<Problem>,
}

impl OpenFile {
    /// `size` is how long it is, where that is known.
    pub(super) fn new(
        root: Arc<Root>,
        path: Vec<u8>,
        handle: Handle,
        (size, share): (Option<u64>, Option<Share>),
    ) -> Self {
        Self {
            root,
            path,
            handle,
            share,
            writes: Mutex::default(),
            ahead: Ahead::of(size),
        }
    }

    fn error(&self, operation: &'static str, problem: Problem) -> StoreError {
        let problem = self.root.explain(self.handle.link(), problem);
        Context::new(operation, &self.path, self.root.location()).error(problem)
    }

    /// Does `work` when all writes have arrived.
    fn after_writes<T>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Handle) -> Result<T, Problem>,
    ) -> Result<T, StoreError> {
        self.settle()
            .and_then(|()| work(&self.handle))
            .map_err(|problem| self.error(operation, problem))
    }

    /// The content may have changed: what was read ahead is worth nothing any more.
    fn changed(&self) {
        self.root.changes.of(&self.path).fetch_add(1, Ordering::SeqCst);
    }

    fn settle(&self) -> Result<(), Problem> {
        let mut pending = self.pending();
        let finished = pending.writes.finish();
        pending.result(finished)
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.writes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Copies from another file of the server, each piece `from` a range to a place; says how much there was.
    fn copy_from(
        &self,
        source: &dyn StoredFile,
        pieces: impl Iterator<Item = (Range<u64>, u64)>,
    ) -> Result<u64, StoreError> {
        let unsupported = |message| self.error("copy into", Problem::known(StoreErrorKind::Unsupported, message));
        let Some(source) = source.as_any().downcast_ref::<Self>() else {
            return Err(unsupported("the other file is not this server's"));
        };
        if !self.handle.link().extensions().copy_data {
            return Err(unsupported("the server does not copy by itself"));
        }
        let copied = self.copy(source, pieces);
        self.changed();
        copied.map_err(|problem| self.error("copy into", problem))
    }

    /// The same file, opened over another channel: a handle is known to one server process only.
    fn again(&self, link: &Arc<Link>, found: &Attributes) -> Result<Handle, Problem> {
        let (handle, there) = super::open(link, &self.root.path_of(&self.path))?;
        let same = |one: &Attributes, other: &Attributes| {
            (one.size, one.times.map(|times| times.1)) == (other.size, other.times.map(|times| times.1))
        };
        if same(found, &there) && same(found, &handle.attributes()?.attributes()?) {
            return Ok(handle);
        }
        Err(Problem::known(
            StoreErrorKind::Other,
            "another file has taken the place of the one that is copied from",
        ))
    }

    fn copy(&self, source: &Self, pieces: impl Iterator<Item = (Range<u64>, u64)>) -> Result<u64, Problem> {
        self.settle()?;
        source.settle()?;
        let found = source.handle.attributes()?.attributes()?;
        let opened;
        let source = if Arc::ptr_eq(self.handle.link(), source.handle.link()) {
            &source.handle
        } else {
            opened = source.again(self.handle.link(), &found)?;
            &opened
        };
        let size = found.size.unwrap_or(0);
        let (mut asked, mut ahead, mut copied) = (VecDeque::new(), 0, 0);
        for (from, to) in pieces {
            let end = from.end.min(size);
            let mut at = from.start;
            while at < end {
                let length = COPIED_AT_ONCE.min(end - at);
                while ahead + length > COPIED_AHEAD.0 || asked.len() >= COPIED_AHEAD.1 {
                    let Some((length, answer)) = asked.pop_front() else {
                        break;
                    };
                    super::Answer::done(answer)?;
                    ahead -= length;
                }
                let place = to.saturating_add(at - from.start);
                let answer = self.handle.copy_from(source, at, length, place)?;
                asked.push_back((length, answer));
                (at, ahead) = (at + length, ahead + length);
            }
            copied += end.saturating_sub(from.start);
        }
        asked
            .into_iter()
            .try_for_each(|(_, answer)| super::Answer::done(answer))?;
        Ok(copied)
    }
}

impl Pending {
    /// Remembers the first failure.
    fn result(&mut self, result: Result<(), Problem>) -> Result<(), Problem> {
        if let Some(problem) = &self.failed {
            return Err(problem.clone());
        }
        self.failed = result.as_ref().err().cloned();
        result
    }

    fn write(&mut self, handle: &Handle, mut offset: u64, mut data: &[u8]) -> Result<(), Problem> {
        while !data.is_empty() {
            let most = data.len();
            offset += self.writes.send(handle, offset, &mut data, most)? as u64;
        }
        Ok(())
    }
}

impl StoredFile for OpenFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError> {
        self.after_writes("read", |handle| {
            if self.share.is_some() {
                return transfer::read(handle, offset, buffer);
            }
            let changes = self.root.changes.of(&self.path).load(Ordering::SeqCst);
            self.ahead.read(handle, offset, buffer, changes)
        })
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), StoreError> {
        let mut pending = self.pending();
        let written = match &pending.failed {
            Some(problem) => Err(problem.clone()),
            None => pending.write(&self.handle, offset, data),
        };
        let written = written.and_then(|()| self.root.whole.written(&self.root, data.len() as u64));
        let result = pending.result(written);
        drop(pending);
        self.changed();
        result.map_err(|problem| self.error("write", problem))
    }

    fn set_len(&self, len: u64) -> Result<(), StoreError> {
        let attributes = Attributes {
            size: Some(len),
            ..Attributes::default()
        };
        let done = self.after_writes("set the length of", |handle| handle.set(&attributes)?.done());
        self.changed();
        done
    }

    fn reserve(&self, len: u64) -> Result<(), StoreError> {
        if len < LARGE {
            return Ok(());
        }
        match self.root.filesystem(self.handle.link()) {
            Ok(Some(found)) if found.space.available < len => {
                let message = format!("{len} bytes are needed, and {} are left", found.space.available);
                Err(self.error("make room for", Problem::known(StoreErrorKind::NoSpace, message)))
            }
            _ => Ok(()),
        }
    }

    fn stat(&self) -> Result<FileStat, StoreError> {
        self.after_writes("look at", |handle| metadata::stat(&handle.attributes()?.attributes()?))
    }

    fn set_metadata(&self, metadata: &NewMetadata<'_>) -> Vec<StoreError> {
        let mut failed = Vec::new();
        // What is asked of one file is done in the order of asking, so the times come after the writes before.
        let target = metadata::Target::Open(&self.handle);
        let done = metadata::set(&target, metadata, &mut |operation, problem| {
            failed.push((operation, problem));
        });
        failed.extend(done.err().map(|problem| ("set the metadata of", problem)));
        let failed = failed.into_iter();
        failed
            .map(|(operation, problem)| self.error(operation, problem))
            .collect()
    }

    fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>, StoreError> {
        let size = self.stat()?.size;
        Ok((offset < size).then_some(offset..size))
    }

    fn copy_range(&self, source: &dyn StoredFile, from: Range<u64>, to: u64) -> Result<u64, StoreError> {
        self.copy_from(source, std::iter::once((from, to)))
    }

    fn copy_ranges(&self, source: &dyn StoredFile, ranges: &[Range<u64>]) -> Result<u64, StoreError> {
        self.copy_from(source, ranges.iter().map(|range| (range.clone(), range.start)))
    }

    fn reflink(&self, _source: &dyn StoredFile) -> Result<(), StoreError> {
        let problem = Problem::known(StoreErrorKind::Unsupported, "SFTP cannot share blocks");
        Err(self.error("copy into", problem))
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.after_writes("sync", |handle| {
            if !handle.link().extensions().fsync {
                return Ok(());
            }
            allow(handle.sync()?.done(), &[])
        })
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        self.after_writes("close", |_| Ok(()))?;
        if self.share.is_none() {
            // Nothing can be lost any more; dropping it closes it, and nobody has to wait.
            return Ok(());
        }
        let Self {
            root,
            path,
            handle,
            share: _share,
            ..
        } = *self;
        let link = Arc::clone(handle.link());
        let closed = handle.close().and_then(super::Answer::done);
        closed.map_err(|problem| {
            let problem = root.explain(&link, problem);
            Context::new("close", &path, root.location()).error(problem)
        })
    }

    /// All is sent at once: what is asked of one file is done in the order of asking.
    fn complete(self: Box<Self>, metadata: &NewMetadata<'_>, sync: bool) -> Result<Vec<StoreError>, StoreError> {
        let Self {
            root,
            path,
            handle,
            share: _share,
            writes,
            ..
        } = *self;
        let link = Arc::clone(handle.link());
        let error = |operation, problem| {
            let problem = root.explain(&link, problem);
            Context::new(operation, &path, root.location()).error(problem)
        };
        let mut pending = writes.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(problem) = pending.failed {
            return Err(error("write", problem));
        }
        let mut failed = Vec::new();
        let mut fail = |operation, problem| failed.push((operation, problem));
        let ask = || -> Result<_, Problem> {
            let set = metadata::ask(&metadata::Target::Open(&handle), metadata, &mut fail)?;
            let syncs = sync && link.extensions().fsync;
            let synced = syncs.then(|| handle.sync()).transpose()?;
            Ok((set, synced, handle.close()?))
        };
        let (set, synced, closed) = ask().map_err(|problem| error("close", problem))?;
        closed.come();
        pending.writes.finish().map_err(|problem| error("write", problem))?;
        // It is closed by now.
        let target = metadata::Target::Path {
            link: &link,
            path: &root.path_of(&path),
            found: Attributes::default(),
        };
        let set = set.take(&target, metadata, &mut fail);
        set.map_err(|problem| error("set the metadata of", problem))?;
        let synced = synced.map_or(Ok(()), |answer| allow(answer.done(), &[]));
        synced.map_err(|problem| error("sync", problem))?;
        closed.done().map_err(|problem| error("close", problem))?;
        Ok(failed
            .into_iter()
            .map(|(operation, problem)| error(operation, problem))
            .collect())
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
