//! Reading one after the other is answered from what was asked for before it was wanted.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::sftp::errors::Problem;
use crate::sftp::requests::Handle;
use crate::sftp::transfer::{self, Batch};

/// Bytes of one file that are asked for before they are wanted.
const WINDOW: usize = 2 << 20;

/// What is known of how a file is read.
#[derive(Default)]
pub(super) struct Ahead(Mutex<State>);

#[derive(Default)]
struct State {
    /// Where the last read ended.
    end: u64,
    /// How many changes of the file were known then: what was asked for before a change may be old.
    changes: u64,
    batches: VecDeque<Batch>,
}

impl Ahead {
    /// Fills `buffer` from the file's bytes at `offset`; `changes` counts those of it.
    pub(super) fn read(&self, file: &Handle, offset: u64, buffer: &mut [u8], changes: u64) -> Result<usize, Problem> {
        if buffer.is_empty() || buffer.len() > WINDOW {
            return transfer::read(file, offset, buffer);
        }
        let batch = self.batch(file, offset, buffer.len(), changes)?;
        let read = batch.fill(file, buffer)?;
        if read < buffer.len() {
            // The end: nothing comes after it.
            self.0.lock().unwrap_or_else(PoisonError::into_inner).batches.clear();
        }
        Ok(read)
    }

    fn batch(&self, file: &Handle, offset: u64, length: usize, changes: u64) -> Result<Batch, Problem> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let goes_on = offset == state.end && offset > 0 && changes == state.changes;
        if !goes_on || state.batches.front().is_some_and(|batch| !batch.is_for(offset, length)) {
            state.batches.clear();
        }
        let batch = match state.batches.pop_front() {
            Some(batch) => batch,
            None => Batch::ask(file, offset, length)?,
        };
        state.end = offset.saturating_add(length as u64);
        state.changes = changes;
        while goes_on && (state.batches.len() + 1) * length <= WINDOW {
            let next = state.end.saturating_add((state.batches.len() * length) as u64);
            state.batches.push_back(Batch::ask(file, next, length)?);
        }
        Ok(batch)
    }
}
