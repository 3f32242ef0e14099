//! What is done before and after backups, once for all that run at the same time.
//!
//! The first run makes the dumps (event `pre-backup-data`), the last one tidies them away (`post-backup-data`), and those
//! in between use what is there. Two locks see to it, both let go by the kernel when their process dies:
//!
//! - the guard is held by whoever is coming or leaving, and so for as long as an event runs;
//! - the users' lock is held by every run, shared; who gets it alone is the first or the last.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::atomic;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::events::{Event, EventReport, Listener};
use crate::lock::{Lock, NoLock, Patience};
use crate::name::JobName;

const GUARD: &str = "work.guard";
const USERS: &str = "work.users";
const RESULT: &str = "work.result";

/// What became of the event before or after a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Work {
    /// The event has no actions.
    Nothing,
    /// This run has done it.
    Done(EventReport),
    /// Another run had done it, and this one uses the result.
    Shared {
        /// Which job's run.
        by: String,
        /// When it was done.
        at: Timestamp,
        /// What failed in it.
        complaints: Vec<String>,
    },
    /// Other runs are still using it, and the last of them will tidy up.
    Left,
    /// It could not be done at all.
    Failed(String),
}

impl Work {
    /// What went wrong with it, in words.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        match self {
            Self::Nothing | Self::Left => Vec::new(),
            Self::Done(report) => report.complaints(),
            Self::Shared { complaints, .. } => complaints.clone(),
            Self::Failed(cause) => vec![cause.clone()],
        }
    }
}

/// What the run that did the work leaves for those that use it.
#[derive(Serialize, Deserialize)]
struct Kept {
    by: String,
    at: i64,
    complaints: Vec<String>,
}

/// How the events are run.
pub(super) struct Shared<'a> {
    pub(super) context: &'a Context,
    pub(super) name: &'a JobName,
    pub(super) action_limit: Duration,
    /// How long to wait for another run's event.
    pub(super) wait: Duration,
}

/// A run among those that use the work; when the process dies it is one no more.
pub(super) struct Using {
    users: File,
}

impl Shared<'_> {
    /// Does the work before a backup, or joins those for whom it is done.
    pub(super) fn enter(&self, listener: &dyn Listener) -> (Option<Using>, Work) {
        match self.try_enter(listener) {
            Ok((using, work)) => (Some(using), work),
            Err(error) => (None, Work::Failed(engine_api::Error::from(error).chain())),
        }
    }

    fn try_enter(&self, listener: &dyn Listener) -> Result<(Using, Work)> {
        let _guard = self.guard(listener)?;
        let users = self.users()?;
        let failed = |error| Error::io("lock", &self.path(USERS), error);
        match users.try_lock() {
            Ok(()) => {
                let _ = fs::remove_file(self.path(RESULT));
                let work = self.event("pre-backup-data", listener)?;
                // Where this fails, those who would share the result say that they cannot tell it.
                let _ = self.keep(&work);
                users.lock_shared().map_err(failed)?;
                Ok((Using { users }, work))
            }
            Err(TryLockError::WouldBlock) => {
                // Whoever has it alone holds the guard too, so this never waits.
                users.lock_shared().map_err(failed)?;
                Ok((Using { users }, self.kept()))
            }
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// Does the work after the last backup.
    pub(super) fn leave(&self, using: Option<Using>, listener: &dyn Listener) -> Work {
        let leave = || -> Result<Work> {
            // Who never came in must not tidy away what others use.
            let Some(Using { users }) = using else {
                return Ok(Work::Left);
            };
            let _guard = self.guard(listener)?;
            match users.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(Work::Left),
                Err(TryLockError::Error(error)) => return Err(Error::io("lock", &self.path(USERS), error)),
            }
            self.event("post-backup-data", listener)
        };
        leave().unwrap_or_else(|error| Work::Failed(engine_api::Error::from(error).chain()))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.context.layout.locks.join(name)
    }

    fn guard(&self, listener: &dyn Listener) -> Result<Lock> {
        let patience = Patience {
            limit: self.wait,
            cancelled: &|| listener.cancelled(),
            waiting: &|_| {},
        };
        let purpose = format!(", for backup {}", self.name);
        Lock::take(self.context, GUARD, &purpose, &patience).map_err(|error| match error {
            NoLock::Held { holder, .. } => Error::EventBusy { holder },
            NoLock::Cancelled => Error::Interrupted,
            NoLock::Failed(error) => error,
        })
    }

    fn users(&self) -> Result<File> {
        let path = self.path(USERS);
        let file = OpenOptions::new().create(true).append(true).mode(0o644).open(&path);
        file.map_err(|error| Error::io("lock", &path, error))
    }

    fn event(&self, event: &str, listener: &dyn Listener) -> Result<Work> {
        let words = vec![self.name.as_str().into()];
        let event = Event::find_if_there(&self.context.layout, event, words)?.with_limit(self.action_limit);
        if event.is_empty() {
            return Ok(Work::Nothing);
        }
        Ok(Work::Done(event.execute(listener)))
    }

    fn keep(&self, work: &Work) -> Result<()> {
        let kept = Kept {
            by: self.name.to_string(),
            at: Timestamp::now().as_second(),
            complaints: work.complaints(),
        };
        let text = match work {
            Work::Nothing => Vec::new(),
            _ => serde_json::to_vec(&kept).unwrap_or_default(),
        };
        atomic::replace(&self.path(RESULT), 0o644, &text)
    }

    /// What the first run left; it always leaves something, and nothing is what it had to do when that is empty.
    fn kept(&self) -> Work {
        match fs::read(self.path(RESULT)) {
            Ok(text) if text.is_empty() => Work::Nothing,
            Ok(text) => match serde_json::from_slice::<Kept>(&text) {
                Ok(kept) => Work::Shared {
                    by: kept.by,
                    at: Timestamp::from_second(kept.at).unwrap_or_default(),
                    complaints: kept.complaints,
                },
                Err(error) => Work::Failed(format!("cannot tell what another run prepared: {error}")),
            },
            Err(error) => Work::Failed(format!("cannot tell what another run prepared: {error}")),
        }
    }
}
