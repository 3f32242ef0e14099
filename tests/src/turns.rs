//! A place for files that is far away: every call takes one turn, the way there and back, and all calls that are under way
//! together take the same one. What is counted is not time, which depends on the machine.

use std::any::Any;
use std::ops::{ControlFlow, Range};
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use engine_api::{
    EntryKind, FileCapabilities, FileStat, FileStore, Folder, Listed, NewMetadata, Space, StoreError, StoredFile, Xattr,
};

/// The turns that are taken. One ends when every other thread of the process sleeps: then nobody will ask for more before
/// an answer comes.
struct Clock {
    state: Mutex<State>,
    ended: Condvar,
    calls: AtomicU64,
    is_over: AtomicBool,
}

#[derive(Default)]
struct State {
    waiting: u64,
    turns: u64,
}

impl Clock {
    /// Waits for the end of the turn.
    fn turn(&self) {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let mut state = self.state.lock().unwrap();
        state.waiting += 1;
        let now = state.turns;
        while state.turns == now {
            state = self.ended.wait(state).unwrap();
        }
    }

    fn run(&self) {
        while !self.is_over.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_micros(200));
            let waiting = self.state.lock().unwrap().waiting;
            if waiting == 0 || !all_sleep() || !all_sleep() {
                continue;
            }
            let mut state = self.state.lock().unwrap();
            if state.waiting == waiting {
                state.waiting = 0;
                state.turns += 1;
                self.ended.notify_all();
            }
        }
    }
}

/// Whether every thread but this one waits for something.
fn all_sleep() -> bool {
    let own = std::fs::read_link("/proc/thread-self").unwrap();
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    threads.flatten().all(|thread| {
        let is_own = Some(thread.file_name().as_os_str()) == own.file_name();
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        // Behind the name, which may be anything.
        let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
        is_own || matches!(state, None | Some('S' | 'Z' | 'X'))
    })
}

/// `inner` far away. Only one in a process, whose other threads must not be busy with anything else for long.
pub struct FarFiles {
    inner: Arc<dyn FileStore>,
    capabilities: FileCapabilities,
    clock: Arc<Clock>,
    thread: Option<JoinHandle<()>>,
}

impl FarFiles {
    /// What `inner` can do, but for what only a filesystem of this machine can; each file is to be synced.
    #[must_use]
    pub fn new(inner: Arc<dyn FileStore>) -> Arc<Self> {
        let mut capabilities = inner.capabilities().clone();
        capabilities.local_path = None;
        capabilities.reflinks = false;
        capabilities.concurrency = 128;
        let clock = Arc::new(Clock {
            state: Mutex::default(),
            ended: Condvar::new(),
            calls: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
        });
        let thread = std::thread::spawn({
            let clock = Arc::clone(&clock);
            move || clock.run()
        });
        Arc::new(Self {
            inner,
            capabilities,
            clock,
            thread: Some(thread),
        })
    }

    /// Turns and calls up to now.
    #[must_use]
    pub fn taken(&self) -> (u64, u64) {
        let turns = self.clock.state.lock().unwrap().turns;
        (turns, self.clock.calls.load(Ordering::SeqCst))
    }

    fn ask<T>(&self, ask: impl FnOnce(&dyn FileStore) -> T) -> T {
        self.clock.turn();
        ask(self.inner.as_ref())
    }

    fn file(&self, file: Box<dyn StoredFile>) -> Box<dyn StoredFile> {
        Box::new(FarFile {
            inner: file,
            clock: Arc::clone(&self.clock),
        })
    }
}

impl Drop for FarFiles {
    fn drop(&mut self) {
        self.clock.is_over.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

// A method with a default body that is forgotten here would take the turns of those it consists of.
#[deny(clippy::missing_trait_methods)]
impl FileStore for FarFiles {
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
        false
    }

    fn stat(&self, folder: &Folder, name: &[u8]) -> Result<Option<FileStat>, StoreError> {
        self.ask(|inner| inner.stat(folder, name))
    }

    /// One for the folder, one for what is in it.
    fn list(&self, folder: &Folder, each: &mut dyn FnMut(Listed<'_>) -> ControlFlow<()>) -> Result<(), StoreError> {
        self.clock.turn();
        self.ask(|inner| inner.list(folder, each))
    }

    fn read_link(&self, folder: &Folder, name: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.ask(|inner| inner.read_link(folder, name))
    }

    fn xattrs(&self, folder: &Folder, name: &[u8]) -> Result<Vec<Xattr>, StoreError> {
        self.ask(|inner| inner.xattrs(folder, name))
    }

    fn make_folder(&self, folder: &Folder, name: &[u8]) -> Result<(), StoreError> {
        self.ask(|inner| inner.make_folder(folder, name))
    }

    fn make_folders(&self, folders: &[&Folder]) -> Vec<Result<(), StoreError>> {
        if folders.is_empty() {
            return Vec::new();
        }
        self.ask(|inner| inner.make_folders(folders))
    }

    fn create(&self, folder: &Folder, name: &[u8]) -> Result<Box<dyn StoredFile>, StoreError> {
        self.ask(|inner| inner.create(folder, name)).map(|file| self.file(file))
    }

    fn open(&self, folder: &Folder, name: &[u8]) -> Result<Box<dyn StoredFile>, StoreError> {
        self.clock.turn();
        self.ask(|inner| inner.open(folder, name)).map(|file| self.file(file))
    }

    /// One to look, one to open, one to read.
    fn read_start(&self, folder: &Folder, name: &[u8], most: usize) -> Result<(FileStat, Vec<u8>), StoreError> {
        self.clock.turn();
        self.clock.turn();
        self.ask(|inner| inner.read_start(folder, name, most))
    }

    fn symlink(&self, folder: &Folder, name: &[u8], points_to: &[u8]) -> Result<(), StoreError> {
        self.ask(|inner| inner.symlink(folder, name, points_to))
    }

    fn hard_link(&self, from: (&Folder, &[u8]), to: (&Folder, &[u8])) -> Result<(), StoreError> {
        self.ask(|inner| inner.hard_link(from, to))
    }

    fn hard_links_if(
        &self,
        from: &Folder,
        to: &Folder,
        names: &[&[u8]],
        fits: &dyn Fn(usize, &FileStat) -> bool,
    ) -> Vec<Result<bool, StoreError>> {
        if names.is_empty() {
            return Vec::new();
        }
        self.ask(|inner| inner.hard_links_if(from, to, names, fits))
    }

    fn make_node(&self, folder: &Folder, name: &[u8], kind: EntryKind, rdev: u64) -> Result<(), StoreError> {
        self.ask(|inner| inner.make_node(folder, name, kind, rdev))
    }

    fn rename(&self, from: (&Folder, &[u8]), to: (&Folder, &[u8])) -> Result<(), StoreError> {
        self.ask(|inner| inner.rename(from, to))
    }

    fn rename_durably(&self, from: (&Folder, &[u8]), to: (&Folder, &[u8])) -> Result<(), StoreError> {
        self.ask(|inner| inner.rename_durably(from, to))
    }

    fn remove(&self, folder: &Folder, name: &[u8]) -> Result<(), StoreError> {
        self.ask(|inner| inner.remove(folder, name))
    }

    fn remove_all(&self, folder: &Folder, names: &[&[u8]]) -> Vec<Result<(), StoreError>> {
        if names.is_empty() {
            return Vec::new();
        }
        self.ask(|inner| inner.remove_all(folder, names))
    }

    fn remove_folder(&self, folder: &Folder, name: &[u8]) -> Result<(), StoreError> {
        self.ask(|inner| inner.remove_folder(folder, name))
    }

    /// One to look, one to set.
    fn set_metadata(&self, folder: &Folder, name: &[u8], metadata: &NewMetadata<'_>) -> Vec<StoreError> {
        self.clock.turn();
        self.ask(|inner| inner.set_metadata(folder, name, metadata))
    }

    fn sync_folder(&self, folder: &Folder) -> Result<(), StoreError> {
        self.ask(|inner| inner.sync_folder(folder))
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.ask(|inner| inner.sync())
    }

    fn space(&self) -> Result<Option<Space>, StoreError> {
        self.ask(|inner| inner.space())
    }
}

struct FarFile {
    inner: Box<dyn StoredFile>,
    clock: Arc<Clock>,
}

impl FarFile {
    fn ask<T>(&self, ask: impl FnOnce(&dyn StoredFile) -> T) -> T {
        self.clock.turn();
        ask(self.inner.as_ref())
    }
}

#[deny(clippy::missing_trait_methods)]
impl StoredFile for FarFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError> {
        self.ask(|inner| inner.read_at(offset, buffer))
    }

    /// On its way when it returns.
    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), StoreError> {
        self.inner.write_at(offset, data)
    }

    fn set_len(&self, len: u64) -> Result<(), StoreError> {
        self.ask(|inner| inner.set_len(len))
    }

    fn reserve(&self, len: u64) -> Result<(), StoreError> {
        self.inner.reserve(len)
    }

    fn stat(&self) -> Result<FileStat, StoreError> {
        self.ask(|inner| inner.stat())
    }

    fn set_metadata(&self, metadata: &NewMetadata<'_>) -> Vec<StoreError> {
        self.ask(|inner| inner.set_metadata(metadata))
    }

    fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>, StoreError> {
        self.ask(|inner| inner.next_data(offset))
    }

    fn copy_range(&self, source: &dyn StoredFile, from: Range<u64>, to: u64) -> Result<u64, StoreError> {
        self.ask(|inner| inner.copy_range(source, from, to))
    }

    fn copy_ranges(&self, source: &dyn StoredFile, ranges: &[Range<u64>]) -> Result<u64, StoreError> {
        self.ask(|inner| inner.copy_ranges(source, ranges))
    }

    fn reflink(&self, source: &dyn StoredFile) -> Result<(), StoreError> {
        self.ask(|inner| inner.reflink(source))
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.ask(|inner| inner.sync())
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        self.clock.turn();
        self.inner.close()
    }

    fn complete(self: Box<Self>, metadata: &NewMetadata<'_>, sync: bool) -> Result<Vec<StoreError>, StoreError> {
        self.clock.turn();
        self.inner.complete(metadata, sync)
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn as_any(&self) -> &dyn Any {
        self.inner.as_any()
    }
}
