use std::io::{Read, Write};

use crate::blocks::Summer;
use crate::builder::SignatureBuilder;
use crate::emit::{Emitter, MAX_LITERAL};
use crate::error::Error;
use crate::index::Index;
use crate::layout::Layout;
use crate::rolling::Rolling;
use crate::window::Window;

/// How many bytes are looked at at once, at least.
const PIECE: usize = 256 << 10;

/// Reads a new file to its end and writes the delta that makes it of the old file; gives `to` back, and the number of
/// bytes read.
///
/// # Errors
/// When the file cannot be read or `to` cannot be written.
pub fn delta<W: Write>(old: &Index, new: &mut dyn Read, to: W) -> Result<(W, u64), Error> {
    let mut builder = DeltaBuilder::new(old, to);
    let mut buffer = vec![0; PIECE];
    let mut total = 0;
    loop {
        let read = match new.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(source) => {
                return Err(Error::Read {
                    what: "new file",
                    source,
                });
            }
        };
        let bytes = buffer.get(..read).unwrap_or_default();
        builder.push(bytes)?;
        total += read as u64;
    }
    Ok((builder.finish()?, total))
}

/// Makes the delta of a new file whose bytes are pushed one piece after the other.
///
/// What is known of the delta is written to the sink from time to time. The memory needed beside the index is the
/// larger of half a mebibyte and 16 blocks, or two blocks when they are longer than 512 KiB.
pub struct DeltaBuilder<'a, W> {
    old: &'a Index,
    summer: Summer,
    window: Window,
    /// The weak sum of the block at the window's place, when it is being looked for byte by byte.
    rolling: Option<Rolling>,
    /// The old block that is expected next.
    next: usize,
    /// Whether the block before was the one expected.
    following: bool,
    /// The new file's own signature.
    signature: Option<SignatureBuilder>,
    to: Emitter<W>,
}

impl<'a, W: Write> DeltaBuilder<'a, W> {
    /// Begins a delta to the file whose signature `old` is.
    #[must_use]
    pub fn new(old: &'a Index, to: W) -> Self {
        Self {
            old,
            summer: Summer::new(old.signature().layout()),
            window: Window::new(),
            rolling: None,
            next: 0,
            following: false,
            signature: None,
            to: Emitter::new(to),
        }
    }

    /// Makes the new file's signature in the same pass; where it has the old one's layout, what both need is done once.
    #[must_use]
    pub fn with_signature(mut self, layout: Layout) -> Self {
        self.signature = Some(SignatureBuilder::new(layout));
        self
    }

    /// The sink, to take from it what is there.
    pub const fn sink_mut(&mut self) -> &mut W {
        self.to.sink_mut()
    }

    /// Takes the next bytes of the new file.
    ///
    /// # Errors
    /// When the sink fails.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Error> {
        for piece in bytes.chunks(PIECE) {
            if let Some(signature) = &mut self.signature {
                signature.push(piece);
            }
            self.window.extend(piece);
            self.scan(false)?;
        }
        Ok(())
    }

    /// The new file has ended: writes the rest of the delta and gives the sink back.
    ///
    /// # Errors
    /// When the sink fails.
    pub fn finish(self) -> Result<W, Error> {
        self.finish_both().map(|(to, _)| to)
    }

    /// The same, and gives the new file's signature, which is empty where none was asked for.
    ///
    /// # Errors
    /// When the sink fails.
    pub fn finish_both(mut self) -> Result<(W, Vec<u8>), Error> {
        self.scan(true)?;
        self.last_block()?;
        self.to.literal(self.window.literal())?;
        let signature = self.signature.map(SignatureBuilder::finish);
        Ok((self.to.finish()?, signature.unwrap_or_default()))
    }

    /// Looks at all that can be looked at before more comes.
    fn scan(&mut self, ended: bool) -> Result<(), Error> {
        loop {
            if self.rolling.is_none() && !self.follow(ended)? {
                return Ok(());
            }
            if !self.search(ended)? {
                return Ok(());
            }
        }
    }

    /// Goes on as long as block after block is the one expected; false when more bytes are needed.
    fn follow(&mut self, ended: bool) -> Result<bool, Error> {
        let (block, batch) = (self.summer.block_len(), self.summer.batch_len());
        let mut sums = Vec::new();
        loop {
            let ahead = self.window.ahead();
            let most = if self.following { batch / block } else { 1 };
            let blocks = most.min(ahead.len() / block);
            if ahead.len() < batch && !ended || ahead.is_empty() {
                return Ok(false);
            }
            let bytes = ahead.get(..blocks * block).unwrap_or_default();
            let expected = self.old.signature().block(self.next);
            let plausible = expected.is_some_and(|(weak, _)| self.following || self.summer.weak(bytes) == weak);
            if bytes.is_empty() || !plausible {
                self.following = false;
                return Ok(true);
            }
            let len = self.summer.layout().sums_len();
            let found = if let Some(ready) = self.ready_sums(blocks) {
                ready
            } else {
                sums.clear();
                self.summer.sums(bytes, &mut sums);
                &sums
            };
            let expected = self.old.signature().sums_from(self.next);
            let pairs = found.chunks_exact(len).zip(expected.chunks_exact(len));
            let equal = pairs.take_while(|(new, old)| new == old).count();
            self.matched(self.next, equal)?;
            self.following = equal == blocks;
            if !self.following {
                return Ok(true);
            }
        }
    }

    /// The sums of so many blocks from the window on, where the new file's signature has the same ones ready.
    fn ready_sums(&self, blocks: usize) -> Option<&[u8]> {
        let layout = self.summer.layout();
        let signature = self
            .signature
            .as_ref()
            .filter(|signature| signature.layout() == layout)?;
        let (position, block) = (self.window.position(), u64::from(layout.block_len()));
        let first = usize::try_from(position / block)
            .ok()
            .filter(|_| position % block == 0)?;
        signature.sums_from(first).get(..blocks * layout.sums_len())
    }

    /// Looks byte by byte for any block; false when more bytes are needed.
    fn search(&mut self, ended: bool) -> Result<bool, Error> {
        let block = self.summer.block_len();
        loop {
            let ahead = self.window.ahead();
            let Some((window, behind)) = ahead.split_at_checked(block) else {
                return Ok(false);
            };
            let mut rolling = self.rolling.take().unwrap_or_else(|| Rolling::of(self.old, window));
            let room = MAX_LITERAL - self.window.literal().len();
            let behind = behind.get(..room).unwrap_or(behind);
            let steps = rolling.search(self.old, ahead, behind);
            self.window.skip(steps);
            if self.window.literal().len() >= MAX_LITERAL {
                self.to.literal(self.window.literal())?;
                self.window.literal_done();
            }
            let (window, behind) = self.window.ahead().split_at_checked(block).unwrap_or_default();
            if behind.is_empty() && !ended {
                self.rolling = Some(rolling);
                return Ok(false);
            }
            let found = if self.old.may_have(rolling.sum()) {
                self.old.find(rolling.sum(), || self.summer.strong(window))
            } else {
                None
            };
            if let Some(found) = found {
                self.matched(found, 1)?;
                return Ok(true);
            }
            let (Some(old), Some(new)) = (window.first(), behind.first()) else {
                return Ok(false);
            };
            rolling.roll(*old, *new);
            self.rolling = Some(rolling);
            self.window.skip(1);
        }
    }

    /// The file ends within a block: only the old file's last one can be as short.
    fn last_block(&mut self) -> Result<(), Error> {
        let last = self.old.signature().blocks().saturating_sub(1);
        let block = self.summer.block_len();
        let Some((weak, strong)) = self.old.signature().block(last) else {
            self.window.skip(self.window.ahead().len());
            return Ok(());
        };
        let longer = self.window.ahead().len().saturating_sub(block - 1);
        self.window.skip(longer);
        let mut rolling = Rolling::of(self.old, self.window.ahead());
        while let Some(first) = self.window.ahead().first().copied() {
            let ahead = self.window.ahead();
            if rolling.sum() == weak && self.summer.strong(ahead).starts_with(strong) {
                let len = ahead.len();
                self.to.literal(self.window.literal())?;
                self.to.copy(last as u64 * block as u64, len as u64)?;
                self.window.skip(len);
                self.window.literal_done();
                return Ok(());
            }
            rolling.shrink(first);
            self.window.skip(1);
        }
        Ok(())
    }

    /// `count` old blocks from `first` on are what comes next.
    fn matched(&mut self, first: usize, count: usize) -> Result<(), Error> {
        if count == 0 {
            return Ok(());
        }
        let block = self.summer.block_len();
        self.to.literal(self.window.literal())?;
        self.to.copy(first as u64 * block as u64, count as u64 * block as u64)?;
        self.window.skip(count * block);
        self.window.literal_done();
        self.next = first + count;
        self.rolling = None;
        Ok(())
    }
}
