//! What the folder can do, found out by doing it, in a folder that is gone afterwards.

use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use engine_api::{
    FileCapabilities, FileStat, FileStore, Folder, NewMetadata, StoreError, StoreErrorKind, StoredFile, Timestamp,
    Unanswered,
};

use super::Files;
use crate::sftp::blobs::temporary_name;

/// Each waits for the server most of the time: so many at once hide a way of 20 ms behind six thousand files a second.
const CONCURRENCY: usize = 256;
/// The same where the server does not say how many files may be open.
const CAUTIOUS: usize = 64;

/// A time that no server's clock shows.
const TIME: Timestamp = Timestamp {
    seconds: 1_234_567_891,
    nanos: 0,
};

/// A name that not every filesystem takes.
const ODD: &[u8] = b"\xff:?*|\" ";
/// Everything that is made.
const NAMES: &[&[u8]] = &[b"file", b"second", b"copy", b"old", b"new", b"link", b"owned", ODD];

/// What is in the file that things are tried out with.
const CONTENT: [u8; 5000] = [7; 5000];
const SIZE: u64 = CONTENT.len() as u64;

const NOTHING: NewMetadata<'_> = NewMetadata {
    owner: None,
    mode: None,
    mtime: None,
    atime: None,
    xattrs: None,
};

/// So often is a place tried out whose server does not answer, with a longer wait each time.
const TRIES: u32 = 6;
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// What the folder can do; where the connection is lost in the middle it is found out once more, for a question without an
/// answer is no "no".
pub(super) fn probe(store: &Files) -> FileCapabilities {
    let mut found = once(store);
    for again in 0..TRIES {
        if !found.unanswered.as_ref().is_some_and(|why| is_lost(why.kind)) {
            break;
        }
        std::thread::sleep(FIRST_WAIT * 2_u32.pow(again));
        found = once(store);
    }
    found
}

fn is_lost(kind: StoreErrorKind) -> bool {
    matches!(kind, StoreErrorKind::Connection | StoreErrorKind::Timeout)
}

fn once(store: &Files) -> FileCapabilities {
    let mut found = FileCapabilities::default();
    let (root, name) = (store.root(), temporary_name());
    let Ok(folder) = root.child(&name) else {
        return found;
    };
    let probe = Probe {
        store,
        folder,
        lost: Mutex::default(),
    };
    // Where not even a file can be made, nothing was asked yet.
    let asked = store.make_folder(&root, &name).and_then(|()| {
        let asked = probe.all(&mut found);
        // What is left when its names are gone has others than were asked for.
        if !super::remove::remove_with(store, &probe.folder, NAMES) {
            probe.empty();
            let _ = store.remove_folder(&root, &name);
        }
        asked
    });
    let lost = probe.lost.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(why) = lost.or_else(|| asked.err().as_ref().map(Unanswered::from)) {
        found = FileCapabilities::default();
        found.unanswered = Some(why);
    }
    found.concurrency = concurrency(store);
    found
}

/// Each may have two files open; as many are left for everything else.
fn concurrency(store: &Files) -> usize {
    let limits = store.root.client.link().map(|link| link.limits());
    let open = limits.ok().and_then(|limits| limits.open);
    open.map_or(CAUTIOUS, |open| (open / 4).clamp(1, CONCURRENCY))
}

/// What a thread found out; nothing, when it came to no end.
fn joined<T: Default>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_default()
}

struct Probe<'a> {
    store: &'a Files,
    folder: Folder,
    /// Why there was no answer.
    lost: Mutex<Option<Unanswered>>,
}

impl Probe<'_> {
    /// Tries everything at the same time: each thing takes several turns, one after the other.
    fn all(&self, found: &mut FileCapabilities) -> Result<(), StoreError> {
        let (store, folder) = (self.store, &self.folder);
        thread::scope(|scope| {
            let any_name = scope.spawn(|| self.keeps_odd_names());
            let symlinks = scope.spawn(|| self.symlinks());
            let replaces = scope.spawn(|| self.replaces());
            let owners = scope.spawn(|| self.owners());
            let copy = scope.spawn(|| self.answer(store.create(folder, b"copy")));
            let file = store.create(folder, b"file")?;
            file.write_at(0, &CONTENT)?;
            let copy = joined(copy);
            self.with_file(file.as_ref(), copy.as_deref(), found)?;
            (found.any_name, found.atomic_replace, found.owners) = (joined(any_name), joined(replaces), joined(owners));
            (found.symlinks, found.link_metadata) = joined(symlinks);
            Ok(())
        })
    }

    /// What can be done with a file that has content.
    fn with_file(
        &self,
        file: &dyn StoredFile,
        copy: Option<&dyn StoredFile>,
        found: &mut FileCapabilities,
    ) -> Result<(), StoreError> {
        thread::scope(|scope| {
            let hard_links = scope.spawn(|| self.links(file));
            let other_case = scope.spawn(|| self.store.stat(&self.folder, b"FILE"));
            let copies = scope.spawn(|| copy.is_some_and(|copy| self.copies(copy, file)));
            // What is being written may fail later; this waits for it.
            file.stat()?;
            (found.modes, found.time_unit) = self.modes_and_times(file, found.time_unit);
            found.hard_links = joined(hard_links);
            found.copy_range = joined(copies);
            found.case_sensitive = other_case.join().unwrap_or(Ok(None))?.is_none();
            // What has hard links is no FAT, and everything else has holes; the protocol does not tell.
            found.holes = found.hard_links;
            Ok(())
        })
    }

    fn links(&self, file: &dyn StoredFile) -> bool {
        let (store, folder) = (self.store, &self.folder);
        self.can(store.hard_link((folder, b"file"), (folder, b"second")))
            // By then it is written.
            && self.can(file.stat())
            && self.look(b"second").is_some_and(|second| second.size == SIZE)
    }

    fn copies(&self, copy: &dyn StoredFile, file: &dyn StoredFile) -> bool {
        self.can(copy.copy_range(file, 0..SIZE, 0)) && self.answer(copy.stat()).is_some_and(|stat| stat.size == SIZE)
    }

    fn keeps_odd_names(&self) -> bool {
        self.can(self.store.create(&self.folder, ODD)) && self.names().iter().any(|name| name == ODD)
    }

    fn replaces(&self) -> bool {
        let (store, folder) = (self.store, &self.folder);
        let made = thread::scope(|scope| {
            let new = scope.spawn(|| self.can(store.create(folder, b"new")));
            let old = self.answer(store.create(folder, b"old"));
            let written =
                old.is_some_and(|old| self.can(old.write_at(0, &CONTENT)) && self.can(old.complete(&NOTHING, false)));
            joined(new) && written
        });
        made && self.can(store.rename((folder, b"new"), (folder, b"old")))
            && self.look(b"old").is_some_and(|stat| stat.size == 0)
            && self.renames_over()
    }

    /// What an answer says, if it is one.
    fn answer<T>(&self, result: Result<T, StoreError>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                if is_lost(error.kind) {
                    let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
                    lost.get_or_insert_with(|| Unanswered::from(&error));
                }
                None
            }
        }
    }

    fn can(&self, result: Result<impl Sized, StoreError>) -> bool {
        self.answer(result).is_some()
    }

    fn sets(&self, errors: Vec<StoreError>) -> bool {
        let mut all = true;
        for error in errors {
            all = self.can(Err::<(), _>(error));
        }
        all
    }

    fn look(&self, name: &[u8]) -> Option<FileStat> {
        self.answer(self.store.stat(&self.folder, name)).flatten()
    }

    fn names(&self) -> Vec<Vec<u8>> {
        let mut names = Vec::new();
        self.can(self.store.list(&self.folder, &mut |listed| {
            names.push(listed.name.to_vec());
            ControlFlow::Continue(())
        }));
        names
    }

    /// Whether a rename replaces in one step: only the server's own word tells.
    fn renames_over(&self) -> bool {
        let link = self.store.root.client.link();
        link.is_ok_and(|link| link.extensions().posix_rename)
    }

    /// Whether symbolic links can be made, and whether they have metadata of their own.
    fn symlinks(&self) -> (bool, bool) {
        let (store, folder, target) = (self.store, &self.folder, b"nowhere/\xfe");
        if !self.can(store.symlink(folder, b"link", target)) {
            return (false, false);
        }
        let new = NewMetadata {
            mtime: Some(TIME),
            ..NOTHING
        };
        thread::scope(|scope| {
            let read = scope.spawn(|| self.answer(store.read_link(folder, b"link")));
            let described = self.sets(store.set_metadata(folder, b"link", &new))
                && self.look(b"link").is_some_and(|stat| stat.mtime == TIME);
            let made = joined(read).is_some_and(|read| read == target);
            (made, made && described)
        })
    }

    /// Whether modes are kept, and the unit of times; `unit` when times are not kept at all.
    fn modes_and_times(&self, file: &dyn StoredFile, unit: u32) -> (bool, u32) {
        let new = NewMetadata {
            mode: Some(0o4751),
            mtime: Some(TIME),
            ..NOTHING
        };
        // Each shows for itself whether it was set.
        self.sets(file.set_metadata(&new));
        let Some(stat) = self.answer(file.stat()) else {
            return (false, unit);
        };
        let unit = if stat.mtime == TIME { 1_000_000_000 } else { unit };
        (stat.mode == 0o4751, unit)
    }

    fn owners(&self) -> bool {
        let owner = (54_321, 65_432);
        let new = NewMetadata {
            owner: Some(owner),
            ..NOTHING
        };
        let Some(file) = self.answer(self.store.create(&self.folder, b"owned")) else {
            return false;
        };
        self.sets(file.set_metadata(&new))
            && self
                .answer(file.stat())
                .is_some_and(|stat| (stat.uid, stat.gid) == owner)
    }

    fn empty(&self) {
        let names = self.names();
        let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
        self.remove(&names);
    }

    fn remove(&self, names: &[&[u8]]) {
        let _ = self.store.remove_all(&self.folder, names);
    }
}
