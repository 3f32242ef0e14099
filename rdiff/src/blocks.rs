//! The sums of whole blocks, many blocks at once.

use blake2::digest::consts::U32;
use blake2::{Blake2b, Digest};

use crate::layout::Layout;
use crate::md4::{self, LANES};
use crate::weak::{RabinKarp, Rollsum, Weak};

/// Blocks longer than this are hashed one by one, so that memory stays small.
const LANES_BELOW: usize = 512 << 10;

/// Makes the sums of blocks in the way of one signature.
#[derive(Clone, Copy)]
pub(crate) struct Summer {
    layout: Layout,
}

impl Summer {
    pub(crate) const fn new(layout: Layout) -> Self {
        Self { layout }
    }

    pub(crate) const fn layout(self) -> Layout {
        self.layout
    }

    pub(crate) fn block_len(self) -> usize {
        self.layout.block_len() as usize
    }

    /// How many bytes are best given at once.
    pub(crate) fn batch_len(self) -> usize {
        let block = self.block_len();
        if block > LANES_BELOW { block } else { block * LANES }
    }

    /// The weak sum of one block.
    pub(crate) fn weak(self, block: &[u8]) -> u32 {
        if self.layout.kind().is_rollsum() {
            Rollsum::of(block).sum()
        } else {
            RabinKarp::of(block).sum()
        }
    }

    /// The strong sum of one block, with zeros behind a short one.
    pub(crate) fn strong(self, block: &[u8]) -> [u8; 32] {
        if self.layout.kind().is_md4() {
            widened(md4::one(block))
        } else {
            Blake2b::<U32>::digest(block).into()
        }
    }

    /// Appends the sums of the blocks of `data` to `to`, as a signature has them; the last block may be short.
    pub(crate) fn sums(self, data: &[u8], to: &mut Vec<u8>) {
        let mut rest = data;
        if self.layout.kind().is_md4() {
            while let Some((batch, behind)) = rest.split_at_checked(self.block_len() * LANES) {
                self.batch(batch, to);
                rest = behind;
            }
        }
        for block in rest.chunks(self.block_len()) {
            self.append(self.weak(block), &self.strong(block), to);
        }
    }

    /// MD4 of [`LANES`] blocks at once.
    fn batch(self, batch: &[u8], to: &mut Vec<u8>) {
        let mut blocks = [batch; LANES];
        for (block, found) in blocks.iter_mut().zip(batch.chunks_exact(self.block_len())) {
            *block = found;
        }
        let digests = md4::four(blocks);
        for (block, digest) in blocks.into_iter().zip(digests) {
            self.append(self.weak(block), &widened(digest), to);
        }
    }

    fn append(self, weak: u32, strong: &[u8; 32], to: &mut Vec<u8>) {
        to.extend_from_slice(&weak.to_be_bytes());
        to.extend(strong.iter().take(self.layout.strong_len() as usize));
    }
}

fn widened(digest: [u8; 16]) -> [u8; 32] {
    let mut wide = [0; 32];
    if let Some(part) = wide.first_chunk_mut() {
        *part = digest;
    }
    wide
}
