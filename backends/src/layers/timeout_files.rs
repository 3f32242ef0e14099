use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use engine_api::{
    EntryKind, FileCapabilities, FileStat, FileStore, Folder, Listed, NewMetadata, Space, StoreError, StoredFile,
    Unanswered, Xattr,
};

use super::aside::{Aside, Call};
use super::timed_file::{OwnedMetadata, TimedFile, Unsynced};
use super::timeout::Limits;

/// Ends an operation on a tree of files that hangs, as [`Timeout`](super::Timeout) does for objects.
///
/// Its files have no descriptor, for whoever reads or writes by one can hang. A place on this machine still says where it
/// is.
pub struct TimeoutFiles {
    inner: Arc<dyn FileStore>,
    aside: Arc<Aside>,
    unsynced: Arc<Unsynced>,
    capabilities: OnceLock<FileCapabilities>,
    syncs_all: OnceLock<bool>,
}

impl TimeoutFiles {
    /// `inner` within `limits`; `server` is who answers, for messages.
    #[must_use]
    pub fn new(inner: Arc<dyn FileStore>, server: &str, limits: Limits) -> Self {
        let asked = Arc::clone(&inner);
        let aside = Aside::new(inner.location(), server, limits, move || drop(asked.space()));
        Self {
            inner,
            aside: Arc::new(aside),
            unsynced: Arc::default(),
            capabilities: OnceLock::new(),
            syncs_all: OnceLock::new(),
        }
    }

    /// Runs one operation on what has the name; with none, on the folder.
    fn ask<T: Send + 'static>(
        &self,
        operation: &'static str,
        name: &[u8],
        work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.ask_within(self.aside.limits().stall, operation, name, work)
    }

    fn ask_within<T: Send + 'static>(
        &self,
        allowed: Duration,
        operation: &'static str,
        name: &[u8],
        work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let object = shown(name);
        let call = Call {
            operation,
            object: &object,
        };
        self.aside.ask(call, allowed, work)
    }

    /// The same for one name in a folder, of which the thread gets its own.
    fn ask_of<T: Send + 'static>(
        &self,
        operation: &'static str,
        folder: &Folder,
        name: &[u8],
        work: impl FnOnce(&dyn FileStore, &Folder, &[u8]) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (inner, folder, own) = (Arc::clone(&self.inner), folder.clone(), name.to_vec());
        self.ask(operation, name, move || work(inner.as_ref(), &folder, &own))
    }

    /// The same for two names.
    fn ask_of_two(
        &self,
        operation: &'static str,
        from: (&Folder, &[u8]),
        to: (&Folder, &[u8]),
        work: impl FnOnce(&dyn FileStore, (&Folder, &[u8]), (&Folder, &[u8])) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<(), StoreError> {
        let (folder, name) = (from.0.clone(), from.1.to_vec());
        self.ask_of(operation, to.0, to.1, move |inner, to, its| {
            work(inner, (&folder, &name), (to, its))
        })
    }

    fn timed(&self, name: &[u8], file: Box<dyn StoredFile>) -> Box<dyn StoredFile> {
        let (aside, unsynced) = (Arc::clone(&self.aside), Arc::clone(&self.unsynced));
        Box::new(TimedFile::new(file, shown(name), aside, unsynced))
    }
}

fn shown(name: &[u8]) -> String {
    if name.is_empty() {
        return "the folder".to_owned();
    }
    String::from_utf8_lossy(name).into_owned()
}

/// One name of a listing, for another thread.
struct OwnedName {
    name: Vec<u8>,
    kind: Option<EntryKind>,
    stat: Option<FileStat>,
}

// A method with a default body is made of the others here, each of which ends in time.
impl FileStore for TimeoutFiles {
    fn location(&self) -> &str {
        self.inner.location()
    }

    fn capabilities(&self) -> &FileCapabilities {
        self.capabilities.get_or_init(|| {
            let inner = Arc::clone(&self.inner);
            let found = self.ask("try out", b"", move || Ok(inner.capabilities().clone()));
            found.unwrap_or_else(|error| {
                let mut nothing = FileCapabilities::default();
                nothing.unanswered = Some(Unanswered::from(&error));
                nothing
            })
        })
    }

    fn root(&self) -> Folder {
        self.inner.root()
    }

    fn get_ready(&self) {
        self.inner.get_ready();
    }

    fn syncs_all(&self) -> bool {
        *self.syncs_all.get_or_init(|| {
            let inner = Arc::clone(&self.inner);
            self.ask("try out", b"", move || Ok(inner.syncs_all())).unwrap_or(false)
        })
    }

    fn stat(&self, folder: &Folder, name: &[u8]) -> Result<Option<FileStat>, StoreError> {
        self.ask_of("look at", folder, name, |inner, folder, name| inner.stat(folder, name))
    }

    fn list(&self, folder: &Folder, each: &mut dyn FnMut(Listed<'_>) -> ControlFlow<()>) -> Result<(), StoreError> {
        let object = shown(folder.name());
        let call = Call {
            operation: "list",
            object: &object,
        };
        let (inner, folder) = (Arc::clone(&self.inner), folder.clone());
        let work = move |hand_over: &mut dyn FnMut(OwnedName) -> ControlFlow<()>| {
            inner.list(&folder, &mut |listed| {
                hand_over(OwnedName {
                    name: listed.name.to_vec(),
                    kind: listed.kind,
                    stat: listed.stat,
                })
            })
        };
        let each = |owned: OwnedName| {
            each(Listed {
                name: &owned.name,
                kind: owned.kind,
                stat: owned.stat,
            })
        };
        self.aside.run(call, self.aside.limits().stall, work, each)
    }

    fn read_link(&self, folder: &Folder, name: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.ask_of("read the link", folder, name, |inner, folder, name| {
            inner.read_link(folder, name)
        })
    }

    fn xattrs(&self, folder: &Folder, name: &[u8]) -> Result<Vec<Xattr>, StoreError> {
        self.ask_of("read the attributes of", folder, name, |inner, folder, name| {
            inner.xattrs(folder, name)
        })
    }

    fn make_folder(&self, folder: &Folder, name: &[u8]) -> Result<(), StoreError> {
        self.ask_of("make", folder, name, |inner, folder, name| {
            inner.make_folder(folder, name)
        })
    }

    fn create(&self, folder: &Folder, name: &[u8]) -> Result<Box<dyn StoredFile>, StoreError> {
        let file = self.ask_of("make", folder, name, |inner, folder, name| inner.create(folder, name))?;
        Ok(self.timed(name, file))
    }

    fn open(&self, folder: &Folder, name: &[u8]) -> Result<Box<dyn StoredFile>, StoreError> {
        let file = self.ask_of("open", folder, name, |inner, folder, name| inner.open(folder, name))?;
        Ok(self.timed(name, file))
    }

    fn symlink(&self, folder: &Folder, name: &[u8], points_to: &[u8]) -> Result<(), StoreError> {
        let points_to = points_to.to_vec();
        self.ask_of("make the link", folder, name, move |inner, folder, name| {
            inner.symlink(folder, name, &points_to)
        })
    }

    fn hard_link(&self, from: (&Folder, &[u8]), to: (&Folder, &[u8])) -> Result<(), StoreError> {
        self.ask_of_two("link", from, to, |inner, from, to| inner.hard_link(from, to))
    }

    fn make_node(&self, folder: &Folder, name: &[u8], kind: EntryKind, rdev: u64) -> Result<(), StoreError> {
        self.ask_of("make", folder, name, move |inner, folder, name| {
            inner.make_node(folder, name, kind, rdev)
        })
    }

    fn rename(&self, from: (&Folder, &[u8]), to: (&Folder, &[u8])) -> Result<(), StoreError> {
        self.ask_of_two("rename", from, to, |inner, from, to| inner.rename(from, to))
    }

    fn remove(&self, folder: &Folder, name: &[u8]) -> Result<(), StoreError> {
        self.ask_of("remove", folder, name, |inner, folder, name| inner.remove(folder, name))
    }

    fn remove_folder(&self, folder: &Folder, name: &[u8]) -> Result<(), StoreError> {
        self.ask_of("remove", folder, name, |inner, folder, name| {
            inner.remove_folder(folder, name)
        })
    }

    fn set_metadata(&self, folder: &Folder, name: &[u8], metadata: &NewMetadata<'_>) -> Vec<StoreError> {
        let metadata = OwnedMetadata::of(metadata);
        let set = self.ask_of("set the metadata of", folder, name, move |inner, folder, name| {
            Ok(metadata.give(|metadata| inner.set_metadata(folder, name, metadata)))
        });
        set.unwrap_or_else(|error| vec![error])
    }

    fn sync_folder(&self, folder: &Folder) -> Result<(), StoreError> {
        let (inner, own) = (Arc::clone(&self.inner), folder.clone());
        self.ask("sync", folder.name(), move || inner.sync_folder(&own))
    }

    fn sync(&self) -> Result<(), StoreError> {
        let inner = Arc::clone(&self.inner);
        let allowed = self.unsynced.allowed(self.aside.limits());
        self.ask_within(allowed, "sync", b"", move || inner.sync())?;
        self.unsynced.forget();
        Ok(())
    }

    fn space(&self) -> Result<Option<Space>, StoreError> {
        let inner = Arc::clone(&self.inner);
        self.ask("ask for the free space of", b"", move || inner.space())
    }
}
