//! What the folder can do, found out by doing it, in a folder that is gone afterwards.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::time::Duration;

use engine_api::{
    FileCapabilities, FileStat, FileStore, Folder, NewMetadata, StoreError, StoreErrorKind, StoredFile, Timestamp,
    Unanswered,
};

use super::Files;
use crate::sftp::blobs::temporary_name;

/// Each waits for the server several times for one small file.
const CONCURRENCY: usize = 32;

/// A time that no server's clock shows.
const TIME: Timestamp = Timestamp {
    seconds: 1_234_567_891,
    nanos: 0,
};

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
        lost: RefCell::default(),
    };
    // Where not even a file can be made, nothing was asked yet.
    let asked = store.make_folder(&root, &name).and_then(|()| {
        let asked = probe.all(&mut found);
        probe.empty();
        let _ = store.remove_folder(&root, &name);
        asked
    });
    let lost = probe.lost.into_inner();
    if let Some(why) = lost.or_else(|| asked.err().as_ref().map(Unanswered::from)) {
        found = FileCapabilities::default();
        found.unanswered = Some(why);
    }
    found.concurrency = CONCURRENCY;
    found
}

struct Probe<'a> {
    store: &'a Files,
    folder: Folder,
    /// Why there was no answer.
    lost: RefCell<Option<Unanswered>>,
}

impl Probe<'_> {
    fn all(&self, found: &mut FileCapabilities) -> Result<(), StoreError> {
        let (store, folder) = (self.store, &self.folder);
        let file = store.create(folder, b"file")?;
        file.write_at(0, &[7; 5000])?;
        // What is being written may fail later; this waits for it.
        file.stat()?;
        found.case_sensitive = store.stat(folder, b"FILE")?.is_none();
        let odd = b"\xff:?*|\" ";
        found.any_name = self.can(store.create(folder, odd)) && self.names().iter().any(|name| name == odd);
        found.hard_links = self.can(store.hard_link((folder, b"file"), (folder, b"second")))
            && self.look(b"second").is_some_and(|second| second.size == 5000);
        // What has hard links is no FAT, and everything else has holes; the protocol does not tell.
        found.holes = found.hard_links;
        self.symlinks(found);
        self.metadata(file.as_ref(), found);
        if let Some(copy) = self.answer(store.create(folder, b"copy")) {
            found.copy_range = self.can(copy.copy_range(file.as_ref(), 0..5000, 0))
                && self.answer(copy.stat()).is_some_and(|stat| stat.size == 5000);
        }
        let replaces = self.can(store.create(folder, b"other"))
            && self.can(store.rename((folder, b"other"), (folder, b"file")))
            && self.look(b"file").is_some_and(|stat| stat.size == 0);
        found.atomic_replace = replaces && self.renames_over();
        Ok(())
    }

    /// What an answer says, if it is one.
    fn answer<T>(&self, result: Result<T, StoreError>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                if is_lost(error.kind) {
                    self.lost.borrow_mut().get_or_insert_with(|| Unanswered::from(&error));
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

    fn symlinks(&self, found: &mut FileCapabilities) {
        let (store, folder, target) = (self.store, &self.folder, b"nowhere/\xfe");
        found.symlinks = self.can(store.symlink(folder, b"link", target))
            && self
                .answer(store.read_link(folder, b"link"))
                .is_some_and(|read| read == target);
        let new = NewMetadata {
            mtime: Some(TIME),
            ..NOTHING
        };
        found.link_metadata = found.symlinks
            && self.sets(store.set_metadata(folder, b"link", &new))
            && self.look(b"link").is_some_and(|stat| stat.mtime == TIME);
    }

    fn metadata(&self, file: &dyn StoredFile, found: &mut FileCapabilities) {
        let set = |new: NewMetadata<'_>| {
            let is_set = self.sets(file.set_metadata(&new));
            self.answer(file.stat()).filter(|_| is_set)
        };
        let mode = set(NewMetadata {
            mode: Some(0o4751),
            ..NOTHING
        });
        found.modes = mode.is_some_and(|stat| stat.mode == 0o4751);
        let time = set(NewMetadata {
            mtime: Some(TIME),
            ..NOTHING
        });
        if time.is_some_and(|stat| stat.mtime == TIME) {
            found.time_unit = 1_000_000_000;
        }
        let owner = (54_321, 65_432);
        let owned = set(NewMetadata {
            owner: Some(owner),
            ..NOTHING
        });
        found.owners = owned.is_some_and(|stat| (stat.uid, stat.gid) == owner);
    }

    fn empty(&self) {
        for name in self.names() {
            let _ = self.store.remove(&self.folder, &name);
        }
    }
}
