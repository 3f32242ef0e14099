use std::sync::Arc;

use data_encoding::HEXLOWER;
use engine_api::{Body, Key, PutMode, StoreErrorKind};

use super::place::Exclusive;
use super::{Blobs, TEMPORARY, is_reserved};
use crate::sftp::errors::Problem;
use crate::sftp::link::Link;
use crate::sftp::requests::{Answer, Handle, Opening, Requests};
use crate::sftp::root::{allow, join, make_one, sync_folder};
use crate::sftp::transfer::Writes;
use crate::sftp::wire::{Attributes, FileKind, flag};

pub(super) fn put(store: &Blobs, key: &Key, body: Body<'_>, mode: PutMode) -> Result<(), Problem> {
    if is_reserved(key) {
        return Err(Problem::known(
            StoreErrorKind::Other,
            "the name is reserved for temporary files",
        ));
    }
    let share = store.root.client.link_for(body.len())?.share();
    let link = share.link();
    store.leftovers.sweep(link);
    let target = Target::new(store, link, key);
    let started = target.start(mode)?;
    let result = target.finish(started, body, mode);
    result.map_err(|problem| {
        // The reason first: with the file the sign of a full disk would go.
        let problem = store.root.explain(link, problem);
        target.discard();
        problem
    })
}

pub(super) fn remove(store: &Blobs, key: &Key) -> Result<(), Problem> {
    if is_reserved(key) {
        return Err(Problem::not_found());
    }
    let link = store.root.client.link()?;
    store.leftovers.sweep(&link);
    let target = Target::new(store, &link, key);
    let folder = target.open_folder()?;
    let removed = link.remove(&target.path)?.done();
    removed.map_err(|problem| super::absent(&link, &target.path, problem))?;
    sync_folder(folder)
}

/// The file of an object that is being written.
struct Target<'a> {
    store: &'a Blobs,
    link: &'a Arc<Link>,
    /// Where its folder is, from the destination's.
    folder: &'a [u8],
    path: Vec<u8>,
    temporary: Vec<u8>,
}

/// Everything that is ready before the first byte is sent.
struct Started {
    file: Handle,
    folder: Option<Opening>,
    /// The folders in which one was made, being synced.
    above: Vec<Answer>,
    filesystem: Option<Answer>,
}

impl<'a> Target<'a> {
    fn new(store: &'a Blobs, link: &'a Arc<Link>, key: &'a Key) -> Self {
        let name = key.as_bytes();
        let slash = name.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
        let folder = name.get(..slash).unwrap_or_default();
        Self {
            store,
            link,
            folder,
            path: store.path(key),
            temporary: join(&store.root.path_of(folder), &temporary_name()),
        }
    }

    /// Opens the temporary file, makes the folders that are missing, and asks all that must be known, at once.
    fn start(&self, mode: PutMode) -> Result<Started, Problem> {
        let taken = (mode == PutMode::Create)
            .then(|| self.link.lstat(&self.path))
            .transpose()?;
        let mut filesystem = self.store.root.ask(self.link)?;
        let (mut file, mut folder) = self.open()?;
        let mut above = Vec::new();
        if is_missing(&file) {
            // No folder is made where the destination was.
            self.store.root.check(filesystem.take())?;
            let asked = self.ask_for_folders()?;
            (file, folder) = self.open()?;
            if file.is_ok() {
                // At once, for another object may be in the new folder before this one.
                let syncs = asked.into_iter().map(|opening| opening.handle()?.sync());
                above = syncs.collect::<Result<_, _>>().inspect_err(|_| self.discard())?;
            }
        }
        if is_missing(&file) {
            // A server may do what it is asked in another order; and why it makes no folder is found out one by one.
            self.make_folders()?;
            (file, folder) = self.open()?;
        }
        let file = file.map_err(|problem| self.store.root.explain(self.link, problem))?;
        if taken.is_some_and(|taken| taken.attributes().is_ok()) {
            self.discard();
            return Err(exists());
        }
        Ok(Started {
            file,
            folder,
            above,
            filesystem,
        })
    }

    /// Opens the temporary file, and its folder to be synced.
    fn open(&self) -> Result<(Result<Handle, Problem>, Option<Opening>), Problem> {
        let opening = self.open_temporary()?;
        let folder = self.open_folder()?;
        Ok((opening.handle(), folder))
    }

    fn open_temporary(&self) -> Result<Opening, Problem> {
        let flags = flag::WRITE | flag::CREATE | flag::EXCLUSIVE;
        self.link
            .open_file(&self.temporary, flags, &Attributes::with_mode(0o600))
    }

    /// The folder as a file, to be synced; none where that cannot be.
    fn open_folder(&self) -> Result<Option<Opening>, Problem> {
        let root = &self.store.root;
        root.open_folder(self.link, &root.path_of(self.folder))
    }

    /// The folders below the destination's own, which is never made again, from the outermost on: each with that above.
    fn folders(&self) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
        let root = &self.store.root;
        let slashes = self.folder.iter().enumerate().filter(|&(_, &byte)| byte == b'/');
        let ends = slashes.map(|(at, _)| at).chain([self.folder.len()]);
        let paths = ends.filter_map(|end| self.folder.get(..end).filter(|name| !name.is_empty()));
        paths.scan(root.path_of(b""), |above, name| {
            let path = root.path_of(name);
            Some((std::mem::replace(above, path.clone()), path))
        })
    }

    /// Asks for the folders at once, and opens what is above each, to be synced. Whether they are there shows when the file
    /// is opened.
    fn ask_for_folders(&self) -> Result<Vec<Opening>, Problem> {
        let mut opened = Vec::new();
        for (above, path) in self.folders() {
            let _ = self.link.make_folder(&path, self.store.place.folder_mode)?;
            opened.extend(self.store.root.open_folder(self.link, &above)?);
        }
        Ok(opened)
    }

    /// Makes the folders one after the other.
    fn make_folders(&self) -> Result<(), Problem> {
        let root = &self.store.root;
        for (above, path) in self.folders() {
            make_one(self.link, &path, self.store.place.folder_mode)
                .map_err(|problem| root.explain(self.link, problem))?;
            sync_folder(root.open_folder(self.link, &above)?)?;
        }
        Ok(())
    }

    fn finish(&self, started: Started, body: Body<'_>, mode: PutMode) -> Result<(), Problem> {
        self.fill(started.file, body)?;
        self.store.root.check(started.filesystem)?;
        match mode {
            PutMode::Create => self.create()?,
            PutMode::Replace => self.replace()?,
        }
        started
            .above
            .into_iter()
            .try_for_each(|synced| allow(synced.done(), &[]))?;
        sync_folder(started.folder)
    }

    /// Writes all of `body`, gives the file its mode, and makes both durable.
    fn fill(&self, file: Handle, body: Body<'_>) -> Result<(), Problem> {
        let length = body.len();
        let (mut reader, mut writes, mut sent) = (body.reader(), Writes::default(), 0);
        while sent < length {
            let most = usize::try_from(length - sent).unwrap_or(usize::MAX);
            let read = writes.send(&file, sent, &mut *reader, most)?;
            if read == 0 {
                // The file behind the body has shrunk: half an object must never get a name.
                let end = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
                return Err(Problem::Body(Arc::new(end)));
            }
            sent += read as u64;
        }
        let mode = file.set(&Attributes::with_mode(self.store.place.file_mode))?;
        let synced = self.link.extensions().fsync.then(|| file.sync()).transpose()?;
        let closed = file.close()?;
        writes.finish()?;
        allow(mode.done(), &[StoreErrorKind::PermissionDenied])?;
        synced.map_or(Ok(()), |synced| allow(synced.done(), &[]))?;
        closed.done()
    }

    /// Gives the finished file its name, which nobody may have.
    fn create(&self) -> Result<(), Problem> {
        let result = match self.store.place.exclusive {
            Exclusive::Link => {
                let linked = self.link.hard_link(&self.temporary, &self.path)?;
                let removed = self.link.remove(&self.temporary)?;
                let linked = linked.done();
                let _ = removed.done();
                linked
            }
            Exclusive::Look => self.link.rename_new(&self.temporary, &self.path)?.done(),
        };
        match result {
            Err(problem) if problem.is_vague() && self.is_taken()? => Err(exists()),
            other => other,
        }
    }

    /// Gives the finished file its name, in place of what has it.
    fn replace(&self) -> Result<(), Problem> {
        if self.link.extensions().posix_rename {
            return self.link.rename_over(&self.temporary, &self.path)?.done();
        }
        match self.link.rename_new(&self.temporary, &self.path)?.done() {
            Err(problem) if problem.is_vague() && self.is_taken()? => self.swap(),
            other => other,
        }
    }

    /// The best that a server without a replacing rename can do: the old object steps aside, and comes back when the
    /// new one cannot take its place.
    fn swap(&self) -> Result<(), Problem> {
        let aside = join(&self.store.root.path_of(self.folder), &temporary_name());
        self.link.rename_new(&self.path, &aside)?.done()?;
        if let Err(problem) = self.link.rename_new(&self.temporary, &self.path)?.done() {
            self.link.rename_new(&aside, &self.path)?.done()?;
            return Err(problem);
        }
        self.link.remove(&aside)?.done()
    }

    fn is_taken(&self) -> Result<bool, Problem> {
        match self.link.lstat(&self.path)?.attributes() {
            Ok(found) => Ok(found.kind() != FileKind::Folder),
            Err(problem) if problem.is(StoreErrorKind::NotFound) => Ok(false),
            Err(problem) => Err(problem),
        }
    }

    /// Removes what is left under the temporary name.
    fn discard(&self) {
        let _ = self.link.remove(&self.temporary).and_then(Answer::done);
    }
}

fn is_missing(opened: &Result<Handle, Problem>) -> bool {
    opened
        .as_ref()
        .is_err_and(|problem| problem.is(StoreErrorKind::NotFound))
}

fn exists() -> Problem {
    Problem::known(StoreErrorKind::AlreadyExists, "it is there already")
}

/// A name that no other writer has, on any machine.
pub(in crate::sftp) fn temporary_name() -> Vec<u8> {
    let mut random = [0; 8];
    if getrandom::fill(&mut random).is_err() {
        random = u64::from(std::process::id()).to_be_bytes();
    }
    [TEMPORARY, HEXLOWER.encode(&random).as_bytes()].concat()
}
