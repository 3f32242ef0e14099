//! Who may work: one run of a job at a time, and one job at a destination.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::atomic;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::name::JobName;

/// How long it takes at the most until a free lock is noticed.
const LONGEST_NAP: Duration = Duration::from_millis(500);

/// The right to do something; let go when it is dropped, or when the process dies in whatever way.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

impl Drop for Lock {
    /// To close the file would not do where another thread is just starting a program: until that has begun, it has the
    /// file open too.
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

/// How long to wait for a lock, and who wants to know.
pub(crate) struct Patience<'a> {
    /// The limit; zero is not to wait at all.
    pub(crate) limit: Duration,
    /// Whether to stop waiting.
    pub(crate) cancelled: &'a dyn Fn() -> bool,
    /// Told once, with the holder, when it has to be waited.
    pub(crate) waiting: &'a dyn Fn(&str),
}

/// Why there is no lock.
#[derive(Debug)]
pub(crate) enum NoLock {
    /// Somebody has it, and had it until the patience was at an end.
    Held {
        /// Who, as far as it is known.
        holder: String,
        /// The lock.
        path: PathBuf,
    },
    /// The wait was broken off.
    Cancelled,
    /// It could not be tried.
    Failed(Error),
}

impl Lock {
    /// Takes the lock of that name for `purpose`, at once or within the patience.
    pub(crate) fn take(
        context: &Context,
        name: &str,
        purpose: &str,
        patience: &Patience<'_>,
    ) -> std::result::Result<Self, NoLock> {
        let path = context.layout.locks.join(name);
        let file = open(context, &path).map_err(NoLock::Failed)?;
        let begin = Instant::now();
        let mut nap = Duration::from_millis(10);
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(NoLock::Failed(Error::io("lock", &path, error))),
            }
            let waited = begin.elapsed();
            if waited >= patience.limit {
                let holder = holder(&path);
                return Err(NoLock::Held { holder, path });
            }
            if (patience.cancelled)() {
                return Err(NoLock::Cancelled);
            }
            if nap == Duration::from_millis(10) {
                (patience.waiting)(&holder(&path));
            }
            nap = (nap * 2).min(LONGEST_NAP);
            thread::sleep(nap.min(patience.limit - waited));
        }
        let failed = |error| NoLock::Failed(Error::io("lock", &path, error));
        sign(context, &file, purpose).map_err(failed)?;
        Ok(Self { file })
    }
}

/// The file stays for ever: removing it would let two processes lock two files of one name.
fn open(context: &Context, path: &Path) -> Result<File> {
    atomic::create_dir(&context.layout.locks, 0o755)?;
    let file = OpenOptions::new().create(true).append(true).mode(0o644).open(path);
    file.map_err(|error| Error::io("lock", path, error))
}

/// Writes down who holds it: another process may ask.
fn sign(context: &Context, file: &File, purpose: &str) -> io::Result<()> {
    let since = Timestamp::now().to_zoned(context.zone.clone());
    let (id, host) = (std::process::id(), &context.host);
    let line = format!("process {id} on {host}, since {}{purpose}\n", since.strftime("%F %T"));
    file.set_len(0)?;
    let mut file = file;
    file.write_all(line.as_bytes())
}

fn holder(lock: &Path) -> String {
    let holder = fs::read_to_string(lock).unwrap_or_default();
    match holder.trim() {
        "" => "a process that is just beginning".to_owned(),
        holder => holder.to_owned(),
    }
}

/// Whether a run of the job is going on. Nothing is locked by asking, so that no run is kept out by it.
pub(crate) fn is_running(context: &Context, name: &JobName) -> bool {
    let path = context.layout.locks.join(format!("backup-{name}.lock"));
    let (Ok(metadata), Ok(locks)) = (fs::metadata(&path), fs::read_to_string("/proc/locks")) else {
        return false;
    };
    let holder = holder(&path);
    let held = |line: &str| -> Option<bool> {
        // `1: FLOCK ADVISORY WRITE 4711 08:01:123456 0 EOF`; other lines have a `->` in second place.
        let words: Vec<_> = line.split_ascii_whitespace().skip(1).collect();
        let ["FLOCK", _, "WRITE", id, file, ..] = words.as_slice() else {
            return None;
        };
        let inode = file.rsplit(':').next()?.parse::<u64>().ok()?;
        Some(inode == metadata.ino() && holder.starts_with(&format!("process {id} ")))
    };
    locks.lines().any(|line| held(line) == Some(true))
}

/// Takes the right to run a job, at once or not at all: a second run would find nothing new.
///
/// # Errors
/// [`Error::Running`] when somebody has it, saying who.
pub(crate) fn of_job(context: &Context, name: &JobName) -> Result<Lock> {
    let patience = Patience {
        limit: Duration::ZERO,
        cancelled: &|| false,
        waiting: &|_| {},
    };
    Lock::take(context, &format!("backup-{name}.lock"), "", &patience).map_err(|error| match error {
        NoLock::Held { holder, path } => Error::Running {
            name: name.to_string(),
            holder,
            lock: path,
        },
        NoLock::Cancelled => Error::Interrupted,
        NoLock::Failed(error) => error,
    })
}

/// Takes the right to write to the destination that `key` stands for.
///
/// # Errors
/// [`Error::DestinationBusy`] when another job had it for all the patience, saying which.
pub(crate) fn of_destination(
    context: &Context,
    name: &JobName,
    (key, location): (&str, &str),
    patience: &Patience<'_>,
) -> Result<Lock> {
    let purpose = format!(", for backup {name}");
    let lock = Lock::take(context, &format!("destination-{key}.lock"), &purpose, patience);
    lock.map_err(|error| match error {
        NoLock::Held { holder, path } => Error::DestinationBusy {
            location: location.to_owned(),
            holder,
            lock: path,
        },
        NoLock::Cancelled => Error::Interrupted,
        NoLock::Failed(error) => error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::{Layout, Surroundings};

    fn context(folder: &Path) -> Context {
        let surroundings = Surroundings {
            root: Some(folder.to_owned()),
            ..Surroundings::default()
        };
        Context {
            layout: Layout::find(&surroundings).unwrap(),
            host: "server1".into(),
            user: "root".into(),
            zone: jiff::tz::TimeZone::UTC,
        }
    }

    #[test]
    fn d16_one_run_of_a_job_at_a_time_and_the_next_is_told_who() {
        let folder = tempfile::tempdir().unwrap();
        let context = context(folder.path());
        let name = JobName::new("b").unwrap();
        assert!(!is_running(&context, &name));
        let held = of_job(&context, &name).unwrap();
        assert!(is_running(&context, &name));
        let error = of_job(&context, &name).unwrap_err().to_string();
        let holder = format!(
            "backup b is running already: process {} on server1, since 2",
            std::process::id()
        );
        assert!(error.starts_with(&holder), "{error}");
        assert!(
            of_job(&context, &JobName::new("c").unwrap()).is_ok(),
            "another job is free"
        );
        drop(held);
        assert!(!is_running(&context, &name));
        assert!(of_job(&context, &name).is_ok());
    }

    /// As a child has it between its beginning and its program's.
    #[test]
    fn a_lock_is_free_though_somebody_still_has_its_file_open() {
        let folder = tempfile::tempdir().unwrap();
        let context = context(folder.path());
        let name = JobName::new("b").unwrap();
        let held = of_job(&context, &name).unwrap();
        let _inherited = held.file.try_clone().unwrap();
        drop(held);
        assert!(of_job(&context, &name).is_ok());
    }

    #[test]
    fn a_destination_is_waited_for_as_long_as_it_was_said() {
        let folder = tempfile::tempdir().unwrap();
        let context = context(folder.path());
        let (a, b) = (JobName::new("a").unwrap(), JobName::new("b").unwrap());
        let told = std::cell::RefCell::new(Vec::new());
        let take = |name, limit, cancelled: bool| {
            let patience = Patience {
                limit,
                cancelled: &|| cancelled,
                waiting: &|holder| told.borrow_mut().push(holder.to_owned()),
            };
            of_destination(&context, name, ("key", "/mnt/x"), &patience)
        };
        let held = take(&a, Duration::ZERO, false).unwrap();
        let error = take(&b, Duration::from_millis(50), false).unwrap_err();
        let Error::DestinationBusy { holder, .. } = &error else {
            panic!("{error:?}")
        };
        assert!(holder.ends_with(", for backup a"), "{holder}");
        assert_eq!(told.borrow().len(), 1, "said once");
        assert!(matches!(
            take(&b, Duration::from_hours(1), true),
            Err(Error::Interrupted)
        ));
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                let patience = Patience {
                    limit: Duration::from_mins(1),
                    cancelled: &|| false,
                    waiting: &|_| {},
                };
                of_destination(&context, &b, ("key", "/mnt/x"), &patience).map(drop)
            });
            drop(held);
            assert!(waiter.join().unwrap().is_ok());
        });
    }
}
