//! The blobs of a batch, pack by pack: what is read in one piece, and what each blob is wanted for.

use std::ops::Range;

use super::batch::Want;
use crate::index::{Index, Location};

/// Bytes between two wanted blobs up to which both are read in one piece.
const GAP: u32 = 64 << 10;
/// A piece's length at the most, unless a single blob is longer.
const MOST: u32 = 4 << 20;

/// One piece of a pack that is read at once, with the wants that it serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Some blob of the piece tells the pack and the kind.
    pub first: Location,
    /// First byte in the pack.
    pub start: u32,
    /// Length in bytes.
    pub length: u32,
    /// Its part of the sorted wants.
    pub wants: Range<usize>,
}

/// Sorts the wants by where their blobs lie and cuts them into pieces.
pub fn pieces(index: &Index, wants: &mut [Want]) -> Vec<Piece> {
    wants.sort_unstable_by_key(|want| (place(index, want), want.file));
    let mut pieces: Vec<Piece> = Vec::new();
    for (position, want) in wants.iter().enumerate() {
        let Some(location) = index.at(want.ordinal as usize) else {
            continue;
        };
        let blob = location.blob;
        let end = blob.offset.saturating_add(blob.length);
        match pieces.last_mut() {
            Some(piece) if joins(piece, &location, end) => {
                piece.length = piece.length.max(end - piece.start);
                piece.wants.end = position + 1;
            }
            _ => pieces.push(Piece {
                first: location,
                start: blob.offset,
                length: blob.length,
                wants: position..position + 1,
            }),
        }
    }
    pieces
}

fn place(index: &Index, want: &Want) -> (usize, u32) {
    index
        .at(want.ordinal as usize)
        .map_or((0, 0), |location| (location.pack.position(), location.blob.offset))
}

fn joins(piece: &Piece, location: &Location, end: u32) -> bool {
    let reached = piece.start.saturating_add(piece.length);
    piece.first.pack == location.pack
        && location.blob.offset >= piece.start
        && location.blob.offset <= reached.saturating_add(GAP)
        && (end <= reached || end - piece.start <= MOST)
}
