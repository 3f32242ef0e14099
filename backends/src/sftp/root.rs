//! The destination's folder on the server.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use engine_api::{StoreError, StoreErrorKind};

use super::client::Client;
use super::errors::{Context, Problem};
use super::link::Link;
use super::requests::{Answer, Filesystem, Opening, Requests};
use super::settings::Settings;
use super::wire::{Attributes, FileKind, Status, flag};

/// The mode of folders that are made for the destination itself.
const PRIVATE: u32 = 0o700;

/// Below this a filesystem is full: what did not fit may have been larger than what is left.
const FULL: u64 = 64 << 10;

/// The folder everything lies in, and the way to it.
pub(super) struct Root {
    pub(super) client: Client,
    path: Vec<u8>,
    location: String,
    /// Which filesystem it was when it was opened, where the server tells.
    filesystem: Option<u64>,
    folder_sync: bool,
    /// How often the content of a file was changed.
    pub(super) changes: AtomicU64,
}

impl Root {
    /// Connects and finds the folder; with `create` it is made, with its parents, when it is not there.
    pub(super) fn open(settings: Settings, create: bool) -> Result<Self, StoreError> {
        let location = settings.location();
        let directory = settings.directory.clone().into_bytes();
        let context = Context::new("open", b"", &location);
        let open = || {
            let client = Client::connect(settings)?;
            let link = client.link()?;
            let directory = if directory.is_empty() {
                b".".as_slice()
            } else {
                &directory
            };
            if !is_folder(&link, directory, create)? {
                make(&link, directory)?;
            }
            // All that there is to ask is asked at once.
            let path = link.real_path(directory)?;
            let (statvfs, fsync) = (link.extensions().statvfs, link.extensions().fsync);
            let filesystem = statvfs.then(|| link.filesystem(directory)).transpose()?;
            let reading = || link.open_file(directory, flag::READ, &Attributes::default());
            let folder = fsync.then(reading).transpose()?;
            let path = path.name()?;
            let filesystem = filesystem.map(known).transpose()?.flatten().map(|found| found.id);
            Ok((client, path, filesystem, folder_syncs(folder)?))
        };
        let (client, path, filesystem, folder_sync) = open().map_err(|problem| context.error(problem))?;
        Ok(Self {
            client,
            path,
            location,
            filesystem,
            folder_sync,
            changes: AtomicU64::new(0),
        })
    }

    pub(super) fn location(&self) -> &str {
        &self.location
    }

    /// Where `name` is on the server; the empty name is the folder itself.
    pub(super) fn path_of(&self, name: &[u8]) -> Vec<u8> {
        join(&self.path, name)
    }

    /// The folder at `path` as a file, for [`sync_folder`]; none where folders cannot be synced.
    pub(super) fn open_folder(&self, link: &Arc<Link>, path: &[u8]) -> Result<Option<Opening>, Problem> {
        if !self.folder_sync {
            return Ok(None);
        }
        link.open_file(path, flag::READ, &Attributes::default()).map(Some)
    }

    /// Asks whether the folder's filesystem is still there. The answer is for [`check`](Self::check).
    pub(super) fn ask(&self, link: &Arc<Link>) -> Result<Option<Answer>, Problem> {
        if self.filesystem.is_none() {
            return Ok(None);
        }
        link.filesystem(&self.path).map(Some)
    }

    /// Refuses to go on when another filesystem is in the folder's place: the disk was unmounted.
    pub(super) fn check(&self, answer: Option<Answer>) -> Result<(), Problem> {
        let Some(answer) = answer else {
            return Ok(());
        };
        match answer.filesystem() {
            Ok(now) if Some(now.id) == self.filesystem => Ok(()),
            Ok(_) => Err(vanished()),
            Err(problem) if problem.is(StoreErrorKind::NotFound) => Err(vanished()),
            Err(problem) => Err(problem),
        }
    }

    /// The room there is, where the server tells.
    pub(super) fn filesystem(&self, link: &Arc<Link>) -> Result<Option<Filesystem>, Problem> {
        filesystem(link, &self.path)
    }

    /// Finds out why the server says no more than that something failed, or that something is not there: the disk may
    /// be full or read-only, or gone. `problem` itself, when nothing is found.
    pub(super) fn explain(&self, link: &Arc<Link>, problem: Problem) -> Problem {
        if problem.is(StoreErrorKind::NotFound) {
            return match link.stat(&self.path).and_then(Answer::attributes) {
                Err(gone) if gone.is(StoreErrorKind::NotFound) => vanished(),
                _ => problem,
            };
        }
        if !problem.is_vague() {
            return problem;
        }
        match self.filesystem(link) {
            Ok(Some(found)) if found.read_only => {
                Problem::known(StoreErrorKind::ReadOnly, "the filesystem is mounted read-only")
            }
            Ok(Some(found)) if found.space.available < FULL || found.no_names => {
                Problem::known(StoreErrorKind::NoSpace, "the filesystem is full")
            }
            _ => problem,
        }
    }
}

fn vanished() -> Problem {
    Problem::known(
        StoreErrorKind::Vanished,
        "the folder was unmounted, removed or replaced while it was in use",
    )
}

fn filesystem(link: &Arc<Link>, path: &[u8]) -> Result<Option<Filesystem>, Problem> {
    if !link.extensions().statvfs {
        return Ok(None);
    }
    known(link.filesystem(path)?)
}

/// What the server tells of a filesystem, where it can.
fn known(answer: Answer) -> Result<Option<Filesystem>, Problem> {
    match answer.filesystem() {
        Err(problem) if problem.is(StoreErrorKind::Unsupported) => Ok(None),
        other => other.map(Some),
    }
}

/// `name` in the folder `path`.
pub(super) fn join(path: &[u8], name: &[u8]) -> Vec<u8> {
    if name.is_empty() {
        return path.to_vec();
    }
    let slash: &[u8] = if path.ends_with(b"/") { b"" } else { b"/" };
    [path, slash, name].concat()
}

/// Whether the folder `directory` is there; when it is not and need not be.
fn is_folder(link: &Arc<Link>, directory: &[u8], create: bool) -> Result<bool, Problem> {
    match link.stat(directory)?.attributes() {
        Ok(found) if matches!(found.kind(), FileKind::Folder | FileKind::Unknown) => Ok(true),
        Ok(_) => Err(Problem::known(StoreErrorKind::NotFound, "it is no folder")),
        Err(problem) if problem.is(StoreErrorKind::NotFound) && create => Ok(false),
        Err(problem) => Err(problem),
    }
}

/// Makes `directory` with its parents.
fn make(link: &Arc<Link>, directory: &[u8]) -> Result<(), Problem> {
    let ends = directory
        .iter()
        .enumerate()
        .filter(|&(at, &byte)| at > 0 && byte == b'/');
    for end in ends.map(|(at, _)| at).chain([directory.len()]) {
        make_one(link, directory.get(..end).unwrap_or(directory), PRIVATE)?;
    }
    Ok(())
}

/// Makes one folder; one that is there is as good.
pub(super) fn make_one(link: &Arc<Link>, path: &[u8], mode: u32) -> Result<(), Problem> {
    let made = link.make_folder(path, mode)?;
    // What is there may be one that nobody may make anything beside.
    let there = link.stat(path)?;
    match made.done() {
        Ok(()) => Ok(()),
        Err(problem) => match there.attributes() {
            Ok(found) if matches!(found.kind(), FileKind::Folder | FileKind::Unknown) => Ok(()),
            _ => Err(problem),
        },
    }
}

/// Whether the server opens folders as it opens files, which is the only way to sync one.
fn folder_syncs(opening: Option<Opening>) -> Result<bool, Problem> {
    let Some(opening) = opening else { return Ok(false) };
    match opening.handle().and_then(|folder| folder.sync()).and_then(Answer::done) {
        Ok(()) => Ok(true),
        Err(problem) if problem.is_connections() => Err(problem),
        Err(_) => Ok(false),
    }
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(folder: Option<Opening>) -> Result<(), Problem> {
    let Some(folder) = folder else {
        return Ok(());
    };
    allow(folder.handle()?.sync()?.done(), &[])
}

/// Where a server or its filesystem has no such thing, there is nothing else to be done about it.
pub(super) fn allow(result: Result<(), Problem>, also: &[StoreErrorKind]) -> Result<(), Problem> {
    match result {
        Err(problem) if problem.is(StoreErrorKind::Unsupported) || also.contains(&problem.kind()) => Ok(()),
        Err(Problem::Status(status)) if status.code == Status::BAD_MESSAGE => Ok(()),
        other => other,
    }
}
