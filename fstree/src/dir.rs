//! Folders reached by descriptor, however deep they lie, with a bounded number of open descriptors.

use std::collections::HashMap;
use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{Mode, OFlags, RawDir, openat};
use rustix::io::Errno;

/// How many folders of one tree are kept open.
const KEPT_OPEN: usize = 192;

/// A folder: its name in its parent, up to a root that is held open.
///
/// The descriptor is opened when it is needed and may be closed again at any time; it is then found anew from the
/// nearest ancestor that is still open, one component at a time and never through a symbolic link.
pub(crate) struct Dir {
    id: u64,
    name: CString,
    parent: Option<Arc<Dir>>,
    shared: Arc<Shared>,
}

struct Shared {
    root: Arc<OwnedFd>,
    root_path: PathBuf,
    flags: OFlags,
    next_id: AtomicU64,
    open: Mutex<Cache>,
}

#[derive(Default)]
struct Cache {
    clock: u64,
    fds: HashMap<u64, (Arc<OwnedFd>, u64)>,
}

impl Dir {
    /// The root of a tree; `flags` say how its folders are opened (for reading, or only as `PATH`).
    pub(crate) fn root(fd: OwnedFd, path: PathBuf, flags: OFlags) -> Arc<Self> {
        let shared = Shared {
            root: Arc::new(fd),
            root_path: path,
            flags: flags | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            next_id: AtomicU64::new(1),
            open: Mutex::default(),
        };
        Arc::new(Self {
            id: 0,
            name: CString::default(),
            parent: None,
            shared: Arc::new(shared),
        })
    }

    /// The folder `name` in this one; nothing is opened yet.
    pub(crate) fn child(self: &Arc<Self>, name: &CStr) -> Arc<Self> {
        Arc::new(Self {
            id: self.shared.next_id.fetch_add(1, Ordering::Relaxed),
            name: name.to_owned(),
            parent: Some(Arc::clone(self)),
            shared: Arc::clone(&self.shared),
        })
    }

    /// Its name in its parent; empty for the root.
    pub(crate) fn name(&self) -> &CStr {
        &self.name
    }

    /// The folder it lies in; `None` for the root.
    pub(crate) fn parent(&self) -> Option<&Arc<Self>> {
        self.parent.as_ref()
    }

    /// Its path, below the root's.
    pub(crate) fn path(&self) -> PathBuf {
        let mut names = Vec::new();
        let mut at = self;
        while let Some(parent) = &at.parent {
            names.push(at.name.as_bytes());
            at = parent;
        }
        let mut path = self.shared.root_path.clone().into_os_string().into_vec();
        for name in names.into_iter().rev() {
            if path.last() != Some(&b'/') {
                path.push(b'/');
            }
            path.extend_from_slice(name);
        }
        PathBuf::from(std::ffi::OsString::from_vec(path))
    }

    /// The path of an entry of it.
    pub(crate) fn path_of(&self, name: &CStr) -> PathBuf {
        self.path().join(OsStr::from_bytes(name.to_bytes()))
    }

    /// Its descriptor, opened if it is not.
    pub(crate) fn fd(&self) -> io::Result<Arc<OwnedFd>> {
        let mut closed = Vec::new();
        let mut at = self;
        let mut fd = loop {
            let Some(parent) = &at.parent else {
                break Arc::clone(&self.shared.root);
            };
            if let Some(fd) = self.shared.known(at.id) {
                break fd;
            }
            closed.push(at);
            at = parent;
        };
        while let Some(dir) = closed.pop() {
            fd = Arc::new(self.shared.open(&fd, &dir.name)?);
            self.shared.keep(dir.id, &fd);
        }
        Ok(fd)
    }

    /// Closes its descriptor, so that the name is looked up anew.
    pub(crate) fn forget(&self) {
        self.shared.cache(|cache| cache.fds.remove(&self.id));
    }
}

impl Shared {
    fn cache<T>(&self, work: impl FnOnce(&mut Cache) -> T) -> T {
        work(&mut self.open.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn known(&self, id: u64) -> Option<Arc<OwnedFd>> {
        self.cache(|cache| {
            cache.clock += 1;
            let (fd, used) = cache.fds.get_mut(&id)?;
            *used = cache.clock;
            Some(Arc::clone(fd))
        })
    }

    fn keep(&self, id: u64, fd: &Arc<OwnedFd>) {
        self.cache(|cache| {
            cache.clock += 1;
            cache.fds.insert(id, (Arc::clone(fd), cache.clock));
            if cache.fds.len() > KEPT_OPEN {
                cache.drop_older_half();
            }
        });
    }

    fn open(&self, parent: &OwnedFd, name: &CStr) -> io::Result<OwnedFd> {
        let open = |flags| match openat(parent, name, flags, Mode::empty()) {
            // O_NOATIME is for the owner only.
            Err(Errno::PERM) => openat(parent, name, flags - OFlags::NOATIME, Mode::empty()),
            other => other,
        };
        match open(self.flags) {
            // Enough to go through it, though not to read it.
            Err(Errno::ACCESS) => Ok(open(self.flags | OFlags::PATH)?),
            Err(Errno::MFILE) => {
                self.cache(|cache| cache.fds.clear());
                Ok(open(self.flags)?)
            }
            other => Ok(other?),
        }
    }
}

impl Cache {
    fn drop_older_half(&mut self) {
        let mut times: Vec<u64> = self.fds.values().map(|(_, used)| *used).collect();
        let middle = times.len() / 2;
        let (_, median, _) = times.select_nth_unstable(middle);
        let median = *median;
        self.fds.retain(|_, (_, used)| *used >= median);
    }
}

/// Hands over every name in an open folder but `.` and `..`, in the order of the filesystem.
pub(crate) fn each_name(fd: &OwnedFd, buffer: &mut [MaybeUninit<u8>], each: &mut dyn FnMut(&CStr)) -> io::Result<()> {
    let mut entries = RawDir::new(fd, buffer);
    while let Some(entry) = entries.next() {
        match entry {
            Ok(entry) if matches!(entry.file_name().to_bytes(), b"." | b"..") => {}
            Ok(entry) => each(entry.file_name()),
            Err(Errno::INTR) => {}
            // The folder may be searched but not read, so it is open as a path only.
            Err(Errno::BADF) => return Err(Errno::ACCESS.into()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The names in an open folder, sorted by bytes.
pub(crate) fn read_names(fd: &OwnedFd) -> io::Result<Vec<CString>> {
    let mut names = Vec::new();
    let mut buffer = vec![MaybeUninit::uninit(); 1 << 15];
    each_name(fd, &mut buffer, &mut |name| names.push(name.to_owned()))?;
    names.sort_unstable();
    Ok(names)
}

impl Drop for Dir {
    /// Takes the chain apart in a loop: thousands of nested folders would overflow the stack otherwise.
    fn drop(&mut self) {
        self.forget();
        let mut parent = self.parent.take();
        while let Some(mut dir) = parent.and_then(Arc::into_inner) {
            parent = dir.parent.take();
        }
    }
}
