//! What the place can do, found out by doing it, in a folder that is gone afterwards.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use engine_api::{
    EntryKind, FileCapabilities, FileStat, FileStore, Folder, NewMetadata, StoreError, StoreErrorKind, StoredFile,
    Timestamp, Unanswered, Xattr,
};
use rustix::fs::makedev;
use rustix::io::Errno;

use super::LocalFiles;

/// What the name of a folder begins with that is only there while the place is probed.
const PREFIX: &str = ".holdfast-tmp-probe-";

/// A process that probes is done in a moment; what is older than this was left by one that was killed.
const OLD: Duration = Duration::from_hours(1);

pub(super) fn probe(store: &LocalFiles, path: &Path) -> FileCapabilities {
    let mut found = FileCapabilities::default();
    sweep(store);
    let name = format!(
        "{PREFIX}{:x}-{:x}",
        std::process::id(),
        std::process::id().rotate_left(16) ^ nanos()
    );
    let root = store.root();
    let made = store.make_folder(&root, name.as_bytes()).and_then(|()| {
        root.child(name.as_bytes())
            .map_err(|_| store.shared.error("probe", &root, b"", Errno::INVAL))
    });
    // Where not even a file can be made, nothing was asked yet.
    let asked = made.and_then(|folder| {
        let probe = Probe {
            store,
            folder,
            lost: RefCell::default(),
        };
        let asked = probe.all(&mut found);
        empty(store, &probe.folder);
        let _ = store.remove_folder(&root, name.as_bytes());
        asked.and_then(|()| probe.lost.into_inner().map_or(Ok(()), Err))
    });
    if let Err(error) = asked {
        found = FileCapabilities::default();
        found.unanswered = Some(Unanswered::from(&error));
    }
    found.concurrency = concurrency();
    found.local_path = Some(path.to_owned());
    found
}

/// Whether a failure tells nothing of what the place can do: it is full, or broken, or gone.
fn is_no_answer(error: &StoreError) -> bool {
    let errno = error.source.downcast_ref::<io::Error>().and_then(Errno::from_io_error);
    match error.kind {
        StoreErrorKind::NoSpace
        | StoreErrorKind::ReadOnly
        | StoreErrorKind::Timeout
        | StoreErrorKind::Connection
        | StoreErrorKind::Vanished => true,
        StoreErrorKind::Other => matches!(errno, Some(Errno::IO | Errno::NOMEM | Errno::MFILE | Errno::NFILE)),
        _ => false,
    }
}

fn nanos() -> u32 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |now| now.subsec_nanos())
}

/// Removes what processes that were killed have left.
fn sweep(store: &LocalFiles) {
    let root = store.root();
    let mut left = Vec::new();
    let _ = store.list(&root, &mut |listed| {
        if listed.name.starts_with(PREFIX.as_bytes()) {
            left.push(listed.name.to_vec());
        }
        std::ops::ControlFlow::Continue(())
    });
    for name in left {
        let Ok(Some(stat)) = store.stat(&root, &name) else {
            continue;
        };
        let made = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(stat.mtime.seconds).unwrap_or(0));
        if made.elapsed().is_ok_and(|age| age > OLD)
            && let Ok(folder) = root.child(&name)
        {
            empty(store, &folder);
            let _ = store.remove_folder(&root, &name);
        }
    }
}

fn empty(store: &LocalFiles, folder: &Folder) {
    let mut names = Vec::new();
    let _ = store.list(folder, &mut |listed| {
        names.push(listed.name.to_vec());
        std::ops::ControlFlow::Continue(())
    });
    for name in names {
        let _ = store.remove(folder, &name);
    }
}

struct Probe<'a> {
    store: &'a LocalFiles,
    folder: Folder,
    /// Why there was no answer to a question whose answer decides whether the place is of use.
    lost: RefCell<Option<StoreError>>,
}

impl Probe<'_> {
    fn all(&self, found: &mut FileCapabilities) -> Result<(), StoreError> {
        let file = self.store.create(&self.folder, b"file")?;
        file.write_at(0, &[7; 8192])?;
        found.case_sensitive = self.store.stat(&self.folder, b"FILE")?.is_none();
        found.any_name = self.store.create(&self.folder, b"\xff:?*|\" ").is_ok() && self.is_listed(b"\xff:?*|\" ");
        self.links(found);
        self.metadata(file.as_ref(), found);
        self.nodes(found);
        self.content(file.as_ref(), found);
        let replaced = self.store.create(&self.folder, b"other").is_ok()
            && self
                .store
                .rename((&self.folder, b"other"), (&self.folder, b"file"))
                .is_ok();
        found.atomic_replace = replaced && self.look(b"file").is_some_and(|stat| stat.size == 0);
        Ok(())
    }

    /// Whether that went well, with which a place is of use; what says neither yes nor no is kept.
    fn can(&self, result: Result<(), StoreError>) -> bool {
        match result {
            Ok(()) => true,
            Err(error) => {
                if is_no_answer(&error) {
                    self.lost.borrow_mut().get_or_insert(error);
                }
                false
            }
        }
    }

    fn look(&self, name: &[u8]) -> Option<FileStat> {
        self.store.stat(&self.folder, name).ok().flatten()
    }

    fn is_listed(&self, name: &[u8]) -> bool {
        let mut seen = false;
        let listed = self.store.list(&self.folder, &mut |listed| {
            seen |= listed.name == name;
            std::ops::ControlFlow::Continue(())
        });
        listed.is_ok() && seen
    }

    fn links(&self, found: &mut FileCapabilities) {
        let folder = &self.folder;
        let linked = self.store.hard_link((folder, b"file"), (folder, b"second"));
        found.hard_links = self.can(linked)
            && self
                .look(b"second")
                .is_some_and(|second| Some(second.identity) == self.look(b"file").map(|first| first.identity));
        let target = b"nowhere/\xfe";
        let made = self.store.symlink(folder, b"link", target);
        found.symlinks = self.can(made) && self.store.read_link(folder, b"link").is_ok_and(|read| read == target);
        if found.symlinks {
            let metadata = NewMetadata {
                mtime: Some(TIME),
                ..NewMetadata::default()
            };
            let set = self.store.set_metadata(folder, b"link", &metadata);
            found.link_metadata = set.is_empty()
                && self
                    .look(b"link")
                    .is_some_and(|stat| stat.mtime.seconds == TIME.seconds);
        }
    }

    fn metadata(&self, file: &dyn StoredFile, found: &mut FileCapabilities) {
        let try_to = |metadata: NewMetadata<'_>| {
            let set = file.set_metadata(&metadata);
            file.stat().ok().filter(|_| set.is_empty())
        };
        let with = NewMetadata::default();
        let mode = try_to(NewMetadata {
            mode: Some(0o4751),
            ..with
        });
        found.modes = mode.is_some_and(|stat| stat.mode == 0o4751);
        let time = try_to(NewMetadata {
            mtime: Some(TIME),
            ..with
        });
        found.time_unit = time.map_or(found.time_unit, |stat| unit(stat.mtime));
        let owner = (54_321, 65_432);
        let owned = try_to(NewMetadata {
            owner: Some(owner),
            ..with
        });
        found.owners = owned.is_some_and(|stat| (stat.uid, stat.gid) == owner);
        let keeps = |name: &str, value: &[u8]| {
            let xattr = Xattr {
                name: OsStr::from_bytes(name.as_bytes()).to_owned(),
                value: value.to_vec(),
            };
            let set = file.set_metadata(&NewMetadata {
                xattrs: Some(std::slice::from_ref(&xattr)),
                ..with
            });
            let read = self.store.xattrs(&self.folder, b"file");
            set.is_empty() && read.is_ok_and(|read| read.contains(&xattr))
        };
        found.xattrs = keeps("user.holdfast", b"probe");
        found.acls = keeps("system.posix_acl_access", ACL);
    }

    fn nodes(&self, found: &mut FileCapabilities) {
        let make = |name: &[u8], kind, rdev| {
            let made = self.store.make_node(&self.folder, name, kind, rdev);
            made.is_ok()
                && self
                    .look(name)
                    .is_some_and(|stat| stat.kind == kind && stat.rdev == rdev)
        };
        found.fifos = make(b"fifo", EntryKind::Fifo, 0);
        found.devices = make(b"device", EntryKind::CharDevice, makedev(1, 3));
    }

    fn content(&self, file: &dyn StoredFile, found: &mut FileCapabilities) {
        let Ok(copy) = self.store.create(&self.folder, b"copy") else {
            return;
        };
        found.reflinks = copy.reflink(file).is_ok();
        found.copy_range = copy.copy_range(file, 0..4096, 0).is_ok_and(|copied| copied == 4096);
        let sparse = copy.write_at(1 << 20, b"end");
        let data = copy.next_data(16_384).ok().flatten();
        found.holes = sparse.is_ok() && data.is_some_and(|data| data.start > 16_384);
    }
}

/// A time with something in every digit.
const TIME: Timestamp = Timestamp {
    seconds: 1_234_567_891,
    nanos: 123_456_789,
};

/// Owner may read and write, user 1 may read, mask lets that through: version 2, then tag, permissions, id of each.
const ACL: &[u8] = &[
    2, 0, 0, 0, //
    1, 0, 6, 0, 255, 255, 255, 255, //
    2, 0, 4, 0, 1, 0, 0, 0, //
    4, 0, 0, 0, 255, 255, 255, 255, //
    16, 0, 4, 0, 255, 255, 255, 255, //
    32, 0, 0, 0, 255, 255, 255, 255,
];

/// The unit of time, in nanoseconds, that makes [`TIME`] what came back.
fn unit(came_back: Timestamp) -> u32 {
    let total = |time: Timestamp| time.seconds * 1_000_000_000 + i64::from(time.nanos);
    let units = [1, 100, 1_000, 1_000_000, 10_000_000, 1_000_000_000];
    let fits = |unit: &u32| {
        let unit = i64::from(*unit);
        total(TIME).div_euclid(unit) * unit == total(came_back)
    };
    units.into_iter().find(fits).unwrap_or(2_000_000_000)
}

/// Enough to keep a disk's queue filled with small operations, without a crowd where there are few cores.
fn concurrency() -> usize {
    std::thread::available_parallelism().map_or(4, |cores| (cores.get() * 2).clamp(4, 16))
}
