//! What the folder can do, found out by doing it, in a folder that is gone afterwards.

use std::ops::ControlFlow;

use engine_api::{FileCapabilities, FileStat, FileStore, Folder, NewMetadata, StoreError, StoredFile, Timestamp};

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

pub(super) fn probe(store: &Files) -> FileCapabilities {
    let mut found = FileCapabilities::default();
    found.concurrency = CONCURRENCY;
    let (root, name) = (store.root(), temporary_name());
    let Ok(folder) = root.child(&name) else {
        return found;
    };
    if store.make_folder(&root, &name).is_err() {
        return found;
    }
    let probe = Probe { store, folder };
    // A place where not even a file can be made can do nothing.
    let _ = probe.all(&mut found);
    probe.empty();
    let _ = store.remove_folder(&root, &name);
    found
}

struct Probe<'a> {
    store: &'a Files,
    folder: Folder,
}

impl Probe<'_> {
    fn all(&self, found: &mut FileCapabilities) -> Result<(), StoreError> {
        let (store, folder) = (self.store, &self.folder);
        let file = store.create(folder, b"file")?;
        file.write_at(0, &[7; 5000])?;
        found.case_sensitive = self.look(b"FILE").is_none();
        let odd = b"\xff:?*|\" ";
        found.any_name = store.create(folder, odd).is_ok() && self.names().iter().any(|name| name == odd);
        found.hard_links = store.hard_link((folder, b"file"), (folder, b"second")).is_ok()
            && self.look(b"second").is_some_and(|second| second.size == 5000);
        // What has hard links is no FAT, and everything else has holes; the protocol does not tell.
        found.holes = found.hard_links;
        self.symlinks(found);
        self.metadata(file.as_ref(), found);
        if let Ok(copy) = store.create(folder, b"copy") {
            found.copy_range =
                copy.copy_range(file.as_ref(), 0..5000, 0).is_ok() && copy.stat().is_ok_and(|stat| stat.size == 5000);
        }
        let replaces = store.create(folder, b"other").is_ok()
            && store.rename((folder, b"other"), (folder, b"file")).is_ok()
            && self.look(b"file").is_some_and(|stat| stat.size == 0);
        found.atomic_replace = replaces && self.renames_over();
        Ok(())
    }

    fn look(&self, name: &[u8]) -> Option<FileStat> {
        self.store.stat(&self.folder, name).ok().flatten()
    }

    fn names(&self) -> Vec<Vec<u8>> {
        let mut names = Vec::new();
        let _ = self.store.list(&self.folder, &mut |listed| {
            names.push(listed.name.to_vec());
            ControlFlow::Continue(())
        });
        names
    }

    /// Whether a rename replaces in one step: only the server's own word tells.
    fn renames_over(&self) -> bool {
        let link = self.store.root.client.link();
        link.is_ok_and(|link| link.extensions().posix_rename)
    }

    fn symlinks(&self, found: &mut FileCapabilities) {
        let (store, folder, target) = (self.store, &self.folder, b"nowhere/\xfe");
        found.symlinks = store.symlink(folder, b"link", target).is_ok()
            && store.read_link(folder, b"link").is_ok_and(|read| read == target);
        let new = NewMetadata {
            mtime: Some(TIME),
            ..NOTHING
        };
        found.link_metadata = found.symlinks
            && store.set_metadata(folder, b"link", &new).is_empty()
            && self.look(b"link").is_some_and(|stat| stat.mtime == TIME);
    }

    fn metadata(&self, file: &dyn StoredFile, found: &mut FileCapabilities) {
        let set = |new: NewMetadata<'_>| {
            let failed = file.set_metadata(&new);
            file.stat().ok().filter(|_| failed.is_empty())
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
