use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rustix::fs::{self, AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::root::Root;

/// A writer that is alive holds a lock on its temporary file; where locks do not cross machines, its age speaks.
const OLD: Duration = Duration::from_hours(24);

/// More than a machine that crashes daily leaves behind in a year; the next listing finds the rest.
const KEPT: usize = 1024;

/// Temporary files that a listing met: reading never changes the destination, so the next write removes the dead ones.
#[derive(Default)]
pub(super) struct Leftovers {
    names: Mutex<Vec<Vec<u8>>>,
}

impl Leftovers {
    pub(super) fn note(&self, name: &[u8]) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() < KEPT {
            names.push(name.to_vec());
        }
    }

    /// Removes those whose writer is dead; what cannot be removed stays, as invisible as before.
    pub(super) fn sweep(&self, root: &Root) {
        let names = std::mem::take(&mut *self.names.lock().unwrap_or_else(PoisonError::into_inner));
        for name in names {
            if is_dead(root, &name).unwrap_or(false) {
                let _ = fs::unlinkat(root, &*name, AtFlags::empty());
            }
        }
    }
}

fn is_dead(root: &Root, name: &[u8]) -> Result<bool, Errno> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = fs::openat(root, name, flags, Mode::empty())?;
    Ok(is_old(&file)? && fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok())
}

fn is_old(file: &OwnedFd) -> Result<bool, Errno> {
    let changed = u64::try_from(fs::fstat(file)?.st_mtime).unwrap_or(0);
    let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(changed);
    // A time in the future is no age.
    Ok(changed.elapsed().is_ok_and(|age| age > OLD))
}
