//! Who uses a mount, and who unmounts it.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use engine_api::StoreErrorKind;

use super::error::Failed;
use super::{Source, Spot, mounted_at, program};

/// So often is a mount that is busy unmounted.
const BUSY_TRIES: u32 = 30;
const BUSY_WAIT: Duration = Duration::from_millis(100);

/// One user's hold on a mount. Dropping the last one of all processes unmounts what was mounted here.
pub(super) struct Lease {
    point: PathBuf,
    /// Locked shared while the mount is used, exclusively while it is made or taken away. Its content says whether the
    /// mount is ours: one byte, or nothing.
    users: File,
    /// Kept for the time in which a mount is made or taken away, so that these never meet.
    gate: File,
}

impl Lease {
    /// Mounts `source` unless it is mounted already.
    pub(super) fn take(source: &dyn Source, spot: &Spot) -> Result<Self, Failed> {
        let prepare = |cause| Failed::io("prepare the mount point for", cause);
        fs::create_dir_all(&spot.point).map_err(prepare)?;
        fs::create_dir_all(&spot.locks).map_err(prepare)?;
        let point = spot.point.canonicalize().map_err(prepare)?;
        let lease = Self {
            users: lock_file(&spot.locks, &point, "users").map_err(prepare)?,
            gate: lock_file(&spot.locks, &point, "gate").map_err(prepare)?,
            point,
        };
        lease.gate.lock().map_err(prepare)?;
        let taken = lease.mount(source);
        let _ = lease.gate.unlock();
        taken.map(|()| lease)
    }

    fn mount(&self, source: &dyn Source) -> Result<(), Failed> {
        let prepare = |cause| Failed::io("prepare the mount point for", cause);
        match mounted_at(&self.point)? {
            Some(mounted) if source.is(&mounted) && is_alive(&self.point) => {}
            Some(mounted) if source.is(&mounted) => {
                // A share whose server went away, or a disk that was pulled out.
                self.unmount_stale()?;
                self.mount_anew(source)?;
            }
            Some(mounted) => {
                let other = String::from_utf8_lossy(&mounted.source).into_owned();
                let cause = format!("something else is mounted there already: {other}");
                return Err(Failed::new("mount", StoreErrorKind::Other, cause));
            }
            None => self.mount_anew(source)?,
        }
        self.users.lock_shared().map_err(prepare)
    }

    fn mount_anew(&self, source: &dyn Source) -> Result<(), Failed> {
        let note = |cause| Failed::io("take note of the mount of", cause);
        // Noted first: a process that is killed in between must not leave a mount that nobody takes away.
        self.users.set_len(1).map_err(note)?;
        let mounted = source.mount(&self.point).and_then(|()| self.verify(source));
        if mounted.is_err() {
            let _ = self.users.set_len(0);
            if mounted_at(&self.point).is_ok_and(|mounted| mounted.is_some_and(|mounted| source.is(&mounted))) {
                let _ = unmount(&self.point, false);
            }
        }
        mounted
    }

    /// Whether the kernel says that `source` is mounted here, on a device other than the folder above.
    pub(super) fn verify(&self, source: &dyn Source) -> Result<(), Failed> {
        let fail = |cause: &str| Err(Failed::new("mount", StoreErrorKind::Vanished, cause));
        match mounted_at(&self.point)? {
            Some(mounted) if source.is(&mounted) => {}
            Some(_) => return fail("something else is mounted there"),
            None => return fail("it is not mounted"),
        }
        let above = self.point.parent().unwrap_or(Path::new("/"));
        let device = |path: &Path| rustix::fs::stat(path).map(|stat| stat.st_dev).ok();
        match (device(&self.point), device(above)) {
            (Some(here), Some(above)) if here != above => Ok(()),
            _ => fail("the folder is still the one of the disk below"),
        }
    }

    fn unmount_stale(&self) -> Result<(), Failed> {
        if unmount(&self.point, false).is_ok() {
            return Ok(());
        }
        // Nobody can use it any more, so taking it out of sight harms nobody.
        unmount(&self.point, true)
    }

    /// Unmounts when nobody else uses it and it was mounted here.
    fn release(&self) -> io::Result<()> {
        self.gate.lock()?;
        self.users.unlock()?;
        let alone = match self.users.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => false,
            Err(TryLockError::Error(error)) => return Err(error),
        };
        if alone && self.users.metadata()?.len() > 0 {
            // A mount that is still busy stays, and is used again by the next run.
            if unmount_patiently(&self.point).is_ok() || !mounted_at(&self.point).is_ok_and(|found| found.is_some()) {
                self.users.set_len(0)?;
            }
        }
        self.users.unlock()?;
        self.gate.unlock()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // There is nobody to tell; the next run finds the mount and uses it, or takes it away.
        let _ = self.release();
    }
}

/// A folder on a dead share or disk answers with an error to the simplest question.
fn is_alive(point: &Path) -> bool {
    fs::read_dir(point).is_ok_and(|mut names| names.next().is_none_or(|name| name.is_ok()))
}

/// Somebody may just be looking into it, or a program that was begun in the same moment may hold what this one had open there.
fn unmount_patiently(point: &Path) -> Result<(), Failed> {
    for _ in 0..BUSY_TRIES {
        match unmount(point, false) {
            Err(failed) if failed.is_busy() => thread::sleep(BUSY_WAIT),
            other => return other,
        }
    }
    unmount(point, false)
}

fn unmount(point: &Path, lazy: bool) -> Result<(), Failed> {
    let mut words = vec![OsStr::new("-n")];
    if lazy {
        words.push(OsStr::new("-l"));
    }
    words.push(point.as_os_str());
    let said = program::run("unmount", "umount", words)?;
    if said.success {
        return Ok(());
    }
    Err(Failed::new("unmount", StoreErrorKind::Other, said.complaint))
}

fn lock_file(locks: &Path, point: &Path, what: &str) -> io::Result<File> {
    let mut name = b"mount".to_vec();
    for &byte in point.as_os_str().as_bytes() {
        match byte {
            b'/' => name.push(b'-'),
            // Two points never share a name.
            b'-' | b'%' => name.extend(format!("%{byte:02x}").into_bytes()),
            other => name.push(other),
        }
    }
    name.extend(format!(".{what}").into_bytes());
    let path = locks.join(OsStr::from_bytes(&name));
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path)
}
