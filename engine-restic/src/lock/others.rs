//! Other people's locks.

use engine_api::Timestamp;
use rustix::process::{Pid, test_kill_process};

use super::Mode;
use crate::Id;
use crate::error::{Error, Result};
use crate::format::{LockFile, parse_time};
use crate::repository::{FileKind, Repository};

/// Age in seconds after which a lock that was not renewed is stale, as in restic.
const STALE_AFTER: i64 = 30 * 60;

/// A lock somebody holds.
pub struct Other {
    pub id: Id,
    pub file: LockFile,
}

impl Other {
    /// Whether its holder is gone for certain.
    pub fn is_stale(&self, host: &str, now: Timestamp) -> bool {
        let made = parse_time(&self.file.time).map_or(0, |time| time.seconds);
        if now.seconds - made > STALE_AFTER {
            return true;
        }
        !host.is_empty() && self.file.hostname == host && !is_alive(self.file.pid)
    }

    fn conflicts(&self, mode: Mode) -> bool {
        self.file.exclusive || mode == Mode::Exclusive
    }

    fn into_error(self) -> Error {
        Error::Locked {
            how: if self.file.exclusive {
                "exclusively"
            } else {
                "by a backup or another reader"
            },
            pid: self.file.pid,
            user: self.file.username,
            host: self.file.hostname,
            since: self.file.time,
        }
    }
}

fn is_alive(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

/// Every lock but `own`, and whether that is among them. One that vanishes while it is read is none; one that cannot be
/// read is an error, for nobody can tell what it means.
fn others(repository: &Repository, own: Option<Id>) -> Result<(Vec<Other>, bool)> {
    let (mut locks, mut seen) = (Vec::new(), false);
    for (id, size) in repository.list(FileKind::Lock)? {
        seen |= Some(id) == own;
        // An empty file is what a program without atomic writes left when it was killed.
        if Some(id) == own || size == 0 {
            continue;
        }
        match read(repository, id) {
            Ok(file) => locks.push(Other { id, file }),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
    }
    Ok((locks, seen))
}

fn read(repository: &Repository, id: Id) -> Result<LockFile> {
    let json = repository.read_file(FileKind::Lock, id)?;
    serde_json::from_slice(&json).map_err(|error| Error::damaged(FileKind::Lock.object(id), error.to_string()))
}

/// Fails when somebody holds a lock that conflicts with one of `mode`; removes stale ones and hands them to `removed`.
/// Returns whether the `own` lock is there.
pub fn check(repository: &Repository, mode: Mode, own: Option<Id>, removed: &mut dyn FnMut(&LockFile)) -> Result<bool> {
    let now = Timestamp::now();
    let (others, seen) = others(repository, own)?;
    for other in others {
        if other.is_stale(&repository.settings().host, now) {
            repository.remove(FileKind::Lock, other.id)?;
            removed(&other.file);
        } else if other.conflicts(mode) {
            return Err(other.into_error());
        }
    }
    Ok(seen)
}

/// Removes stale locks, or all, also those that cannot be read; returns how many.
pub fn remove_locks(repository: &Repository, all: bool) -> Result<u64> {
    let now = Timestamp::now();
    let mut removed = 0;
    for (id, size) in repository.list(FileKind::Lock)? {
        let stale = || match read(repository, id) {
            Ok(file) => Other { id, file }.is_stale(&repository.settings().host, now),
            Err(_) => size == 0,
        };
        if all || stale() {
            repository.remove(FileKind::Lock, id)?;
            removed += 1;
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn other(age: i64, host: &str, pid: u32) -> (Other, Timestamp) {
        let now = Timestamp {
            seconds: 1_700_000_000,
            nanos: 0,
        };
        let mut time = Vec::new();
        let made = Timestamp {
            seconds: now.seconds - age,
            nanos: 0,
        };
        crate::format::format_time(made, &jiff::tz::TimeZone::UTC, &mut time);
        let file = LockFile {
            time: String::from_utf8(time).unwrap(),
            exclusive: false,
            hostname: host.to_owned(),
            username: String::new(),
            pid,
            uid: 0,
            gid: 0,
        };
        (Other { id: Id::of(b""), file }, now)
    }

    #[test]
    fn stale_is_old_or_of_a_dead_process_here() {
        let stale = |(other, now): (Other, Timestamp)| other.is_stale("here", now);
        let own = std::process::id();
        assert!(!stale(other(60, "here", own)));
        assert!(stale(other(31 * 60, "here", own)));
        // No process has this number: it is above the kernel's limit.
        assert!(stale(other(60, "here", 1 << 30)));
        assert!(!stale(other(60, "elsewhere", 1 << 30)));
        assert!(stale(other(31 * 60, "elsewhere", own)));
        // A clock that runs ahead makes no lock stale.
        assert!(!stale(other(-3600, "elsewhere", own)));
    }
}
