//! A directory of this machine: the embedded default.
//!
//! Every path is resolved from the root directory's descriptor, which stays open, so nothing can land on the disk below
//! when the destination is unmounted or replaced during a run. Objects appear by rename of a finished, synced temporary
//! file in the same folder; files and folders get the modes that restic's own local storage gives them.

mod errors;
mod files;
mod leftovers;
mod list;
mod read;
mod root;
mod write;

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use engine_api::{
    BlobStore, Body, Capabilities, Destination, Key, ObjectMeta, PutMode, Space, StoreError, StoreErrorKind,
};
use rustix::io::Errno;

use self::errors::Context;
use self::files::LocalFiles;
use self::leftovers::Leftovers;
use self::root::Root;
use self::write::Modes;

/// Four keep a fast disk's queue filled while packs are synced, and do not yet make a slow one seek.
const CONCURRENCY: usize = 4;

/// What an object name may not begin with, in any of its components: temporary files have such names.
const TEMPORARY: &[u8] = b".holdfast-tmp-";

/// Opens the directory `dir` as a destination; with `create` it is made, with its parents, when it is not there.
///
/// # Errors
/// [`StoreErrorKind::NotFound`] when it is not there and is not to be made; any other kind when it cannot be opened.
pub fn open(dir: &Path, create: bool) -> Result<Destination, StoreError> {
    let store = LocalStore::open(dir, create)?;
    let files = LocalFiles::open(dir)?;
    Ok(Destination::new(Arc::new(store), Box::new(())).with_files(Arc::new(files)))
}

struct LocalStore {
    root: Root,
    modes: Modes,
    exclusive: write::Exclusive,
    capabilities: Capabilities,
    leftovers: Leftovers,
}

impl LocalStore {
    fn open(dir: &Path, create: bool) -> Result<Self, StoreError> {
        let root = Root::open(dir, create)?;
        let modes = Modes::of(&root);
        let exclusive = write::Exclusive::probe(&root);
        let capabilities = Capabilities::minimal()
            .with_exclusive_create(exclusive.is_exclusive())
            .with_concurrency(CONCURRENCY)
            .with_local(true)
            .with_prompt_listings(!root.may_be_far_away());
        Ok(Self {
            root,
            modes,
            exclusive,
            capabilities,
            leftovers: Leftovers::default(),
        })
    }

    /// Refuses to go on when the path no longer leads to the directory that was opened.
    fn check_root(&self, context: &Context<'_>) -> Result<(), StoreError> {
        if self.root.is_in_place() {
            return Ok(());
        }
        Err(context.vanished())
    }

    /// The error for `errno`: a missing object is one thing, a missing destination another.
    fn error(&self, context: &Context<'_>, errno: Errno) -> StoreError {
        let error = context.errno(errno);
        let suspicious = matches!(error.kind, StoreErrorKind::NotFound | StoreErrorKind::Other);
        if suspicious && !self.root.is_in_place() {
            return context.vanished();
        }
        error
    }

    fn context<'a>(&'a self, operation: &'static str, key: &'a Key) -> Context<'a> {
        Context::object(operation, key, self.root.location())
    }
}

/// Whether `key` names something that only this module may make.
fn is_reserved(key: &Key) -> bool {
    key.as_bytes()
        .split(|&byte| byte == b'/')
        .any(|part| part.starts_with(TEMPORARY))
}

impl BlobStore for LocalStore {
    fn location(&self) -> &str {
        self.root.location()
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn put(&self, key: &Key, body: Body<'_>, mode: PutMode) -> Result<(), StoreError> {
        let context = self.context("write", key);
        if is_reserved(key) {
            return Err(context.errno(Errno::INVAL));
        }
        self.check_root(&context)?;
        self.leftovers.sweep(&self.root);
        write::put(self, key, body, mode).map_err(|errno| self.error(&context, errno))
    }

    fn get(&self, key: &Key) -> Result<Vec<u8>, StoreError> {
        let context = self.context("read", key);
        read::whole(&self.root, key).map_err(|failure| failure.into_error(self, &context))
    }

    fn get_range(&self, key: &Key, offset: u64, buffer: &mut [u8]) -> Result<(), StoreError> {
        let context = self.context("read", key);
        read::range(&self.root, key, offset, buffer).map_err(|failure| failure.into_error(self, &context))
    }

    fn list(&self, folder: &str, each: &mut dyn FnMut(ObjectMeta) -> ControlFlow<()>) -> Result<(), StoreError> {
        let context = Context::folder("list", folder, self.root.location());
        self.check_root(&context)?;
        list::list(&self.root, &self.leftovers, folder, each).map_err(|errno| self.error(&context, errno))?;
        // A destination that went away in the middle would look like one with fewer objects.
        self.check_root(&context)
    }

    fn remove(&self, key: &Key) -> Result<(), StoreError> {
        let context = self.context("remove", key);
        self.check_root(&context)?;
        self.leftovers.sweep(&self.root);
        write::remove(&self.root, key).map_err(|errno| self.error(&context, errno))
    }

    fn stat(&self, key: &Key) -> Result<ObjectMeta, StoreError> {
        let context = self.context("look at", key);
        let size = read::size(&self.root, key).map_err(|failure| failure.into_error(self, &context))?;
        Ok(ObjectMeta { key: key.clone(), size })
    }

    fn space(&self) -> Result<Option<Space>, StoreError> {
        let context = Context::folder("ask for the free space of", "", self.root.location());
        self.check_root(&context)?;
        let space = self.root.space().map_err(|errno| self.error(&context, errno))?;
        Ok(Some(space))
    }
}

#[cfg(test)]
mod tests;
