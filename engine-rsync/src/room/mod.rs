//! A destination that makes room for itself: when it is full, the oldest snapshots go, one by one, and what failed is
//! tried again.
//!
//! Only as many go as are needed, and never the newest: what the running backup is linked against, or the last good
//! snapshot there is.

mod file;
mod store;

use std::sync::{Arc, Mutex};

use engine_api::{FileStore, Silent, StoreError, StoreErrorKind};
use jiff::tz::TimeZone;

use crate::parallel::lock;
use crate::{removal, snapshots};

/// A store whose writes make room for themselves.
pub struct RoomyStore {
    room: Arc<Room>,
}

/// What can be given up for room.
struct Room {
    store: Arc<dyn FileStore>,
    zone: TimeZone,
    /// The snapshot that must stay.
    protected: Option<String>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// How often room was made.
    rounds: u64,
    /// What was removed and is not told yet.
    removed: Vec<String>,
}

impl RoomyStore {
    /// Around `store`; `protected` stays whatever happens, and so does the newest.
    pub fn new(store: Arc<dyn FileStore>, zone: TimeZone, protected: Option<String>) -> Self {
        let room = Room {
            store,
            zone,
            protected,
            state: Mutex::default(),
        };
        Self { room: Arc::new(room) }
    }

    /// The snapshots that were removed for room since this was asked last.
    pub fn take_removed(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.room.state).removed)
    }
}

impl Room {
    /// Does `work`; when the place is full, makes room and does it again.
    fn with_room<T>(&self, mut work: impl FnMut() -> Result<T, StoreError>) -> Result<T, StoreError> {
        loop {
            let rounds = lock(&self.state).rounds;
            match work() {
                Err(error) if error.kind == StoreErrorKind::NoSpace => self.make(rounds, error)?,
                other => return other,
            }
        }
    }

    /// Removes the oldest snapshot, unless somebody has done that since `rounds`; fails with `error` when none may go.
    fn make(&self, rounds: u64, error: StoreError) -> Result<(), StoreError> {
        let mut state = lock(&self.state);
        if state.rounds != rounds {
            return Ok(());
        }
        let Some(name) = self.oldest() else {
            return Err(error);
        };
        // What went wrong here is less interesting than that there is no room.
        if removal::remove_snapshot(self.store.as_ref(), &name, &Silent).is_err() {
            return Err(error);
        }
        // A filesystem that frees room only at its next commit does it now.
        let _ = self.store.sync();
        state.rounds += 1;
        state.removed.push(name);
        Ok(())
    }

    fn oldest(&self) -> Option<String> {
        let mut names = snapshots::dated(self.store.as_ref(), &self.zone).ok()?;
        names.pop()?;
        let may_go = |name: &String| Some(name) != self.protected.as_ref();
        names.into_iter().map(|(_, name)| name).find(may_go)
    }
}

#[cfg(test)]
mod tests;
