//! Our own lock: taken, renewed by a thread, given back when it is dropped.

use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use engine_api::{Event, Phase, Progress};

use super::{Mode, others};
use crate::Id;
use crate::error::{Error, Result};
use crate::format::LockFile;
use crate::repository::{FileKind, Repository, lock, now};

/// Time after which two programs that locked at the same moment see each other's lock where a storage does not show it at
/// once, as in restic.
const SETTLE: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 200 });
const RENEW: Duration = Duration::from_secs(5 * 60);
/// Age at which a lock that could not be renewed counts as lost: before others may think it stale.
const LOST: Duration = Duration::from_secs(22 * 60);

/// A lock of this process, removed when dropped.
pub struct Lock {
    held: Arc<Held>,
    mode: Mode,
    taken: Instant,
    settled: Mutex<bool>,
    renewer: Option<JoinHandle<()>>,
}

struct Held {
    repository: Arc<Repository>,
    state: Mutex<State>,
    wake: Condvar,
}

struct State {
    id: Id,
    renewed: std::time::SystemTime,
    ended: bool,
}

impl Lock {
    /// Takes a lock, waiting for others as long as the settings say. A shared lock must be [`settle`](Self::settle)d
    /// before anything is written; until then the work may already begin.
    pub fn take(repository: &Arc<Repository>, mode: Mode, progress: &dyn Progress) -> Result<Self> {
        Self::wait_for(progress, repository, &|| {
            let taken = Self::try_take(repository, mode, progress)?;
            if mode == Mode::Exclusive {
                taken.settle()?;
            }
            Ok(taken)
        })
    }

    /// The same for an exclusive lock that is not settled: what is read until it is may not be what stays.
    pub fn take_unsettled(repository: &Arc<Repository>, progress: &dyn Progress) -> Result<Self> {
        Self::wait_for(progress, repository, &|| {
            Self::try_take(repository, Mode::Exclusive, progress)
        })
    }

    fn wait_for(progress: &dyn Progress, repository: &Repository, attempt: &dyn Fn() -> Result<Self>) -> Result<Self> {
        let begin = Instant::now();
        let mut told = false;
        loop {
            let error = match attempt() {
                Err(error @ Error::Locked { .. }) => error,
                other => return other,
            };
            if begin.elapsed() >= repository.settings().retry_lock {
                return Err(error);
            }
            if !told {
                progress.event(Event::Phase {
                    phase: Phase::WaitingForLock,
                    total: None,
                });
                progress.event(Event::Notice(&error.to_string()));
                told = true;
            }
            if progress.cancelled() {
                return Err(Error::Interrupted);
            }
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    fn try_take(repository: &Arc<Repository>, mode: Mode, progress: &dyn Progress) -> Result<Self> {
        // What was seen while the repository was being opened saves a turn; what has come since is seen by the second look.
        if !repository.was_unlocked() {
            others::check(repository, mode, None, &mut |stale| tell_removed(stale, progress))?;
        }
        let id = write(repository, mode)?;
        let state = State {
            id,
            renewed: std::time::SystemTime::now(),
            ended: false,
        };
        let held = Arc::new(Held {
            repository: Arc::clone(repository),
            state: Mutex::new(state),
            wake: Condvar::new(),
        });
        let renewer = std::thread::spawn({
            let held = Arc::clone(&held);
            move || held.renew(mode)
        });
        let taken = Self {
            held,
            mode,
            taken: Instant::now(),
            settled: Mutex::new(false),
            renewer: Some(renewer),
        };
        // Everybody looks again when their own lock is stored, so that of two at least one sees the other. Where a listing
        // shows at once what was stored there is nothing to wait for.
        let seen = taken.look()?;
        *lock(&taken.settled) = seen && repository.store().capabilities().prompt_listings;
        Ok(taken)
    }

    /// Whether nothing is left to wait for before the first write.
    pub fn is_settled(&self) -> bool {
        *lock(&self.settled)
    }

    /// Makes sure that nobody took a conflicting lock at the same moment; must succeed before the first write.
    pub fn settle(&self) -> Result<()> {
        let mut settled = lock(&self.settled);
        if !*settled {
            std::thread::sleep(SETTLE.saturating_sub(self.taken.elapsed()));
            self.look()?;
            *settled = true;
        }
        Ok(())
    }

    /// Fails when somebody holds a conflicting lock; returns whether our own is to be seen.
    fn look(&self) -> Result<bool> {
        let own = lock(&self.held.state).id;
        others::check(&self.held.repository, self.mode, Some(own), &mut |_| ())
    }

    /// Fails when the lock could not be renewed for so long that others may not honour it any more.
    pub fn check(&self) -> Result<()> {
        let age = lock(&self.held.state).renewed.elapsed().unwrap_or_default();
        if age > LOST { Err(Error::LockLost) } else { Ok(()) }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        lock(&self.held.state).ended = true;
        self.held.wake.notify_all();
        if let Some(renewer) = self.renewer.take() {
            let _ = renewer.join();
        }
        // One that cannot be removed now is stale in half an hour.
        let _ = self.held.repository.remove(FileKind::Lock, lock(&self.held.state).id);
    }
}

impl Held {
    fn renew(&self, mode: Mode) {
        let mut state = lock(&self.state);
        while !state.ended {
            let waited = self.wake.wait_timeout(state, RENEW);
            state = match waited {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
            if !state.ended && state.renewed.elapsed().unwrap_or_default() >= RENEW {
                drop(state);
                self.renew_once(mode);
                state = lock(&self.state);
            }
        }
    }

    fn renew_once(&self, mode: Mode) {
        let old = lock(&self.state).id;
        // A lock that somebody removed, or that is too old, must not come back to life unseen.
        let present = self
            .repository
            .list(FileKind::Lock)
            .is_ok_and(|locks| locks.iter().any(|(id, _)| *id == old));
        let age = lock(&self.state).renewed.elapsed().unwrap_or_default();
        if !present || age > LOST {
            return;
        }
        if let Ok(new) = write(&self.repository, mode) {
            let mut state = lock(&self.state);
            state.id = new;
            state.renewed = std::time::SystemTime::now();
            drop(state);
            let _ = self.repository.remove(FileKind::Lock, old);
        }
    }
}

fn tell_removed(stale: &LockFile, progress: &dyn Progress) {
    let (pid, user, host) = (stale.pid, &stale.username, &stale.hostname);
    let text = format!(
        "removed the stale lock of process {pid} of {user} on {host} from {}",
        stale.time
    );
    progress.event(Event::Notice(&text));
}

fn write(repository: &Repository, mode: Mode) -> Result<Id> {
    let settings = repository.settings();
    let file = LockFile {
        time: now(&settings.zone),
        exclusive: mode == Mode::Exclusive,
        hostname: settings.host.clone(),
        username: settings.user.clone(),
        pid: std::process::id(),
        uid: rustix::process::getuid().as_raw(),
        gid: rustix::process::getgid().as_raw(),
    };
    let json = serde_json::to_vec(&file).map_err(|error| Error::damaged("a lock", error.to_string()))?;
    repository.write_file(FileKind::Lock, &json)
}
