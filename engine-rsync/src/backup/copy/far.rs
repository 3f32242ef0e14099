//! Copying a large file to a place that is far away: what the file of the snapshot before has as well is copied there by
//! the place itself, so that only what changed is sent.

use std::io;
use std::ops::Range;

use engine_api::StoredFile;

use super::data::{self, Runs};
use super::{Failed, Job};
use crate::backup::batch::Tools;
use crate::read::fill;

/// A changed file is compared with the old one in blocks of this size.
const BLOCK: usize = 4 << 10;
/// Less of the same at once is sent: the place does better with few large copies.
const LEAST: u64 = 32 << 10;
/// So much is copied at once, while more is compared.
const MOST: u64 = 64 << 20;
/// So many ranges are.
const RANGES: usize = 1024;
/// After so much it shows whether comparing pays.
const TRIAL: u64 = 32 << 20;

impl Job<'_, '_> {
    /// The file of the snapshot before, where the place can copy from it and everything else has to be sent.
    pub(super) fn before_far_away(&self, sparse: bool) -> Option<Box<dyn StoredFile>> {
        let folder = self.level.base.as_ref()?;
        let place = self.context.store.capabilities();
        let is_far = place.copy_range && place.local_path.is_none();
        if !is_far || sparse || self.item.before.as_ref()?.metadata.size == 0 {
            return None;
        }
        self.context.store.open(folder, self.item.name()).ok()
    }

    /// Writes what is not the same in `old`, and has the rest copied from there.
    pub(super) fn write_far(
        &self,
        out: &dyn StoredFile,
        old: &dyn StoredFile,
        runs: Runs,
        tools: &mut Tools,
        hasher: &mut blake3::Hasher,
    ) -> Result<u64, Failed> {
        out.reserve(self.metadata.size)?;
        let Tools { piece, other } = tools;
        let mut far = Far {
            out,
            old,
            same: Vec::new(),
            waiting: 0,
            compared: 0,
            copied: 0,
            sent: 0,
        };
        let size = data::read(self.file, runs, piece, self.context, hasher, &mut |at, piece, len| {
            far.take(at, piece.get(..len).unwrap_or_default(), other)
        })?;
        far.flush()?;
        self.context.counters.added(far.sent);
        Ok(size)
    }
}

/// A file that is put together from an old one and what is sent.
struct Far<'a> {
    out: &'a dyn StoredFile,
    old: &'a dyn StoredFile,
    /// What is known to be the same and is not copied yet.
    same: Vec<Range<u64>>,
    /// How much that is.
    waiting: u64,
    compared: u64,
    copied: u64,
    sent: u64,
}

impl Far<'_> {
    fn take(&mut self, at: u64, piece: &[u8], other: &mut Vec<u8>) -> Result<(), Failed> {
        if self.compared >= TRIAL && self.copied < self.compared / 4 {
            self.flush()?;
            return self.send(at, piece);
        }
        other.resize(piece.len(), 0);
        let known = fill(self.old, at, other)?;
        self.compared += piece.len() as u64;
        let known = other.get(..known).unwrap_or_default();
        let mut start = 0;
        while start < piece.len() {
            let (is_same, end) = run(piece, known, start);
            self.part(at + start as u64, piece.get(start..end).unwrap_or_default(), is_same)?;
            start = end;
        }
        Ok(())
    }

    fn part(&mut self, at: u64, part: &[u8], is_same: bool) -> Result<(), Failed> {
        let end = at + part.len() as u64;
        let last = self.same.last_mut().filter(|last| last.end == at);
        if !is_same || (last.is_none() && (part.len() as u64) < LEAST) {
            return self.send(at, part);
        }
        self.copied += part.len() as u64;
        self.waiting += part.len() as u64;
        match last {
            Some(last) => last.end = end,
            None => self.same.push(at..end),
        }
        if self.waiting >= MOST || self.same.len() >= RANGES {
            self.flush()?;
        }
        Ok(())
    }

    fn send(&mut self, at: u64, part: &[u8]) -> Result<(), Failed> {
        self.out.write_at(at, part)?;
        self.sent += part.len() as u64;
        Ok(())
    }

    /// Has copied what is waiting for it.
    fn flush(&mut self) -> Result<(), Failed> {
        let (same, length) = (std::mem::take(&mut self.same), std::mem::take(&mut self.waiting));
        if same.is_empty() || self.out.copy_ranges(self.old, &same)? == length {
            return Ok(());
        }
        let changed = "the file of the snapshot before has become shorter";
        Err(Failed::Source(io::Error::new(io::ErrorKind::InvalidData, changed)))
    }
}

/// Whether the block at `start` is the same, and where the run of blocks like it ends.
fn run(piece: &[u8], known: &[u8], start: usize) -> (bool, usize) {
    let block = |at: usize| at..(at + BLOCK).min(piece.len());
    let is_same = |at: usize| known.get(block(at)).is_some() && known.get(block(at)) == piece.get(block(at));
    let first = is_same(start);
    let mut end = block(start).end;
    while end < piece.len() && is_same(end) == first {
        end = block(end).end;
    }
    (first, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_of_whole_blocks_and_end_with_what_is_known() {
        let piece = vec![1; 5 * BLOCK + 10];
        let mut known = piece.clone();
        known[2 * BLOCK + 5] = 2;
        assert_eq!(run(&piece, &known, 0), (true, 2 * BLOCK));
        assert_eq!(run(&piece, &known, 2 * BLOCK), (false, 3 * BLOCK));
        assert_eq!(run(&piece, &known, 3 * BLOCK), (true, piece.len()));
        known.truncate(5 * BLOCK + 9);
        assert_eq!(run(&piece, &known, 3 * BLOCK), (true, 5 * BLOCK));
        assert_eq!(run(&piece, &known, 5 * BLOCK), (false, piece.len()));
        assert_eq!(run(&piece, &[], 0), (false, piece.len()));
    }
}
