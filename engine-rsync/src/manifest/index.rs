//! Which block has which paths: what makes one path found without reading all.

use super::bytes::{Put, Take};
use super::order::path_order;
use super::{Digest, MOST_BLOCK, ManifestError};

/// One block of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    /// The path of its first record.
    pub(super) first: Vec<u8>,
    /// Where it lies.
    pub(super) offset: u64,
    /// Its length there, compressed.
    pub(super) stored: usize,
    /// Its length before it was compressed.
    pub(super) plain: usize,
    /// Its records.
    pub(super) records: u64,
    /// Of its stored bytes.
    pub(super) digest: Digest,
}

pub(super) fn encode(blocks: &[Block]) -> Vec<u8> {
    let mut out = Vec::new();
    for block in blocks {
        out.string(&block.first);
        out.number(block.stored as u64);
        out.number(block.plain as u64);
        out.number(block.records);
        out.extend_from_slice(&block.digest);
    }
    out
}

/// The blocks lie one after the other from `start`, up to `end`.
pub(super) fn decode(bytes: &[u8], start: u64, end: u64) -> Result<Vec<Block>, ManifestError> {
    let mut take = Take(bytes);
    let mut blocks: Vec<Block> = Vec::new();
    let mut offset = start;
    while !take.is_empty() {
        let block = Block {
            first: take.string()?.to_vec(),
            offset,
            stored: length(&mut take)?,
            plain: length(&mut take)?,
            records: take.number()?,
            digest: take.array()?,
        };
        offset += block.stored as u64;
        let ordered = blocks
            .last()
            .is_none_or(|last| path_order(&last.first, &block.first).is_lt());
        if !ordered || offset > end {
            return Err(ManifestError::Damaged("its index is none"));
        }
        blocks.push(block);
    }
    if offset != end {
        return Err(ManifestError::Damaged("blocks of it are missing"));
    }
    Ok(blocks)
}

fn length(take: &mut Take<'_>) -> Result<usize, ManifestError> {
    let length = take.small()?;
    if length > MOST_BLOCK {
        return Err(ManifestError::Damaged("a block of it is too long"));
    }
    Ok(length)
}
