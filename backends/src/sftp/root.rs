//! The destination's folder on the server.

use std::hash::{DefaultHasher, Hasher};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use engine_api::{StoreError, StoreErrorKind};

use super::client::Client;
use super::errors::{Context, Problem};
use super::files::Made;
use super::link::Link;
use super::requests::{Answer, Filesystem, Handle, Opening, Requests};
use super::settings::Settings;
use super::whole::Known;
use super::wire::{Attributes, FileKind, Status, flag};

/// The mode of folders that are made for the destination itself.
const PRIVATE: u32 = 0o700;

/// So many folders are kept open to be synced.
const KEPT: usize = 4;

/// Below this a filesystem is full: what did not fit may have been larger than what is left.
const FULL: u64 = 64 << 10;

/// The folder everything lies in, and the way to it.
pub(super) struct Root {
    pub(super) client: Client,
    path: Vec<u8>,
    location: String,
    /// Which filesystem it was when it was opened, where the server tells.
    filesystem: Option<u64>,
    /// Whether folders can be synced, when somebody wanted to know.
    folder_sync: OnceLock<bool>,
    /// The answer to that question, until then.
    syncing: Mutex<Option<Syncing>>,
    /// Folders at the top, open to be synced.
    kept: Mutex<Vec<(Vec<u8>, Arc<Handle>)>>,
    pub(super) changes: Changes,
    pub(super) made: Made,
    /// Whether all can be synced at once, and how.
    pub(super) whole: Known,
}

/// How often the contents of files were changed; files share a few counts, by their paths.
pub(super) struct Changes([AtomicU64; 256]);

impl Default for Changes {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Changes {
    /// The count that a file has a share in.
    pub(super) fn of(&self, path: &[u8]) -> &AtomicU64 {
        let mut hasher = DefaultHasher::new();
        hasher.write(path);
        let [first, ..] = hasher.finish().to_ne_bytes();
        let [count, ..] = &self.0;
        self.0.get(usize::from(first)).unwrap_or(count)
    }
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
            // All that there is to ask is asked at once; a folder that has to be made first is the exception.
            let there = link.stat(directory)?;
            let mut asked = First::ask(&link, directory)?;
            if !is_folder(there, create)? {
                make(&link, directory)?;
                asked = First::ask(&link, directory)?;
            }
            let path = asked.path.name()?;
            let filesystem = asked.filesystem.map(known).transpose()?.flatten();
            let syncing = asked.folder.map(begin_sync).transpose()?;
            let whole = Known::before_anything(&link);
            Ok((client, path, filesystem.map(|found| found.id), syncing, whole))
        };
        let (client, path, filesystem, syncing, whole) = open().map_err(|problem| context.error(problem))?;
        Ok(Self {
            client,
            path,
            location,
            filesystem,
            folder_sync: OnceLock::new(),
            syncing: Mutex::new(syncing),
            kept: Mutex::default(),
            changes: Changes::default(),
            made: Made::default(),
            whole,
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
        if !self.syncs_folders(link)? {
            return Ok(None);
        }
        link.open_file(path, flag::READ, &Attributes::default()).map(Some)
    }

    /// Whether the server opens folders as it opens files, which is the only way to sync one.
    fn syncs_folders(&self, link: &Arc<Link>) -> Result<bool, Problem> {
        if let Some(known) = self.folder_sync.get() {
            return Ok(*known);
        }
        let asked = self.syncing.lock().unwrap_or_else(PoisonError::into_inner).take();
        let answer = match asked.map(|asked| asked.and_then(Answer::done)) {
            Some(answer) if !answer.as_ref().is_err_and(Problem::is_connections) => answer,
            // Nobody has asked yet, or the answer was lost.
            _ if link.extensions().fsync => {
                let opening = link.open_file(&self.path, flag::READ, &Attributes::default())?;
                begin_sync(opening)?.and_then(Answer::done)
            }
            _ => return Ok(*self.folder_sync.get_or_init(|| false)),
        };
        match answer {
            Err(problem) if problem.is_connections() => Err(problem),
            other => Ok(*self.folder_sync.get_or_init(|| other.is_ok())),
        }
    }

    /// A folder at the top, open to be synced, which stays open for the next time; `None` where that cannot be.
    pub(super) fn kept(&self, link: &Arc<Link>, path: &[u8]) -> Result<Option<Arc<Handle>>, Problem> {
        let known = {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.retain(|(_, handle)| Arc::ptr_eq(handle.link(), link));
            kept.iter()
                .find(|(of, _)| of == path)
                .map(|(_, handle)| Arc::clone(handle))
        };
        if known.is_some() {
            return Ok(known);
        }
        let Some(opening) = self.open_folder(link, path)? else {
            return Ok(None);
        };
        let handle = Arc::new(opening.handle()?);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT {
            kept.push((path.to_vec(), Arc::clone(&handle)));
        }
        Ok(Some(handle))
    }

    /// Closes what is kept open.
    pub(super) fn close_kept(&self) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.whole.let_go();
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

impl Drop for Root {
    /// What is open keeps its connection, which is to end while there is somebody to end it.
    fn drop(&mut self) {
        self.close_kept();
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

/// What is asked about the folder when it is opened.
struct First {
    path: Answer,
    filesystem: Option<Answer>,
    folder: Option<Opening>,
}

impl First {
    fn ask(link: &Arc<Link>, directory: &[u8]) -> Result<Self, Problem> {
        let (statvfs, fsync) = (link.extensions().statvfs, link.extensions().fsync);
        let reading = || link.open_file(directory, flag::READ, &Attributes::default());
        Ok(Self {
            path: link.real_path(directory)?,
            filesystem: statvfs.then(|| link.filesystem(directory)).transpose()?,
            folder: fsync.then(reading).transpose()?,
        })
    }
}

/// Whether the folder is there, as the answer says; when it is not and need not be.
fn is_folder(there: Answer, create: bool) -> Result<bool, Problem> {
    match there.attributes() {
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

/// Whether a folder can be synced: the answer to that, or why it could not be asked.
type Syncing = Result<Answer, Problem>;

/// Begins to sync a folder that is being opened; the outer error is the connection's.
fn begin_sync(opening: Opening) -> Result<Syncing, Problem> {
    match opening.handle().and_then(|folder| folder.sync()) {
        Err(problem) if problem.is_connections() => Err(problem),
        other => Ok(other),
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
