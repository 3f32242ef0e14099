//! Who uses a mount, and who unmounts it.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use engine_api::StoreErrorKind;
use rustix::io::Errno;
use rustix::mount::UnmountFlags;

use super::error::Failed;
use super::{Source, Spot, closing, mounted_at, program, timely};

/// So often is a mount that is busy unmounted.
const BUSY_TRIES: u32 = 30;
const BUSY_WAIT: Duration = Duration::from_millis(100);

/// How long a server is waited for when nothing is under way with it: while a mount is looked at that was left behind, or
/// taken away.
const LOOK: Duration = Duration::from_secs(30);

/// How long the kernel is waited for while it takes a mount away by force.
const FORCED: Duration = Duration::from_secs(10);
/// So often is looked whether our own files there are closed.
const HELD_TRIES: u32 = 40;
const HELD_WAIT: Duration = Duration::from_millis(50);

/// One user's hold on a mount. Dropping the last one of all processes unmounts what was mounted here.
pub(super) struct Lease {
    point: PathBuf,
    /// Locked shared while the mount is used, exclusively while it is made or taken away. Its content says whether the
    /// mount is ours: one byte, or nothing.
    users: File,
    /// Kept for the time in which a mount is made or taken away, so that these never meet.
    gate: File,
    /// How long what is mounted may not answer; a disk may take as long as it takes.
    patience: Option<Duration>,
    /// Whether the kernel may go on to close files of it that it does not keep it for.
    closes_late: bool,
}

/// How a folder that is mounted answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pulse {
    Well,
    /// With an error: a share whose server went away, or a disk that was pulled out.
    Dead,
    /// Not at all.
    Hangs,
}

impl Lease {
    /// Mounts `source` unless it is mounted already.
    pub(super) fn take(source: &dyn Source, spot: &Spot) -> Result<Self, Failed> {
        let prepare = |cause| Failed::io("prepare the mount point for", cause);
        fs::create_dir_all(&spot.locks).map_err(prepare)?;
        let patience = source.may_hang().then_some(spot.patience);
        let point = real(&spot.point, patience).map_err(prepare)?;
        let lease = Self {
            users: lock_file(&spot.locks, &point, "users").map_err(prepare)?,
            gate: lock_file(&spot.locks, &point, "gate").map_err(prepare)?,
            point,
            patience,
            closes_late: source.closes_late(),
        };
        lease.gate.lock().map_err(prepare)?;
        let taken = lease.mount(source);
        let _ = lease.gate.unlock();
        taken.map(|()| lease)
    }

    fn mount(&self, source: &dyn Source) -> Result<(), Failed> {
        let prepare = |cause| Failed::io("prepare the mount point for", cause);
        match mounted_at(&self.point)? {
            Some(mounted) if source.is(&mounted) => match self.pulse() {
                Pulse::Well => {}
                // It is not taken from those who wait for it.
                Pulse::Hangs if !self.is_ours() || !self.is_unused().map_err(prepare)? => {
                    let waited = shortly(self.patience).unwrap_or_default();
                    return Err(Failed::hangs("use", &source.shown(), waited));
                }
                pulse => {
                    self.unmount_stale(pulse)?;
                    self.mount_anew(source)?;
                }
            },
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
                let _ = self.unmount_stale(self.pulse());
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
        let point = self.point.clone();
        match (self.ask("mount", source, move || device(&point))?, device(above)) {
            (Some(here), Some(above)) if here != above => Ok(()),
            _ => fail("the folder is still the one of the disk below"),
        }
    }

    /// Does something with what is mounted, unless it hangs.
    pub(super) fn ask<T: Send + 'static>(
        &self,
        operation: &'static str,
        source: &dyn Source,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failed> {
        let limit = self.patience.unwrap_or_default();
        timely::within(self.patience, work).ok_or_else(|| Failed::hangs(operation, &source.shown(), limit))
    }

    /// Whether it was mounted here, and not by somebody else.
    fn is_ours(&self) -> bool {
        self.users.metadata().is_ok_and(|metadata| metadata.len() > 0)
    }

    /// Whether nobody uses it, us included; then it is locked, so that nobody begins to.
    fn is_unused(&self) -> io::Result<bool> {
        match self.users.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// A folder on a dead share or disk answers with an error to the simplest question, one on a share that hangs not.
    fn pulse(&self) -> Pulse {
        let point = self.point.clone();
        let looked = timely::within(shortly(self.patience), move || {
            fs::read_dir(point).is_ok_and(|mut names| names.next().is_none_or(|name| name.is_ok()))
        });
        match looked {
            Some(true) => Pulse::Well,
            Some(false) => Pulse::Dead,
            None => Pulse::Hangs,
        }
    }

    fn unmount_stale(&self, pulse: Pulse) -> Result<(), Failed> {
        if self.goes_at_once(pulse) && unmount(&self.point).is_ok() {
            return Ok(());
        }
        // Nobody can use it any more, so taking it out of sight harms nobody. No program does it: before it began, the kernel
        // would close our files for it, and wait for the server.
        let (point, closes_late) = (self.point.clone(), self.closes_late);
        let taken = timely::within(self.patience.map(|_| FORCED), move || {
            if closes_late {
                closing::keep(&point)?;
            }
            Ok(take_away(&point)?)
        });
        match taken {
            Some(taken) => taken.map_err(|cause| Failed::io("unmount", cause)),
            // It is out of sight, and its end still waits for the server.
            None if mounted_at(&self.point)?.is_none() => Ok(()),
            None => Err(Failed::new(
                "unmount",
                StoreErrorKind::Timeout,
                "the kernel does not take it away",
            )),
        }
    }

    /// Whether it can be unmounted without waiting, and without harm. The end of a share is told to its server, and a dead one
    /// waited for by whoever unmounts it.
    fn goes_at_once(&self, pulse: Pulse) -> bool {
        match pulse {
            Pulse::Well => !self.closes_late || closing::is_over(shortly(self.patience).unwrap_or_default()),
            Pulse::Dead => !self.closes_late,
            Pulse::Hangs => false,
        }
    }

    /// Unmounts when nobody else uses it and it was mounted here.
    fn release(&self) -> io::Result<()> {
        self.gate.lock()?;
        self.users.unlock()?;
        if self.is_unused()? && self.is_ours() {
            // A mount that is still busy stays, and is used again by the next run.
            let gone = self.unmount_own();
            if gone.is_ok() || !mounted_at(&self.point).is_ok_and(|found| found.is_some()) {
                self.users.set_len(0)?;
            }
        }
        self.users.unlock()?;
        self.gate.unlock()
    }

    fn unmount_own(&self) -> Result<(), Failed> {
        if self.patience.is_none() {
            return unmount_patiently(&self.point);
        }
        // Everything of ours has been closed by now, save what hangs in the kernel: one more question would only hang, too.
        if holds_files(&self.point) || !self.goes_at_once(self.pulse()) {
            return self.unmount_stale(Pulse::Hangs);
        }
        match unmount_patiently(&self.point) {
            Err(failed) if failed.kind == StoreErrorKind::Timeout => self.unmount_stale(Pulse::Hangs),
            other => other,
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // There is nobody to tell; the next run finds the mount and uses it, or takes it away.
        let _ = self.release();
    }
}

fn shortly(patience: Option<Duration>) -> Option<Duration> {
    patience.map(|patience| patience.min(LOOK))
}

/// The mount point, made when it is not there, without symbolic links on the way to it.
fn real(point: &Path, patience: Option<Duration>) -> io::Result<PathBuf> {
    let (Some(above), Some(name)) = (point.parent(), point.file_name()) else {
        return point.canonicalize();
    };
    fs::create_dir_all(above)?;
    match fs::create_dir(point) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let own = point.to_owned();
    // Where a server that hangs is mounted already, only the way to it can be looked at.
    timely::within(shortly(patience), move || own.canonicalize())
        .unwrap_or_else(|| Ok(above.canonicalize()?.join(name)))
}

/// Unmounts by force. An NFS server is told of the end of its last file, and waited for: so what hangs is first given an error
/// for, and its files are closed, lest that comes in the middle of the end of this process, where nothing can stop it.
fn take_away(point: &Path) -> Result<(), Errno> {
    let force = UnmountFlags::FORCE | UnmountFlags::NOFOLLOW;
    for _ in 0..HELD_TRIES {
        match rustix::mount::unmount(point, force) {
            Err(Errno::BUSY) if has_files(point) => thread::sleep(HELD_WAIT),
            Err(_) => break,
            Ok(()) => return Ok(()),
        }
    }
    rustix::mount::unmount(point, force | UnmountFlags::DETACH)
}

/// Whether this process goes on to hold files below `point`. What is just being closed is waited for.
fn holds_files(point: &Path) -> bool {
    (0..HELD_TRIES).all(|_| {
        let held = has_files(point);
        if held {
            thread::sleep(HELD_WAIT);
        }
        held
    })
}

fn has_files(point: &Path) -> bool {
    let files = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let mut names = files.filter_map(|file| fs::read_link(file.path()).ok());
    names.any(|name| name.starts_with(point))
}

/// Somebody may just be looking into it, or a program that was begun in the same moment may hold what this one had open there.
fn unmount_patiently(point: &Path) -> Result<(), Failed> {
    for _ in 0..BUSY_TRIES {
        match unmount(point) {
            Err(failed) if failed.is_busy() => thread::sleep(BUSY_WAIT),
            other => return other,
        }
    }
    unmount(point)
}

fn unmount(point: &Path) -> Result<(), Failed> {
    let words = [OsStr::new("-n"), point.as_os_str()];
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
