//! Objects as files: each appears by a rename or a link of a finished, synced temporary file in the same folder.

mod later;
mod leftovers;
mod list;
mod place;
mod put;
mod read;

use std::ops::ControlFlow;
use std::sync::Arc;

use engine_api::{BlobStore, Body, Capabilities, Key, ObjectMeta, PutMode, Space, StoreError, StoreErrorKind};

pub(super) use self::later::Later;
use self::leftovers::Leftovers;
use self::place::Place;
pub(super) use self::put::temporary_name;
use super::errors::{Context, Problem};
use super::link::Link;
use super::requests::Requests;
use super::root::Root;
use super::wire::{Attributes, FileKind};

/// Enough to hide the way there and back behind other objects' bytes, and few enough to keep in memory.
const CONCURRENCY: usize = 8;

/// What an object name may not begin with, in any of its components: temporary files have such names.
pub(super) const TEMPORARY: &[u8] = b".holdfast-tmp-";

pub(super) struct Blobs {
    root: Arc<Root>,
    place: Place,
    capabilities: Capabilities,
    leftovers: Leftovers,
}

impl Blobs {
    /// Tries out what the folder can do.
    pub(super) fn open(root: Arc<Root>) -> Result<Self, StoreError> {
        let context = Context::new("open", b"", root.location());
        let link = root.client.link().map_err(|problem| context.error(problem))?;
        let place = Place::probe(&root, &link).map_err(|problem| context.error(problem))?;
        let capabilities = Capabilities::minimal()
            .with_exclusive_create(place.is_exclusive())
            .with_concurrency(CONCURRENCY)
            .with_prompt_listings(true);
        Ok(Self {
            leftovers: Leftovers::new(place.clock_ahead),
            root,
            place,
            capabilities,
        })
    }

    fn context<'a>(&'a self, operation: &'static str, key: &'a Key) -> Context<'a> {
        Context::key(operation, key, self.root.location())
    }

    /// The file of an object; nothing else may be read or written as one.
    fn path(&self, key: &Key) -> Vec<u8> {
        self.root.path_of(key.as_bytes())
    }

    /// Does something that reads, once more when the connection breaks over it.
    fn reading<T>(
        &self,
        context: Context<'_>,
        bytes: u64,
        work: impl Fn(&Arc<Link>) -> Result<T, Problem>,
    ) -> Result<T, StoreError> {
        self.root
            .client
            .again(bytes, work)
            .map_err(|problem| context.error(problem))
    }

    /// Does something on an object; one of a reserved name is not there.
    fn reading_object<T>(
        &self,
        operation: &'static str,
        key: &Key,
        bytes: u64,
        work: impl Fn(&Arc<Link>, &[u8]) -> Result<T, Problem>,
    ) -> Result<T, StoreError> {
        let path = self.path(key);
        self.reading(self.context(operation, key), bytes, |link| {
            if is_reserved(key) {
                return Err(Problem::not_found());
            }
            work(link, &path).map_err(|problem| absent(link, &path, problem))
        })
    }
}

fn space(root: &Root) -> Result<Option<Space>, StoreError> {
    let found = root.client.again(0, |link| root.filesystem(link));
    let context = Context::new("ask for the free space of", b"", root.location());
    Ok(found
        .map_err(|problem| context.error(problem))?
        .map(|found| found.space))
}

/// Whether `key` names something that only this module may make.
fn is_reserved(key: &Key) -> bool {
    key.as_bytes()
        .split(|&byte| byte == b'/')
        .any(|part| part.starts_with(TEMPORARY))
}

/// The size of a regular file; anything else is no object.
fn size_of(attributes: &Attributes) -> Result<u64, Problem> {
    if !matches!(attributes.kind(), FileKind::File | FileKind::Unknown) {
        return Err(Problem::not_found());
    }
    attributes
        .size
        .ok_or(Problem::Nonsense("it does not tell the size of a file"))
}

/// Servers differ in how they refuse to read or remove a folder: there is no such object.
fn absent(link: &Arc<Link>, path: &[u8], problem: Problem) -> Problem {
    let unclear = problem.is_vague() || problem.is(StoreErrorKind::PermissionDenied);
    if !unclear {
        return problem;
    }
    match link.stat(path).and_then(super::requests::Answer::attributes) {
        Ok(found) if found.kind() == FileKind::Folder => Problem::not_found(),
        _ => problem,
    }
}

impl BlobStore for Blobs {
    fn location(&self) -> &str {
        self.root.location()
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn put(&self, key: &Key, body: Body<'_>, mode: PutMode) -> Result<(), StoreError> {
        let context = self.context("write", key);
        put::put(self, key, body, mode).map_err(|problem| context.error(problem))
    }

    fn get(&self, key: &Key) -> Result<Vec<u8>, StoreError> {
        self.reading_object("read", key, 0, read::whole)
    }

    fn get_range(&self, key: &Key, offset: u64, buffer: &mut [u8]) -> Result<(), StoreError> {
        let bytes = buffer.len() as u64;
        let buffer = std::cell::RefCell::new(buffer);
        self.reading_object("read", key, bytes, |link, path| {
            read::range(link, path, offset, &mut buffer.borrow_mut())
        })
    }

    fn list(&self, folder: &str, each: &mut dyn FnMut(ObjectMeta) -> ControlFlow<()>) -> Result<(), StoreError> {
        let context = Context::new("list", folder.as_bytes(), self.root.location());
        list::list(self, folder, each).map_err(|problem| context.error(problem))
    }

    fn remove(&self, key: &Key) -> Result<(), StoreError> {
        let context = self.context("remove", key);
        put::remove(self, key).map_err(|problem| context.error(problem))
    }

    fn stat(&self, key: &Key) -> Result<ObjectMeta, StoreError> {
        let size = self.reading_object("look at", key, 0, |link, path| size_of(&link.stat(path)?.attributes()?))?;
        Ok(ObjectMeta { key: key.clone(), size })
    }

    fn space(&self) -> Result<Option<Space>, StoreError> {
        space(&self.root)
    }
}
