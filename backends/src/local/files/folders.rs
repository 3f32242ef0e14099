//! Folders by descriptor, a bounded number of them open.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use engine_api::Folder;
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

use super::super::root::{Root, open_folder};
use super::metadata::Carrier;
use super::xattr;

/// How many folders are kept open: a quarter of what a process may have by default.
const KEPT_OPEN: usize = 256;

/// The folders of one store.
pub(super) struct Folders {
    root: Arc<OwnedFd>,
    /// Those that were opened, the first to close in front.
    open: Mutex<VecDeque<Weak<Place>>>,
}

/// What is noted on a [`Folder`].
#[derive(Default)]
struct Place {
    fd: Mutex<Option<Arc<OwnedFd>>>,
    used: AtomicBool,
    inherits: OnceLock<bool>,
}

impl Folders {
    pub(super) fn new(root: &Root) -> Result<Self, Errno> {
        Ok(Self {
            root: Arc::new(open_folder(root, b"")?),
            open: Mutex::default(),
        })
    }

    pub(super) fn root(&self) -> &OwnedFd {
        &self.root
    }

    /// Its descriptor, opened from the nearest folder above that is open, one name at a time and never through a link.
    pub(super) fn fd(&self, folder: &Folder) -> Result<Arc<OwnedFd>, Errno> {
        let mut closed = Vec::new();
        let mut at = folder;
        let mut fd = loop {
            let Some(above) = at.above() else {
                break Arc::clone(&self.root);
            };
            let place = place(at)?;
            if let Some(fd) = &*lock(&place.fd) {
                place.used.store(true, Ordering::Relaxed);
                break Arc::clone(fd);
            }
            closed.push((at, place));
            at = above;
        };
        while let Some((folder, place)) = closed.pop() {
            fd = Arc::new(self.open(&fd, folder.name())?);
            *lock(&place.fd) = Some(Arc::clone(&fd));
            self.keep(place);
        }
        Ok(fd)
    }

    /// Whether what is made in the folder gets an ACL from it. When that cannot be found out it is taken to be so.
    pub(super) fn inherits(&self, folder: &Folder) -> bool {
        let Ok(place) = place(folder) else { return true };
        *place.inherits.get_or_init(|| {
            self.fd(folder)
                .is_ok_and(|fd| xattr::has(&Carrier::Open(&fd), c"system.posix_acl_default"))
        })
    }

    fn keep(&self, place: &Arc<Place>) {
        let mut open = lock(&self.open);
        open.push_back(Arc::downgrade(place));
        let mut looked_at = 0;
        while open.len() > KEPT_OPEN {
            let Some(oldest) = open.pop_front() else { return };
            let Some(place) = oldest.upgrade() else { continue };
            looked_at += 1;
            // One that was used since it came round last stays, unless all were.
            if place.used.swap(false, Ordering::Relaxed) && looked_at <= KEPT_OPEN {
                open.push_back(oldest);
            } else {
                *lock(&place.fd) = None;
            }
        }
    }

    fn open(&self, above: &OwnedFd, name: &[u8]) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(above, name, flags, Mode::empty()) {
            // Enough to go through it, though not to read it.
            Err(Errno::ACCESS) => openat(above, name, flags | OFlags::PATH, Mode::empty()),
            Err(Errno::MFILE) => {
                for place in lock(&self.open).drain(..).filter_map(|place| place.upgrade()) {
                    *lock(&place.fd) = None;
                }
                openat(above, name, flags, Mode::empty())
            }
            other => other,
        }
    }
}

fn place(folder: &Folder) -> Result<&Arc<Place>, Errno> {
    // A folder of another store means nothing here.
    folder.note(Arc::<Place>::default).ok_or(Errno::INVAL)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
