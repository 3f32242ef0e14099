//! The same folder as a tree of files.

mod ahead;
mod entries;
mod file;
mod folders;
mod links;
mod listings;
mod metadata;
mod probe;
mod remove;
mod rename;

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use engine_api::{
    EntryKind, FileCapabilities, FileStat, FileStore, Folder, Listed, NewMetadata, Space, StoreError, StoreErrorKind,
    StoredFile, Xattr,
};

use self::file::OpenFile;
pub(super) use self::folders::Made;
use super::blobs::temporary_name;
use super::errors::{Context, Problem};
use super::link::{Link, Share};
use super::requests::{Answer, Handle, Opening, Requests};
use super::root::{Root, allow};
use super::transfer;
use super::wire::{Attributes, FileKind, flag};

pub(super) struct Files {
    root: Arc<Root>,
    top: Folder,
    capabilities: OnceLock<FileCapabilities>,
    syncs_all: OnceLock<bool>,
    listings: listings::Listings,
    /// Much is about to be written.
    is_ready_for_much: AtomicBool,
}

/// What is being done, and to what.
type Place<'a> = (&'static str, &'a Folder, &'a [u8]);

impl Files {
    pub(super) fn new(root: Arc<Root>) -> Self {
        Self {
            root,
            top: Folder::top(),
            capabilities: OnceLock::new(),
            syncs_all: OnceLock::new(),
            listings: listings::Listings::default(),
            is_ready_for_much: AtomicBool::new(false),
        }
    }

    fn error(&self, (operation, folder, name): Place<'_>, problem: Problem) -> StoreError {
        let path = folder.path_of(name);
        let path = if name.is_empty() { folder.path() } else { path };
        Context::new(operation, &path, self.root.location()).error(problem)
    }

    /// Does `work` on the entry's path; why it failed is found out where the server does not tell.
    fn within<T>(
        &self,
        place: Place<'_>,
        work: impl FnOnce(&Arc<Link>, &[u8]) -> Result<T, Problem>,
    ) -> Result<T, StoreError> {
        let attempt = || {
            let link = self.root.client.link()?;
            let path = folders::path(&self.root, &link, place.1, place.2)?;
            self.listings.forget_of(&path);
            work(&link, &path).map_err(|problem| self.root.explain(&link, problem))
        };
        attempt().map_err(|problem| self.error(place, problem))
    }

    /// The same for what only reads: once more when the connection breaks over it.
    fn reading<T>(
        &self,
        place: Place<'_>,
        work: impl Fn(&Arc<Link>, &[u8]) -> Result<T, Problem>,
    ) -> Result<T, StoreError> {
        let attempt = |link: &Arc<Link>| {
            let path = folders::path(&self.root, link, place.1, place.2)?;
            work(link, &path)
        };
        let result = self.root.client.again(0, attempt);
        result.map_err(|problem| self.error(place, problem))
    }

    /// Asks for all of them at once; which were made.
    fn ask_for_folders(&self, folders: &[&Folder]) -> Vec<bool> {
        let Some(Ok(link)) = (folders.len() > 1).then(|| self.root.client.link()) else {
            return Vec::new();
        };
        let mut above = folders.iter().map(|folder| folder.above());
        let first = above.next().flatten();
        if first.is_none_or(|above| folders::folder(&self.root, &link, above).is_err()) {
            return Vec::new();
        }
        // Every other lies in the one before it, so that there is nothing more to prove.
        let is_chain = folders
            .iter()
            .zip(above)
            .all(|(one, next)| next.is_some_and(|above| above.path() == one.path()));
        if !is_chain {
            return Vec::new();
        }
        let path = |folder: &Folder| self.root.path_of(&folder.path());
        let asked: Vec<_> = folders
            .iter()
            .map(|folder| (path(folder), link.make_folder(&path(folder), 0o700)))
            .collect();
        if let Some((_, Ok(last))) = asked.last() {
            last.come();
        }
        let made = asked.into_iter().map(|(path, asked)| {
            let made = asked.and_then(Answer::done).is_ok();
            if made {
                self.root.made.note(&path);
            }
            made
        });
        made.collect()
    }

    fn linked(&self, link: &Arc<Link>, path: &[u8], answer: Answer) -> Result<(), Problem> {
        let made = making(link, path, answer.done());
        made.map_err(|problem| match self.root.explain(link, problem) {
            // Nothing else is left that a server would not name.
            problem if problem.is_vague() => Problem::known(
                StoreErrorKind::TooManyLinks,
                "the server refuses one more name for the file",
            ),
            problem => problem,
        })
    }

    /// Finds out whether all can be synced at once, with a folder that is gone afterwards.
    fn find_whole(&self) -> bool {
        let (top, name) = (self.root(), temporary_name());
        let path = self.root.path_of(&name);
        let found = self.root.whole.find(&self.root, |link| {
            making(link, &path, link.make_folder(&path, 0o700)?.done())?;
            Ok(path.clone())
        });
        if !matches!(found, Ok(None)) {
            let _ = self.remove_folder(&top, &name);
        }
        matches!(found, Ok(Some(true)))
    }

    /// The folder, open to be synced; `None` where that cannot be.
    fn opened(&self, link: &Arc<Link>, folder: &Folder) -> Result<Option<Arc<Handle>>, Problem> {
        let path = folders::folder(&self.root, link, folder)?;
        if folder.above().is_none_or(|above| above.above().is_none()) {
            // The topmost are synced several times in a run.
            return self.root.kept(link, &path);
        }
        let opening = self.root.open_folder(link, &path)?;
        Ok(opening.map(Opening::handle).transpose()?.map(Arc::new))
    }

    /// What was known of these paths, and of what is below them, may be so no more.
    fn forget(&self, paths: &[&[u8]]) {
        paths.iter().for_each(|path| self.root.made.forget(path));
        self.listings.forget();
    }

    /// A file that is open, with its size where that is known; one that is new has a share in its channel.
    fn file(
        &self,
        folder: &Folder,
        name: &[u8],
        handle: Handle,
        known: (Option<u64>, Option<Share>),
    ) -> Box<dyn StoredFile> {
        Box::new(OpenFile::new(
            Arc::clone(&self.root),
            folder.path_of(name),
            handle,
            known,
        ))
    }
}

/// A request that makes a name: where the server says no more than that it failed, the name may be taken.
fn making<T>(link: &Arc<Link>, path: &[u8], result: Result<T, Problem>) -> Result<T, Problem> {
    match result {
        Err(problem) if problem.is_vague() && is_there(link, path)? => {
            Err(Problem::known(StoreErrorKind::AlreadyExists, "it is there already"))
        }
        other => other,
    }
}

/// Opens a regular file, with what it was just before that.
fn open(link: &Arc<Link>, path: &[u8]) -> Result<(Handle, Attributes), Problem> {
    // A pipe would hold the server up for ever, and it follows links.
    let found = link.lstat(path)?.attributes()?;
    if !matches!(found.kind(), FileKind::File | FileKind::Unknown) {
        return Err(Problem::known(StoreErrorKind::Other, "it is no regular file"));
    }
    let handle = link.open_file(path, flag::READ, &Attributes::default())?.handle()?;
    Ok((handle, found))
}

fn check_links(link: &Link) -> Result<(), Problem> {
    if link.extensions().hard_link {
        return Ok(());
    }
    Err(Problem::known(
        StoreErrorKind::Unsupported,
        "the server cannot make hard links",
    ))
}

fn is_there(link: &Arc<Link>, path: &[u8]) -> Result<bool, Problem> {
    match link.lstat(path)?.attributes() {
        Ok(_) => Ok(true),
        Err(problem) if problem.is(StoreErrorKind::NotFound) => Ok(false),
        Err(problem) => Err(problem),
    }
}

impl FileStore for Files {
    fn location(&self) -> &str {
        self.root.location()
    }

    fn capabilities(&self) -> &FileCapabilities {
        self.capabilities.get_or_init(|| {
            let found = probe::probe(self);
            if self.is_ready_for_much.load(Ordering::Relaxed)
                && let Ok(link) = self.root.client.link()
            {
                link.open_early();
            }
            found
        })
    }

    fn root(&self) -> Folder {
        self.top.clone()
    }

    /// What the server's processes need to start is spent while other things are asked.
    fn get_ready(&self) {
        self.is_ready_for_much.store(true, Ordering::Relaxed);
        self.root.whole.begin(&self.root);
    }

    fn syncs_all(&self) -> bool {
        *self.syncs_all.get_or_init(|| self.find_whole())
    }

    fn stat(&self, folder: &Folder, name: &[u8]) -> Result<Option<FileStat>, StoreError> {
        self.reading(("look at", folder, name), |link, path| {
            match link.lstat(path)?.attributes() {
                Ok(found) => Ok(Some(metadata::stat(&found)?)),
                Err(problem) if problem.is(StoreErrorKind::NotFound) => Ok(None),
                Err(problem) => Err(problem),
            }
        })
    }

    fn list(&self, folder: &Folder, each: &mut dyn FnMut(Listed<'_>) -> ControlFlow<()>) -> Result<(), StoreError> {
        let place = ("list", folder, &b""[..]);
        let mut attempt = || {
            let link = self.root.client.link()?;
            let (path, proofs) = folders::path_and_proofs(&self.root, &link, folder)?;
            let opening = link.open_folder(&path)?;
            proofs.take()?;
            entries::list(&self.root, opening, each).map_err(|problem| self.root.explain(&link, problem))
        };
        attempt().map_err(|problem| self.error(place, problem))
    }

    fn read_link(&self, folder: &Folder, name: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.reading(("read the link", folder, name), |link, path| {
            link.read_link(path)?.name()
        })
    }

    fn xattrs(&self, folder: &Folder, name: &[u8]) -> Result<Vec<Xattr>, StoreError> {
        self.reading(("read the attributes of", folder, name), |_, _| Ok(Vec::new()))
    }

    fn make_folder(&self, folder: &Folder, name: &[u8]) -> Result<(), StoreError> {
        self.within(("make the folder", folder, name), |link, path| {
            making(link, path, link.make_folder(path, 0o700)?.done())?;
            self.root.made.note(path);
            Ok(())
        })
    }

    fn make_folders(&self, folders: &[&Folder]) -> Vec<Result<(), StoreError>> {
        let mut made = self.ask_for_folders(folders).into_iter();
        let results = folders.iter().map(|folder| match (folder.above(), made.next()) {
            (None, _) | (Some(_), Some(true)) => Ok(()),
            // A server may have done them in another order; and why it failed is found out by doing it again.
            (Some(above), _) => self.make_folder(above, folder.name()),
        });
        results.collect()
    }

    fn create(&self, folder: &Folder, name: &[u8]) -> Result<Box<dyn StoredFile>, StoreError> {
        let (handle, share) = self.within(("create", folder, name), |link, path| {
            // What is tried out is tried on one channel: there, what is closed without waiting is closed when it is removed.
            let is_tried = self.capabilities.get().is_none();
            let share = if is_tried { link.share_own() } else { link.share() };
            let flags = flag::READ | flag::WRITE | flag::CREATE | flag::EXCLUSIVE;
            let opening = share.link().open_file(path, flags, &Attributes::with_mode(0o600))?;
            Ok((making(share.link(), path, opening.handle())?, share))
        })?;
        Ok(self.file(folder, name, handle, (None, Some(share))))
    }

    fn open(&self, folder: &Folder, name: &[u8]) -> Result<Box<dyn StoredFile>, StoreError> {
        let (handle, found) = self.reading(("open", folder, name), open)?;
        Ok(self.file(folder, name, handle, (found.size, None)))
    }

    fn read_start(&self, folder: &Folder, name: &[u8], most: usize) -> Result<(FileStat, Vec<u8>), StoreError> {
        self.reading(("read", folder, name), |link, path| {
            let (handle, found) = open(link, path)?;
            let content = transfer::read_start(&handle, found.size.unwrap_or(0), most)?;
            Ok((metadata::stat(&found)?, content))
        })
    }

    fn symlink(&self, folder: &Folder, name: &[u8], points_to: &[u8]) -> Result<(), StoreError> {
        self.within(("make the link", folder, name), |link, path| {
            making(link, path, link.symlink(path, points_to)?.done())
        })
    }

    fn hard_link(&self, from: (&Folder, &[u8]), to: (&Folder, &[u8])) -> Result<(), StoreError> {
        self.within(("make the link", to.0, to.1), |link, path| {
            check_links(link)?;
            let from = folders::path(&self.root, link, from.0, from.1)?;
            self.linked(link, path, link.hard_link(&from, path)?)
        })
    }

    /// Everything is asked at once, also what the old folder is; what was linked in vain is removed.
    fn hard_links_if(
        &self,
        from: &Folder,
        to: &Folder,
        names: &[&[u8]],
        fits: &dyn Fn(usize, &FileStat) -> bool,
    ) -> Vec<Result<bool, StoreError>> {
        links::link_all(self, from, to, names, fits)
    }

    fn make_node(&self, folder: &Folder, name: &[u8], _kind: EntryKind, _rdev: u64) -> Result<(), StoreError> {
        self.within(("make", folder, name), |_, _| {
            Err(Problem::known(
                StoreErrorKind::Unsupported,
                "SFTP cannot make pipes and devices",
            ))
        })
    }

    fn rename(&self, from: (&Folder, &[u8]), to: (&Folder, &[u8])) -> Result<(), StoreError> {
        rename::rename(self, from, to)
    }

    fn rename_durably(&self, from: (&Folder, &[u8]), to: (&Folder, &[u8])) -> Result<(), StoreError> {
        rename::rename_durably(self, from, to)
    }

    fn remove(&self, folder: &Folder, name: &[u8]) -> Result<(), StoreError> {
        remove::remove(self, folder, name)
    }

    fn remove_all(&self, folder: &Folder, names: &[&[u8]]) -> Vec<Result<(), StoreError>> {
        remove::remove_all(self, folder, names)
    }

    fn remove_folder(&self, folder: &Folder, name: &[u8]) -> Result<(), StoreError> {
        remove::remove_folder(self, folder, name)
    }

    fn set_metadata(&self, folder: &Folder, name: &[u8], metadata: &NewMetadata<'_>) -> Vec<StoreError> {
        let mut failed = Vec::new();
        let place = ("set the metadata of", folder, name);
        let done = self.within(place, |link, path| {
            // A time of reading alone keeps that of the change, which must be known.
            let asks_for_times = metadata.mtime.is_none() && metadata.atime.is_some();
            let found = if !asks_for_times && self.root.made.is_plain(path) {
                metadata::folder()
            } else {
                link.lstat(path)?.attributes()?
            };
            let target = metadata::Target::Path { link, path, found };
            metadata::set(&target, metadata, &mut |operation, problem| {
                failed.push((operation, problem))
            })
        });
        let failed = failed.into_iter();
        let failed = failed.map(|(operation, problem)| self.error((operation, folder, name), problem));
        failed.chain(done.err()).collect()
    }

    fn sync_folder(&self, folder: &Folder) -> Result<(), StoreError> {
        let attempt = || {
            let link = self.root.client.link()?;
            match self.opened(&link, folder)? {
                Some(folder) => allow(folder.sync()?.done(), &[]),
                None => Ok(()),
            }
        };
        attempt().map_err(|problem| self.error(("sync the folder", folder, b""), problem))
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.syncs_all();
        let synced = std::thread::scope(|scope| {
            // Names in it are changed next, and are to be made durable.
            scope.spawn(|| {
                let link = self.root.client.link()?;
                self.root.kept(&link, &self.root.path_of(b""))
            });
            self.root.whole.sync(&self.root)
        });
        synced.map_err(|problem| self.error(("sync", &self.top, b""), problem))
    }

    fn space(&self) -> Result<Option<Space>, StoreError> {
        let found = self.root.client.again(0, |link| self.root.filesystem(link));
        let found = found.map_err(|problem| self.error(("ask for the free space of", &self.top, b""), problem))?;
        Ok(found.map(|found| found.space))
    }
}
