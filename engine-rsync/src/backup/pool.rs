//! The workers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crossbeam_channel::{Receiver, Sender, bounded, select_biased};

use super::Context;
use super::batch::{self, Batch, Tools};
use super::level::Level;
use crate::error::{Error, Result};
use crate::parallel::lock;

/// Batches that wait for a worker.
const WAITING: usize = 32;
/// The same where most have one entry.
const WAITING_FAR: usize = 1024;
/// Folders that wait to be made.
const FOLDERS: usize = 1024;

/// The way to the workers.
pub struct Pool<'a> {
    batches: Sender<Batch>,
    folders: Sender<Arc<Level>>,
    state: &'a State,
}

#[derive(Default)]
struct State {
    failed: AtomicBool,
    failure: Mutex<Option<Error>>,
}

/// Runs `follow` with workers beside it, and waits for them.
pub fn run(context: &Context<'_>, follow: impl FnOnce(&Pool<'_>) -> Result<()>) -> Result<()> {
    let (batches, waiting) = bounded(if context.is_far { WAITING_FAR } else { WAITING });
    let (folders, unmade) = bounded(FOLDERS);
    let state = State::default();
    let pool = Pool {
        batches,
        folders,
        state: &state,
    };
    let followed = std::thread::scope(|scope| {
        let state = &state;
        // There may be hundreds of them, and the walk need not wait until they are there.
        scope.spawn(move || {
            for _ in 0..context.store.capabilities().concurrency.max(2) {
                let (waiting, unmade) = (waiting.clone(), unmade.clone());
                scope.spawn(move || state.work(&waiting, &unmade, context));
            }
        });
        let followed = follow(&pool);
        if followed.is_err() {
            // What still waits is thrown away by the workers.
            state.failed.store(true, Ordering::Release);
        }
        drop(pool);
        followed
    });
    match lock(&state.failure).take() {
        Some(error) => Err(error),
        None => followed,
    }
}

impl Pool<'_> {
    /// Hands a batch to the workers; waits while many wait already.
    pub fn send(&self, batch: Batch) -> Result<()> {
        self.check()?;
        self.batches.send(batch).map_err(|_| Error::Interrupted)
    }

    /// Has a folder made before anybody needs it, ahead of the batches.
    pub fn prepare(&self, level: &Arc<Level>) -> Result<()> {
        self.check()?;
        self.folders.send(Arc::clone(level)).map_err(|_| Error::Interrupted)
    }

    /// Fails when a worker has failed; why is for [`run`] to tell.
    pub fn check(&self) -> Result<()> {
        if self.state.failed.load(Ordering::Acquire) {
            return Err(Error::Interrupted);
        }
        Ok(())
    }
}

impl State {
    fn work(&self, waiting: &Receiver<Batch>, unmade: &Receiver<Arc<Level>>, context: &Context<'_>) {
        let mut tools = Tools::default();
        loop {
            // When one of the two ends, the other has ended or is about to.
            select_biased! {
                recv(unmade) -> level => match level {
                    Ok(level) => self.note(|| level.ready(context).map(drop)),
                    Err(_) => break,
                },
                recv(waiting) -> batch => match batch {
                    Ok(batch) => self.note(|| batch::run(batch, context, &mut tools)),
                    Err(_) => break,
                },
            }
        }
        for batch in waiting {
            self.note(|| batch::run(batch, context, &mut tools));
        }
    }

    /// Does some work, unless some has failed already.
    fn note(&self, work: impl FnOnce() -> Result<()>) {
        if self.failed.load(Ordering::Acquire) {
            return;
        }
        if let Err(error) = work() {
            lock(&self.failure).get_or_insert(error);
            self.failed.store(true, Ordering::Release);
        }
    }
}
