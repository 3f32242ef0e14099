//! The workers.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::Context;
use super::batch::{self, Batch, Tools};
use crate::error::{Error, Result};
use crate::parallel::lock;

/// Batches that wait for a worker.
const WAITING: usize = 32;

/// The way to the workers.
pub struct Pool<'a> {
    batches: Sender<Batch>,
    state: &'a State,
}

#[derive(Default)]
struct State {
    failed: AtomicBool,
    failure: Mutex<Option<Error>>,
}

/// Runs `follow` with workers beside it, and waits for them.
pub fn run(context: &Context<'_>, follow: impl FnOnce(&Pool<'_>) -> Result<()>) -> Result<()> {
    let (batches, waiting) = bounded(WAITING);
    let state = State::default();
    let pool = Pool { batches, state: &state };
    let followed = std::thread::scope(|scope| {
        for _ in 0..context.store.capabilities().concurrency.max(2) {
            let waiting = waiting.clone();
            let state = &state;
            scope.spawn(move || state.work(&waiting, context));
        }
        drop(waiting);
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

    /// Fails when a worker has failed; why is for [`run`] to tell.
    pub fn check(&self) -> Result<()> {
        if self.state.failed.load(Ordering::Acquire) {
            return Err(Error::Interrupted);
        }
        Ok(())
    }
}

impl State {
    fn work(&self, waiting: &Receiver<Batch>, context: &Context<'_>) {
        let mut tools = Tools::default();
        for batch in waiting {
            if self.failed.load(Ordering::Acquire) {
                continue;
            }
            if let Err(error) = batch::run(batch, context, &mut tools) {
                lock(&self.failure).get_or_insert(error);
                self.failed.store(true, Ordering::Release);
            }
        }
    }
}
