//! What was saved, put back into the order of the walk on its way to the manifest.
//!
//! The walk may run ahead of what is written by so many entries only: entries wait here behind a large file, and memory
//! must not grow with their number.

use std::collections::VecDeque;
use std::sync::mpsc::Receiver;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::manifest::place::Pending;
use crate::manifest::{ManifestError, Record};
use crate::parallel::lock;

const MOST: usize = 8192;
/// The same where the place is far away: a large file takes longer there, and many small ones are made beside it.
const MOST_FAR: usize = 32 << 10;

/// The entries that have a place in the manifest.
pub struct Ledger<'a> {
    most: usize,
    slots: Mutex<Slots>,
    freed: Condvar,
    /// Locked before the slots are emptied, so that records are written in order.
    manifest: Mutex<Manifest<'a>>,
}

/// What is written.
enum Manifest<'a> {
    /// Nothing: everything is only counted.
    None,
    /// It is being begun.
    Beginning(Beginning<'a>),
    Begun(Box<Pending<'a>>),
}

/// A manifest that somebody else begins.
pub type Beginning<'a> = Receiver<Result<Box<Pending<'a>>>>;

#[derive(Default)]
struct Slots {
    /// Entries from the first that is not written on; `None` for one that is not done, `Some(None)` for one that is left
    /// out.
    waiting: VecDeque<Option<Option<Box<Record>>>>,
    /// How many were written or left out before those.
    done: u64,
}

impl<'a> Ledger<'a> {
    /// For a manifest of a place that is far away or not; without one everything is only counted.
    pub fn new(manifest: Option<Beginning<'a>>, is_far: bool) -> Self {
        Self {
            most: if is_far { MOST_FAR } else { MOST },
            slots: Mutex::default(),
            freed: Condvar::new(),
            manifest: Mutex::new(manifest.map_or(Manifest::None, Manifest::Beginning)),
        }
    }

    /// Takes the next place; `None` while the walk is too far ahead.
    pub fn try_reserve(&self) -> Option<u64> {
        let mut slots = lock(&self.slots);
        if slots.waiting.len() >= self.most {
            return None;
        }
        slots.waiting.push_back(None);
        Some(slots.done + slots.waiting.len() as u64 - 1)
    }

    /// Waits a moment for room.
    pub fn wait(&self) {
        let slots = lock(&self.slots);
        if slots.waiting.len() >= self.most {
            // Whoever waits looks again in any case.
            let _ = self.freed.wait_timeout(slots, Duration::from_millis(100));
        }
    }

    /// Fills places, and writes what is complete by that.
    pub fn fill(&self, filled: impl IntoIterator<Item = (u64, Option<Box<Record>>)>) -> Result<()> {
        let mut slots = lock(&self.slots);
        let done = slots.done;
        for (place, record) in filled {
            let index = place.checked_sub(done).and_then(|index| usize::try_from(index).ok());
            if let Some(slot) = index.and_then(|index| slots.waiting.get_mut(index)) {
                *slot = Some(record);
            }
        }
        let is_ready = matches!(slots.waiting.front(), Some(Some(_)));
        drop(slots);
        if is_ready { self.write() } else { Ok(()) }
    }

    fn write(&self) -> Result<()> {
        let mut manifest = lock(&self.manifest);
        let mut ready = Vec::new();
        let mut slots = lock(&self.slots);
        while let Some(record) = slots.waiting.pop_front_if(|slot| slot.is_some()).flatten() {
            slots.done += 1;
            ready.extend(record);
        }
        drop(slots);
        self.freed.notify_one();
        if let Some(pending) = manifest.begun()? {
            for record in ready {
                pending.push(&record).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// The manifest, when all is written.
    pub fn into_pending(self) -> Result<Option<Box<Pending<'a>>>> {
        let mut manifest = self.manifest.into_inner().unwrap_or_else(PoisonError::into_inner);
        manifest.begun()?;
        Ok(match manifest {
            Manifest::Begun(pending) => Some(pending),
            Manifest::None | Manifest::Beginning(_) => None,
        })
    }
}

impl<'a> Manifest<'a> {
    /// Waits until it has begun.
    fn begun(&mut self) -> Result<Option<&mut Pending<'a>>> {
        if let Self::Beginning(beginning) = self {
            *self = Self::Begun(beginning.recv().unwrap_or(Err(Error::Interrupted))?);
        }
        Ok(match self {
            Self::Begun(pending) => Some(pending),
            Self::None | Self::Beginning(_) => None,
        })
    }
}

fn failed(error: ManifestError) -> Error {
    Error::manifest("that is being made", error)
}
