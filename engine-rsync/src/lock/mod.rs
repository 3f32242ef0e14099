//! One writer at a time, on whatever machine: a file in Holdfast's own folder says who, and is renewed while the run
//! lasts.

mod holder;

use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use engine_api::{Event, FileStore, Folder, NewMetadata, Phase, Progress, StoreErrorKind, StoredFile};

use crate::engine::{RsyncEngine, Settings};
use crate::error::{Error, Result};
use crate::layout::{self, own_folder, read_file};
use crate::manifest::place;
use crate::parallel::lock;
use crate::survey::Survey;
use holder::Holder;

const NAME: &[u8] = b"lock";
const NEXT: &[u8] = b"lock.next";
/// For so long after it was looked at, nobody can have taken it for stale and made another of it.
const SURE: Duration = Duration::from_secs(5);
/// So long a lock may be empty that somebody is making: others wait for that, and who took half of it to fill one looks
/// whether it is still there.
const MAKING: Duration = Duration::from_secs(3);
const RENEW: Duration = Duration::from_secs(5 * 60);
/// Age at which a lock that could not be renewed counts as lost: before others may think it stale.
const LOST: Duration = Duration::from_secs(22 * 60);

/// The lock of this process, given back when it is dropped.
pub struct Lock {
    held: Arc<Held>,
    renewer: Option<JoinHandle<()>>,
}

struct Held {
    store: Arc<dyn FileStore>,
    own: Folder,
    state: Mutex<State>,
    wake: Condvar,
}

struct State {
    holder: Holder,
    renewed: Instant,
    /// When a look showed that it is ours.
    seen: Option<Instant>,
    ended: bool,
    lost: bool,
}

impl Lock {
    /// Takes the lock; waits for others as long as the settings say.
    pub fn take(engine: &RsyncEngine, progress: &dyn Progress) -> Result<Self> {
        Self::take_and(engine, progress, None, || Ok(())).map(|(lock, ())| lock)
    }

    /// The same for who has `seen` the place just now; does something `also` as soon as nobody else can have the lock.
    pub fn take_and<T: Send>(
        engine: &RsyncEngine,
        progress: &dyn Progress,
        seen: Option<&Survey>,
        also: impl Fn() -> Result<T> + Sync,
    ) -> Result<(Self, T)> {
        let begin = Instant::now();
        let mut told = false;
        loop {
            // What was seen is old after a wait.
            let error = match Self::try_take(engine, progress, seen.filter(|_| !told), &also) {
                Err(error @ Error::Locked { .. }) => error,
                other => return other,
            };
            if begin.elapsed() >= engine.settings().retry_lock {
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

    fn try_take<T: Send>(
        engine: &RsyncEngine,
        progress: &dyn Progress,
        seen: Option<&Survey>,
        also: &(impl Fn() -> Result<T> + Sync),
    ) -> Result<(Self, T)> {
        let store = engine.shared_store();
        if seen.is_none_or(Survey::in_progress) {
            layout::check_script(store.as_ref())?;
        }
        let own = if seen.is_some_and(Survey::has_own) {
            place::folder(store.as_ref())
        } else {
            own_folder(store.as_ref())?
        };
        let (holder, also) = acquire(store.as_ref(), &own, engine.settings(), progress, also)?;
        let held = Arc::new(Held {
            store: Arc::clone(store),
            own,
            state: Mutex::new(State {
                holder,
                renewed: Instant::now(),
                seen: None,
                ended: false,
                lost: false,
            }),
            wake: Condvar::new(),
        });
        let renewer = std::thread::spawn({
            let held = Arc::clone(&held);
            move || held.renew()
        });
        let lock = Self {
            held,
            renewer: Some(renewer),
        };
        Ok((lock, also?))
    }

    /// Fails when somebody took the lock away, or it could not be renewed for so long that somebody may.
    pub fn check(&self) -> Result<()> {
        let state = lock(&self.held.state);
        if state.lost || state.renewed.elapsed() > LOST {
            return Err(Error::LockLost);
        }
        Ok(())
    }

    /// The same, and looks at the file itself: before what cannot be taken back.
    pub fn confirm(&self) -> Result<()> {
        self.check()?;
        let token = lock(&self.held.state).holder.token.clone();
        let began = Instant::now();
        if !self.held.is_ours(&token)? {
            return Err(Error::LockLost);
        }
        lock(&self.held.state).seen = Some(began);
        Ok(())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        lock(&self.held.state).ended = true;
        self.held.wake.notify_all();
        if let Some(renewer) = self.renewer.take() {
            let _ = renewer.join();
        }
        let token = lock(&self.held.state).holder.token.clone();
        // One that cannot be removed at the second try either is stale in half an hour, and at once when this process is
        // gone.
        if self.held.give_back(&token).is_err() {
            let _ = self.held.give_back(&token);
        }
    }
}

impl Held {
    fn is_ours(&self, token: &str) -> Result<bool> {
        is_held(self.store.as_ref(), &self.own, token)
    }

    fn give_back(&self, token: &str) -> Result<()> {
        let seen = lock(&self.state).seen;
        if seen.is_some_and(|seen| seen.elapsed() < SURE) || self.is_ours(token)? {
            layout::remove_file(self.store.as_ref(), &self.own, NAME)?;
        }
        Ok(())
    }

    fn renew(&self) {
        let mut state = lock(&self.state);
        while !state.ended {
            state = match self.wake.wait_timeout(state, RENEW) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
            if !state.ended && state.renewed.elapsed() >= RENEW {
                let mut holder = state.holder.clone();
                drop(state);
                let kept = self.is_ours(&holder.token);
                let renewed = matches!(kept, Ok(true)) && self.write_again(&mut holder).is_ok();
                state = lock(&self.state);
                // What could not be looked at may still be ours: its age decides.
                state.lost |= matches!(kept, Ok(false));
                if renewed {
                    state.renewed = Instant::now();
                    state.holder = holder;
                }
            }
        }
    }

    fn write_again(&self, holder: &mut Holder) -> Result<()> {
        holder.renew();
        let store = self.store.as_ref();
        layout::remove_file(store, &self.own, NEXT)?;
        layout::make_file(store, &self.own, NEXT, holder.to_text().as_bytes())?;
        if !store.capabilities().atomic_replace {
            layout::remove_file(store, &self.own, NAME)?;
        }
        Ok(store.rename((&self.own, NEXT), (&self.own, NAME))?)
    }
}

/// Makes the file, if need be after a stale one is out of the way.
fn acquire<T: Send>(
    store: &dyn FileStore,
    own: &Folder,
    settings: &Settings,
    progress: &dyn Progress,
    also: &(impl Fn() -> Result<T> + Sync),
) -> Result<(Holder, Result<T>)> {
    let holder = Holder::new(settings);
    for _ in 0..3 {
        let began = Instant::now();
        match store.create(own, NAME) {
            Ok(file) => {
                return std::thread::scope(|scope| {
                    let other = scope.spawn(also);
                    fill(store, own, file, &holder)?;
                    if began.elapsed() > MAKING / 2 && !is_held(store, own, &holder.token)? {
                        return Err(Error::LockLost);
                    }
                    Ok((holder, other.join().unwrap_or(Err(Error::Interrupted))))
                });
            }
            Err(error) if error.kind == StoreErrorKind::AlreadyExists => {}
            Err(error) => return Err(error.into()),
        }
        let Some(content) = read_made(store, own)? else {
            continue;
        };
        let other = Holder::parse(&content);
        if !other.is_stale(&holder) {
            return Err(other.into_error(store.location()));
        }
        remove_stale(store, own, &content, &holder)?;
        progress.event(Event::Notice(&format!(
            "removed the stale lock of {}",
            other.describe()
        )));
    }
    Err(Error::Locked {
        location: store.location().to_owned(),
        pid: 0,
        host: "somebody who was faster".to_owned(),
        since: "now".to_owned(),
    })
}

/// Whether the lock is the one with this token.
fn is_held(store: &dyn FileStore, own: &Folder, token: &str) -> Result<bool> {
    let there = read_file(store, own, NAME)?;
    Ok(there.is_some_and(|content| Holder::parse(&content).token == token))
}

/// What the lock says; nothing when there is none. An empty one is being made, or its maker died over that: a while tells
/// which.
fn read_made(store: &dyn FileStore, own: &Folder) -> Result<Option<Vec<u8>>> {
    let began = Instant::now();
    loop {
        let content = read_file(store, own, NAME)?;
        let is_being_made = content.as_ref().is_some_and(Vec::is_empty);
        if !is_being_made || began.elapsed() >= MAKING {
            return Ok(content);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Writes into the file of a lock who holds it; takes it away again when that fails, or it would lock out everybody
/// while this process lives.
fn fill(store: &dyn FileStore, own: &Folder, file: Box<dyn StoredFile>, holder: &Holder) -> Result<()> {
    let written = file
        .write_at(0, holder.to_text().as_bytes())
        .and_then(|()| file.complete(&NewMetadata::default(), true))
        .and_then(|_| store.sync_folder(own));
    if written.is_err() && layout::remove_file(store, own, NAME).is_err() {
        let _ = layout::remove_file(store, own, NAME);
    }
    Ok(written?)
}

/// Takes a stale lock away, unless it is meanwhile another's: then that is put back.
fn remove_stale(store: &dyn FileStore, own: &Folder, content: &[u8], holder: &Holder) -> Result<()> {
    let aside = format!("lock.stale-{}", holder.token);
    match store.rename((own, NAME), (own, aside.as_bytes())) {
        Err(error) if error.is_not_found() => return Ok(()),
        other => other?,
    }
    if read_file(store, own, aside.as_bytes())?.is_some_and(|now| now != content) {
        // A third one may be there by now; then both believe to hold it until their next look, and both find out.
        let _ = store.hard_link((own, aside.as_bytes()), (own, NAME));
    }
    layout::remove_file(store, own, aside.as_bytes())
}

#[cfg(test)]
mod tests;
