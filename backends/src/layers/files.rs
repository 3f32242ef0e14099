use std::any::Any;
use std::ops::{ControlFlow, Range};
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, PoisonError};

use engine_api::{
    Cause, EntryKind, FileCapabilities, FileStat, FileStore, Folder, Listed, NewMetadata, Space, StoreError,
    StoreErrorKind, StoredFile, Xattr, sync_both,
};

use super::retry::{Listener, RetryPolicy, Seen, Tries};

/// Tries again what may pass, as [`Retry`](super::Retry) does, for a tree of files.
///
/// A file that is read is opened anew where the connection to it was lost; one that is written is not, for nobody knows
/// what of it has arrived: its writer gets the error and writes it again.
pub struct RetryFiles {
    inner: Arc<dyn FileStore>,
    tries: Arc<Tries>,
}

impl RetryFiles {
    /// `inner`, which is no plain folder of this machine, with `policy`; `listener` is told of every repetition.
    #[must_use]
    pub fn over(inner: Arc<dyn FileStore>, policy: RetryPolicy, listener: Listener) -> Arc<dyn FileStore> {
        Arc::new(Self {
            inner,
            tries: Arc::new(Tries::new(policy, listener)),
        })
    }

    /// Runs something that makes `name`; when an earlier try may have made it, `made` says whether that is what is there.
    fn make(
        &self,
        mut attempt: impl FnMut() -> Result<(), StoreError>,
        mut made: impl FnMut() -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        self.tries.run(|again| match attempt() {
            Err(error) if again && error.kind == StoreErrorKind::AlreadyExists => {
                if made()? {
                    Ok(())
                } else {
                    Err(error)
                }
            }
            other => other,
        })
    }

    /// What was lost of many that were asked for at once is done one by one, each with the tries that it would have had
    /// alone; the first waits as for its second. `is_lost` says which, of an error and whether one before it was lost. When
    /// one is given up, so are the others: the place does not answer any more.
    fn one_by_one<T>(
        &self,
        results: Vec<Result<T, StoreError>>,
        is_lost: impl Fn(&StoreError, bool) -> bool,
        once: impl Fn(usize) -> Result<T, StoreError>,
    ) -> Vec<Result<T, StoreError>> {
        let (mut seen, mut given_up) = (false, false);
        let mend = |(place, result): (usize, Result<T, StoreError>)| {
            let error = match result {
                Err(error) if !given_up && is_lost(&error, seen) => error,
                other => return other,
            };
            let mut first = (!seen).then_some(error);
            seen = true;
            let result = self.tries.run(|_| first.take().map_or_else(|| once(place), Err));
            given_up = result.as_ref().is_err_and(|error| !error.is_permanent());
            result
        };
        results.into_iter().enumerate().map(mend).collect()
    }

    /// Makes a folder that an earlier try may have made.
    fn make_lost(&self, folder: &Folder, name: &[u8]) -> Result<(), StoreError> {
        match self.inner.make_folder(folder, name) {
            Err(error)
                if error.kind == StoreErrorKind::AlreadyExists
                    && self.kind_of(folder, name)? == Some(EntryKind::Dir) =>
            {
                Ok(())
            }
            other => other,
        }
    }

    /// Links what an earlier try may have linked, or takes that link away.
    fn link_lost(
        &self,
        (from, to): (&Folder, &Folder),
        name: &[u8],
        fits: &dyn Fn(&FileStat) -> bool,
    ) -> Result<bool, StoreError> {
        if !self.inner.stat(from, name)?.is_some_and(|stat| fits(&stat)) {
            if self.are_one((from, name), (to, name))? {
                self.inner.remove(to, name)?;
            }
            return Ok(false);
        }
        match self.inner.hard_link((from, name), (to, name)) {
            Err(error) if error.kind == StoreErrorKind::AlreadyExists && self.are_one((from, name), (to, name))? => {
                Ok(true)
            }
            other => other.map(|()| true),
        }
    }

    fn kind_of(&self, folder: &Folder, name: &[u8]) -> Result<Option<EntryKind>, StoreError> {
        Ok(self.inner.stat(folder, name)?.map(|stat| stat.kind))
    }

    /// Whether two names are of one file, as far as the place tells.
    fn are_one(&self, from: (&Folder, &[u8]), to: (&Folder, &[u8])) -> Result<bool, StoreError> {
        let (one, two) = (self.inner.stat(from.0, from.1)?, self.inner.stat(to.0, to.1)?);
        let (Some(one), Some(two)) = (one, two) else {
            return Ok(false);
        };
        Ok(match (one.identity, two.identity) {
            (Some(one), Some(two)) => one == two,
            _ => (one.kind, one.size, one.mtime) == (two.kind, two.size, two.mtime),
        })
    }
}

/// Runs something that removes; what is gone after an earlier try was removed by that.
fn gone(again: bool, result: Result<(), StoreError>) -> Result<(), StoreError> {
    match result {
        Err(error) if again && error.is_not_found() => Ok(()),
        other => other,
    }
}

// A method with a default body that is forgotten here would not be tried again.
#[deny(clippy::missing_trait_methods)]
impl FileStore for RetryFiles {
    fn location(&self) -> &str {
        self.inner.location()
    }

    fn capabilities(&self) -> &FileCapabilities {
        self.inner.capabilities()
    }

    fn root(&self) -> Folder {
        self.inner.root()
    }

    fn get_ready(&self) {
        self.inner.get_ready();
    }

    fn syncs_all(&self) -> bool {
        self.inner.syncs_all()
    }

    fn stat(&self, folder: &Folder, name: &[u8]) -> Result<Option<FileStat>, StoreError> {
        self.tries.run(|_| self.inner.stat(folder, name))
    }

    /// After a failure the listing starts again, and what was handed over before is left out.
    fn list(&self, folder: &Folder, each: &mut dyn FnMut(Listed<'_>) -> ControlFlow<()>) -> Result<(), StoreError> {
        let mut seen = Seen::new();
        self.tries.run(|_| {
            self.inner.list(folder, &mut |listed| {
                if seen.is_new(listed.name) {
                    each(listed)
                } else {
                    ControlFlow::Continue(())
                }
            })
        })
    }

    fn read_link(&self, folder: &Folder, name: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.tries.run(|_| self.inner.read_link(folder, name))
    }

    fn xattrs(&self, folder: &Folder, name: &[u8]) -> Result<Vec<Xattr>, StoreError> {
        self.tries.run(|_| self.inner.xattrs(folder, name))
    }

    fn make_folder(&self, folder: &Folder, name: &[u8]) -> Result<(), StoreError> {
        self.make(
            || self.inner.make_folder(folder, name),
            || Ok(self.kind_of(folder, name)? == Some(EntryKind::Dir)),
        )
    }

    fn make_folders(&self, folders: &[&Folder]) -> Vec<Result<(), StoreError>> {
        // What lies in one that was lost was not made, whatever the error is.
        self.one_by_one(
            self.inner.make_folders(folders),
            |error, seen| seen || !error.is_permanent(),
            |place| match folders.get(place).and_then(|folder| Some((folder, folder.above()?))) {
                Some((folder, above)) => self.make_lost(above, folder.name()),
                None => Ok(()),
            },
        )
    }

    /// A file that an earlier try may have made is not taken for ours, for it may be somebody's lock: the caller gets the
    /// error of the connection, and begins again.
    fn create(&self, folder: &Folder, name: &[u8]) -> Result<Box<dyn StoredFile>, StoreError> {
        self.tries.run(|again| match self.inner.create(folder, name) {
            Err(error) if again && error.kind == StoreErrorKind::AlreadyExists => Err(StoreError {
                kind: StoreErrorKind::Connection,
                source: Cause::new("the connection was lost while it was made").lasting().into(),
                ..error
            }),
            other => other,
        })
    }

    fn open(&self, folder: &Folder, name: &[u8]) -> Result<Box<dyn StoredFile>, StoreError> {
        let first = self.tries.run(|_| self.inner.open(folder, name))?;
        Ok(Box::new(Reader {
            store: Arc::clone(&self.inner),
            tries: Arc::clone(&self.tries),
            folder: folder.clone(),
            name: name.to_vec(),
            first,
            later: Mutex::default(),
        }))
    }

    fn read_start(&self, folder: &Folder, name: &[u8], most: usize) -> Result<(FileStat, Vec<u8>), StoreError> {
        self.tries.run(|_| self.inner.read_start(folder, name, most))
    }

    fn symlink(&self, folder: &Folder, name: &[u8], points_to: &[u8]) -> Result<(), StoreError> {
        self.make(
            || self.inner.symlink(folder, name, points_to),
            || {
                let is_link = self.kind_of(folder, name)? == Some(EntryKind::Symlink);
                Ok(is_link && self.inner.read_link(folder, name)? == points_to)
            },
        )
    }

    fn hard_link(&self, from: (&Folder, &[u8]), to: (&Folder, &[u8])) -> Result<(), StoreError> {
        self.make(|| self.inner.hard_link(from, to), || self.are_one(from, to))
    }

    fn hard_links_if(
        &self,
        from: &Folder,
        to: &Folder,
        names: &[&[u8]],
        fits: &dyn Fn(usize, &FileStat) -> bool,
    ) -> Vec<Result<bool, StoreError>> {
        self.one_by_one(
            self.inner.hard_links_if(from, to, names, fits),
            |error, _| !error.is_permanent(),
            |place| {
                let name = names.get(place).copied().unwrap_or_default();
                self.link_lost((from, to), name, &|stat| fits(place, stat))
            },
        )
    }

    fn make_node(&self, folder: &Folder, name: &[u8], kind: EntryKind, rdev: u64) -> Result<(), StoreError> {
        self.make(
            || self.inner.make_node(folder, name, kind, rdev),
            || Ok(self.kind_of(folder, name)? == Some(kind)),
        )
    }

    fn rename(&self, from: (&Folder, &[u8]), to: (&Folder, &[u8])) -> Result<(), StoreError> {
        self.tries.run(|again| match self.inner.rename(from, to) {
            // The old name is gone and the new one there: the answer to an earlier try was lost.
            Err(error) if again && error.is_not_found() && self.inner.stat(to.0, to.1)?.is_some() => Ok(()),
            other => other,
        })
    }

    fn rename_durably(&self, from: (&Folder, &[u8]), to: (&Folder, &[u8])) -> Result<(), StoreError> {
        self.tries.run(|again| match self.inner.rename_durably(from, to) {
            // The answer to an earlier try was lost, and that of what comes after it, too.
            Err(error) if again && error.is_not_found() && self.inner.stat(to.0, to.1)?.is_some() => {
                sync_both(self.inner.as_ref(), from.0, to.0)
            }
            other => other,
        })
    }

    fn remove(&self, folder: &Folder, name: &[u8]) -> Result<(), StoreError> {
        self.tries.run(|again| gone(again, self.inner.remove(folder, name)))
    }

    fn remove_all(&self, folder: &Folder, names: &[&[u8]]) -> Vec<Result<(), StoreError>> {
        self.one_by_one(
            self.inner.remove_all(folder, names),
            |error, _| !error.is_permanent(),
            |place| {
                let name = names.get(place).copied().unwrap_or_default();
                gone(true, self.inner.remove(folder, name))
            },
        )
    }

    fn remove_folder(&self, folder: &Folder, name: &[u8]) -> Result<(), StoreError> {
        self.tries
            .run(|again| gone(again, self.inner.remove_folder(folder, name)))
    }

    fn set_metadata(&self, folder: &Folder, name: &[u8], metadata: &NewMetadata<'_>) -> Vec<StoreError> {
        let mut errors = Vec::new();
        let all = self.tries.run(|_| {
            errors = self.inner.set_metadata(folder, name, metadata);
            match errors.iter().position(|error| !error.is_permanent()) {
                Some(passing) => Err(errors.swap_remove(passing)),
                None => Ok(()),
            }
        });
        errors.extend(all.err());
        errors
    }

    fn sync_folder(&self, folder: &Folder) -> Result<(), StoreError> {
        self.tries.run(|_| self.inner.sync_folder(folder))
    }

    /// Not tried again: what a lost connection had not yet written would seem durable.
    fn sync(&self) -> Result<(), StoreError> {
        self.inner.sync()
    }

    fn space(&self) -> Result<Option<Space>, StoreError> {
        self.tries.run(|_| self.inner.space())
    }
}

/// A file that is read, opened anew where that is of use.
struct Reader {
    store: Arc<dyn FileStore>,
    tries: Arc<Tries>,
    folder: Folder,
    name: Vec<u8>,
    first: Box<dyn StoredFile>,
    later: Mutex<Option<Arc<dyn StoredFile>>>,
}

impl Reader {
    /// Runs `work` on the file as it is open now, and on one opened anew when that was lost.
    fn run<T>(&self, mut work: impl FnMut(&dyn StoredFile) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.tries.run(|again| {
            if again {
                let opened: Arc<dyn StoredFile> = self.store.open(&self.folder, &self.name)?.into();
                *self.later.lock().unwrap_or_else(PoisonError::into_inner) = Some(opened);
            }
            let later = self.later.lock().unwrap_or_else(PoisonError::into_inner).clone();
            match later {
                Some(file) => work(file.as_ref()),
                None => work(self.first.as_ref()),
            }
        })
    }
}

#[deny(clippy::missing_trait_methods)]
impl StoredFile for Reader {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError> {
        self.run(|file| file.read_at(offset, buffer))
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), StoreError> {
        self.first.write_at(offset, data)
    }

    fn set_len(&self, len: u64) -> Result<(), StoreError> {
        self.first.set_len(len)
    }

    fn reserve(&self, len: u64) -> Result<(), StoreError> {
        self.first.reserve(len)
    }

    fn stat(&self) -> Result<FileStat, StoreError> {
        self.run(|file| file.stat())
    }

    fn set_metadata(&self, metadata: &NewMetadata<'_>) -> Vec<StoreError> {
        self.first.set_metadata(metadata)
    }

    fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>, StoreError> {
        self.run(|file| file.next_data(offset))
    }

    fn copy_range(&self, source: &dyn StoredFile, from: Range<u64>, to: u64) -> Result<u64, StoreError> {
        self.first.copy_range(source, from, to)
    }

    fn copy_ranges(&self, source: &dyn StoredFile, ranges: &[Range<u64>]) -> Result<u64, StoreError> {
        self.first.copy_ranges(source, ranges)
    }

    fn reflink(&self, source: &dyn StoredFile) -> Result<(), StoreError> {
        self.first.reflink(source)
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.first.sync()
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        let Self { first, later, .. } = *self;
        match later.into_inner().unwrap_or_else(PoisonError::into_inner) {
            // Nothing was written to it, so nothing can be lost with it.
            Some(_) => Ok(()),
            None => first.close(),
        }
    }

    fn complete(self: Box<Self>, metadata: &NewMetadata<'_>, sync: bool) -> Result<Vec<StoreError>, StoreError> {
        let failed = self.set_metadata(metadata);
        if sync {
            self.sync()?;
        }
        self.close()?;
        Ok(failed)
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.first.descriptor()
    }

    fn as_any(&self) -> &dyn Any {
        self.first.as_any()
    }
}
