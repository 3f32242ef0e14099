//! Reading one after the other is answered from what was asked for before it was wanted.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::sftp::errors::Problem;
use crate::sftp::requests::Handle;
use crate::sftp::transfer::{self, Batch};

/// Bytes of one file that are asked for before they are wanted.
const WINDOW: usize = 2 << 20;

/// Bytes of one piece, where the server takes such requests.
const PIECE: usize = 256 << 10;

/// What is known of how a file is read.
pub(super) struct Ahead {
    /// How long the file was when it was opened, in bytes: no more is asked for before it is wanted.
    size: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Where what is read one after the other has come to.
    end: u64,
    /// Where the last read ended that was none of those: the next one there is, instead of them.
    other_end: u64,
    /// How many changes of the file were known then: what was asked for before a change may be old.
    changes: u64,
    /// What was asked for, without gaps: reads need not be as long as pieces are.
    pieces: VecDeque<Arc<Piece>>,
}

struct Piece {
    offset: u64,
    length: usize,
    content: Mutex<Content>,
}

enum Content {
    Asked(Batch),
    /// Fewer bytes than were asked for at the end of the file.
    There(Vec<u8>),
    /// It could not be read; who wanted it knows why.
    Failed,
}

impl Ahead {
    /// What is known before the first read; nothing is asked for beyond `size`.
    pub(super) fn of(size: Option<u64>) -> Self {
        Self {
            size: size.unwrap_or(u64::MAX),
            state: Mutex::default(),
        }
    }

    /// Fills `buffer` from the file's bytes at `offset`; `changes` counts those of it.
    pub(super) fn read(&self, file: &Handle, offset: u64, buffer: &mut [u8], changes: u64) -> Result<usize, Problem> {
        if buffer.is_empty() || buffer.len() > WINDOW {
            return transfer::read(file, offset, buffer);
        }
        let pieces = self
            .lock()
            .pieces_for(file, self.size, (offset, buffer.len()), changes)?;
        if pieces.is_empty() {
            return transfer::read(file, offset, buffer);
        }
        let mut filled = 0;
        for piece in &pieces {
            let rest = buffer.get_mut(filled..).unwrap_or_default();
            let read = piece.read(file, offset.saturating_add(filled as u64), rest);
            let (read, is_last) = read.inspect_err(|_| self.lock().pieces.clear())?;
            filled += read;
            if is_last {
                // The end: nothing comes after it.
                self.lock().pieces.clear();
                break;
            }
        }
        Ok(filled)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The pieces with the `length` bytes at `offset`, and more of them under way; none where nobody reads on.
    fn pieces_for(
        &mut self,
        file: &Handle,
        size: u64,
        (offset, length): (u64, usize),
        changes: u64,
    ) -> Result<Vec<Arc<Piece>>, Problem> {
        let end = offset.saturating_add(length as u64);
        let goes_on = self.goes_on(offset, length, changes);
        self.changes = changes;
        if !goes_on || offset >= size {
            self.other_end = end;
            return Ok(Vec::new());
        }
        self.end = end;
        while self.pieces.front().is_some_and(|first| first.end() <= offset) {
            self.pieces.pop_front();
        }
        let piece = file.link().limits().read.min(PIECE);
        let mut at = self.pieces.back().map_or(offset, |last| last.end());
        while at < end.saturating_add(WINDOW as u64).min(size) {
            let length = usize::try_from(size - at).map_or(piece, |rest| rest.min(piece));
            let content = Mutex::new(Content::Asked(Batch::ask(file, at, length)?));
            let piece = Piece {
                offset: at,
                length,
                content,
            };
            at = piece.end();
            self.pieces.push_back(Arc::new(piece));
        }
        let wanted = self.pieces.iter().take_while(|piece| piece.offset < end);
        Ok(wanted.cloned().collect())
    }

    /// Whether what is read there comes after what was read before it, or is so much from the start that more will follow.
    /// What was asked for before a change is old, and of no use where others are read.
    fn goes_on(&mut self, offset: u64, length: usize, changes: u64) -> bool {
        let is_old = changes != self.changes;
        if !is_old && offset == self.end && offset > 0 {
            return true;
        }
        let begins = if offset == 0 {
            length >= PIECE
        } else {
            !is_old && offset == self.other_end
        };
        if is_old || begins {
            self.pieces.clear();
            (self.end, self.other_end) = (0, 0);
        }
        begins
    }
}

impl Piece {
    const fn end(&self) -> u64 {
        self.offset.saturating_add(self.length as u64)
    }

    /// Copies what there is of it from `offset` on; how much, and whether the file ends in it.
    fn read(&self, file: &Handle, offset: u64, buffer: &mut [u8]) -> Result<(usize, bool), Problem> {
        let mut content = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        *content = match std::mem::replace(&mut *content, Content::Failed) {
            Content::Asked(batch) => {
                let mut bytes = vec![0; self.length];
                let read = batch.fill(file, &mut bytes)?;
                bytes.truncate(read);
                Content::There(bytes)
            }
            other => other,
        };
        let Content::There(bytes) = &*content else {
            return Err(Problem::lost("what was asked for could not be read"));
        };
        let skipped = usize::try_from(offset.saturating_sub(self.offset)).unwrap_or(usize::MAX);
        let rest = bytes.get(skipped..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        if let (Some(from), Some(to)) = (rest.get(..length), buffer.get_mut(..length)) {
            to.copy_from_slice(from);
        }
        Ok((length, length < buffer.len() && bytes.len() < self.length))
    }
}
