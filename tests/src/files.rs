//! A place for files that counts its calls, and fails, dies or hangs at one of them.

use std::any::Any;
use std::ops::{ControlFlow, Range};
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use engine_api::{
    EntryKind, FileCapabilities, FileStat, FileStore, Folder, Listed, NewMetadata, Space, StoreError, StoreErrorKind,
    StoredFile, Xattr, sync_both,
};

/// When a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fail {
    /// Never: only count.
    Never,
    /// The n-th call that changes something, counted from 1, is not done.
    Once(u64),
    /// The n-th, and no call is done after it: the program has died, or the disk is gone.
    DeadFrom(u64),
    /// The n-th is done, but says that it was not; no call is done after it.
    DeadAfter(u64),
    /// The n-th call that changes something, and every call after it, does not end until [`GatedFiles::release`]; then it
    /// was not done.
    HangsFrom(u64),
}

/// What all files of a store share.
#[derive(Debug)]
struct Gate {
    fail: Fail,
    kind: StoreErrorKind,
    location: String,
    writes: AtomicU64,
    reads: AtomicU64,
    failed: AtomicBool,
    /// Whether what hangs may end.
    released: Mutex<bool>,
    end: Condvar,
}

impl Gate {
    /// The error of what is not done, at once or when it is told to end.
    fn refuse(&self, object: &[u8]) -> StoreError {
        if matches!(self.fail, Fail::HangsFrom(_)) {
            let released = self.released.lock().unwrap();
            drop(self.end.wait_while(released, |released| !*released).unwrap());
        }
        self.error(object)
    }

    fn error(&self, object: &[u8]) -> StoreError {
        StoreError {
            operation: "use",
            object: String::from_utf8_lossy(object).into_owned(),
            location: self.location.clone(),
            kind: self.kind,
            source: "this call was to fail".into(),
        }
    }

    fn is_dead(&self) -> bool {
        let is_last = matches!(self.fail, Fail::DeadFrom(_) | Fail::DeadAfter(_) | Fail::HangsFrom(_));
        is_last && self.failed.load(Ordering::SeqCst)
    }

    fn read<T>(&self, object: &[u8], ask: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        if self.is_dead() {
            Err(self.refuse(object))
        } else {
            ask()
        }
    }

    fn write<T>(&self, object: &[u8], ask: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        let number = self.writes.fetch_add(1, Ordering::SeqCst) + 1;
        if self.is_dead() {
            return Err(self.refuse(object));
        }
        let at = match self.fail {
            Fail::Never => None,
            Fail::Once(at) | Fail::DeadFrom(at) | Fail::DeadAfter(at) | Fail::HangsFrom(at) => Some(at),
        };
        if at != Some(number) {
            return ask();
        }
        self.failed.store(true, Ordering::SeqCst);
        if matches!(self.fail, Fail::DeadAfter(_)) {
            ask()?;
        }
        Err(self.refuse(object))
    }

    fn set(&self, object: &[u8], ask: impl FnOnce() -> Vec<StoreError>) -> Vec<StoreError> {
        let mut errors = Vec::new();
        let asked = self.write(object, || {
            errors = ask();
            Ok(())
        });
        errors.extend(asked.err());
        errors
    }
}

/// A store behind a gate. It is no folder of this machine any more, so that every call passes.
pub struct GatedFiles {
    inner: Arc<dyn FileStore>,
    capabilities: FileCapabilities,
    gate: Arc<Gate>,
}

impl GatedFiles {
    /// `inner`, failing so.
    #[must_use]
    pub fn new(inner: Arc<dyn FileStore>, fail: Fail, kind: StoreErrorKind) -> Arc<Self> {
        let mut capabilities = inner.capabilities().clone();
        capabilities.local_path = None;
        let gate = Gate {
            fail,
            kind,
            location: inner.location().to_owned(),
            writes: AtomicU64::new(0),
            reads: AtomicU64::new(0),
            failed: AtomicBool::new(false),
            released: Mutex::new(false),
            end: Condvar::new(),
        };
        Arc::new(Self {
            inner,
            capabilities,
            gate: Arc::new(gate),
        })
    }

    /// Whether the failure has come.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.gate.failed.load(Ordering::SeqCst)
    }

    /// Ends what hangs.
    pub fn release(&self) {
        *self.gate.released.lock().unwrap() = true;
        self.gate.end.notify_all();
    }

    /// Calls up to now that change something, and that do not.
    #[must_use]
    pub fn calls(&self) -> (u64, u64) {
        let count = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        (count(&self.gate.writes), count(&self.gate.reads))
    }

    fn file(&self, inner: Box<dyn StoredFile>, name: &[u8]) -> Box<dyn StoredFile> {
        Box::new(GatedFile {
            inner,
            name: name.to_vec(),
            gate: Arc::clone(&self.gate),
        })
    }
}

// A method with a default body that is forgotten here would bypass the gate.
#[deny(clippy::missing_trait_methods)]
impl FileStore for GatedFiles {
    fn location(&self) -> &str {
        self.inner.location()
    }

    fn capabilities(&self) -> &FileCapabilities {
        &self.capabilities
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
        self.gate.read(name, || self.inner.stat(folder, name))
    }

    fn list(&self, folder: &Folder, each: &mut dyn FnMut(Listed<'_>) -> ControlFlow<()>) -> Result<(), StoreError> {
        self.gate.read(folder.name(), || self.inner.list(folder, each))
    }

    fn read_link(&self, folder: &Folder, name: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.gate.read(name, || self.inner.read_link(folder, name))
    }

    fn xattrs(&self, folder: &Folder, name: &[u8]) -> Result<Vec<Xattr>, StoreError> {
        self.gate.read(name, || self.inner.xattrs(folder, name))
    }

    fn make_folder(&self, folder: &Folder, name: &[u8]) -> Result<(), StoreError> {
        self.gate.write(name, || self.inner.make_folder(folder, name))
    }

    /// One by one: each may be the call that fails.
    fn make_folders(&self, folders: &[&Folder]) -> Vec<Result<(), StoreError>> {
        let make = |folder: &&Folder| match folder.above() {
            Some(above) => self.make_folder(above, folder.name()),
            None => Ok(()),
        };
        folders.iter().map(make).collect()
    }

    fn create(&self, folder: &Folder, name: &[u8]) -> Result<Box<dyn StoredFile>, StoreError> {
        let file = self.gate.write(name, || self.inner.create(folder, name))?;
        Ok(self.file(file, name))
    }

    fn open(&self, folder: &Folder, name: &[u8]) -> Result<Box<dyn StoredFile>, StoreError> {
        let file = self.gate.read(name, || self.inner.open(folder, name))?;
        Ok(self.file(file, name))
    }

    fn read_start(&self, folder: &Folder, name: &[u8], most: usize) -> Result<(FileStat, Vec<u8>), StoreError> {
        self.gate.read(name, || self.inner.read_start(folder, name, most))
    }

    fn symlink(&self, folder: &Folder, name: &[u8], points_to: &[u8]) -> Result<(), StoreError> {
        self.gate.write(name, || self.inner.symlink(folder, name, points_to))
    }

    fn hard_link(&self, from: (&Folder, &[u8]), to: (&Folder, &[u8])) -> Result<(), StoreError> {
        self.gate.write(to.1, || self.inner.hard_link(from, to))
    }

    /// One by one: each may be the call that fails.
    fn hard_links_if(
        &self,
        from: &Folder,
        to: &Folder,
        names: &[&[u8]],
        fits: &dyn Fn(usize, &FileStat) -> bool,
    ) -> Vec<Result<bool, StoreError>> {
        let link = |(place, name): (usize, &&[u8])| match self.stat(from, name)? {
            Some(stat) if fits(place, &stat) => self.hard_link((from, name), (to, name)).map(|()| true),
            _ => Ok(false),
        };
        names.iter().enumerate().map(link).collect()
    }

    fn make_node(&self, folder: &Folder, name: &[u8], kind: EntryKind, rdev: u64) -> Result<(), StoreError> {
        self.gate.write(name, || self.inner.make_node(folder, name, kind, rdev))
    }

    fn rename(&self, from: (&Folder, &[u8]), to: (&Folder, &[u8])) -> Result<(), StoreError> {
        self.gate.write(to.1, || self.inner.rename(from, to))
    }

    fn rename_durably(&self, from: (&Folder, &[u8]), to: (&Folder, &[u8])) -> Result<(), StoreError> {
        self.rename(from, to)?;
        sync_both(self, from.0, to.0)
    }

    fn remove(&self, folder: &Folder, name: &[u8]) -> Result<(), StoreError> {
        self.gate.write(name, || self.inner.remove(folder, name))
    }

    fn remove_all(&self, folder: &Folder, names: &[&[u8]]) -> Vec<Result<(), StoreError>> {
        names.iter().map(|name| self.remove(folder, name)).collect()
    }

    fn remove_folder(&self, folder: &Folder, name: &[u8]) -> Result<(), StoreError> {
        self.gate.write(name, || self.inner.remove_folder(folder, name))
    }

    fn set_metadata(&self, folder: &Folder, name: &[u8], metadata: &NewMetadata<'_>) -> Vec<StoreError> {
        self.gate.set(name, || self.inner.set_metadata(folder, name, metadata))
    }

    fn sync_folder(&self, folder: &Folder) -> Result<(), StoreError> {
        self.gate.write(folder.name(), || self.inner.sync_folder(folder))
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.gate.write(b"everything", || self.inner.sync())
    }

    fn space(&self) -> Result<Option<Space>, StoreError> {
        self.gate.read(b"", || self.inner.space())
    }
}

struct GatedFile {
    inner: Box<dyn StoredFile>,
    name: Vec<u8>,
    gate: Arc<Gate>,
}

#[deny(clippy::missing_trait_methods)]
impl StoredFile for GatedFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError> {
        self.gate.read(&self.name, || self.inner.read_at(offset, buffer))
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), StoreError> {
        self.gate.write(&self.name, || self.inner.write_at(offset, data))
    }

    fn set_len(&self, len: u64) -> Result<(), StoreError> {
        self.gate.write(&self.name, || self.inner.set_len(len))
    }

    fn reserve(&self, len: u64) -> Result<(), StoreError> {
        self.gate.write(&self.name, || self.inner.reserve(len))
    }

    fn stat(&self) -> Result<FileStat, StoreError> {
        self.gate.read(&self.name, || self.inner.stat())
    }

    fn set_metadata(&self, metadata: &NewMetadata<'_>) -> Vec<StoreError> {
        self.gate.set(&self.name, || self.inner.set_metadata(metadata))
    }

    fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>, StoreError> {
        self.gate.read(&self.name, || self.inner.next_data(offset))
    }

    fn copy_range(&self, source: &dyn StoredFile, from: Range<u64>, to: u64) -> Result<u64, StoreError> {
        self.gate.write(&self.name, || self.inner.copy_range(source, from, to))
    }

    fn copy_ranges(&self, source: &dyn StoredFile, ranges: &[Range<u64>]) -> Result<u64, StoreError> {
        self.gate.write(&self.name, || self.inner.copy_ranges(source, ranges))
    }

    fn reflink(&self, source: &dyn StoredFile) -> Result<(), StoreError> {
        self.gate.write(&self.name, || self.inner.reflink(source))
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.gate.write(&self.name, || self.inner.sync())
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        let Self { inner, name, gate } = *self;
        gate.write(&name, || inner.close())
    }

    /// One by one: each may be the call that fails.
    fn complete(self: Box<Self>, metadata: &NewMetadata<'_>, sync: bool) -> Result<Vec<StoreError>, StoreError> {
        let failed = self.set_metadata(metadata);
        if sync {
            self.sync()?;
        }
        self.close()?;
        Ok(failed)
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn as_any(&self) -> &dyn Any {
        self.inner.as_any()
    }
}
