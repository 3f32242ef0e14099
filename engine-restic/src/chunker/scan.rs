//! The search for cuts.
//!
//! A rolling hash is a chain: each byte waits for the one before. But whether there is a cut at a position depends on
//! the 64 bytes before it alone, so several stretches are scanned at once, interleaved, and the processor works on one
//! chain while another waits.

use super::polynomial::{DEGREE, remainder};
use super::{MASK, MAX, MIN, WINDOW};
use crate::error::{Error, Result};
use crate::format::Polynomial;

/// How many stretches are scanned at once.
const LANES: usize = 4;
/// Positions of one stretch.
const STRETCH: usize = 4096;
/// Bits above the byte that is reduced next.
const SHIFT: u32 = DEGREE - 8;

/// Finds cuts for one polynomial.
pub struct Scanner {
    /// What a byte adds to the fingerprint when it leaves the window, at the moment it leaves.
    leave: [u64; 256],
    /// What a byte that is shifted out at the top adds to the rest, with itself, so that it cancels.
    reduce: [u64; 256],
}

impl Scanner {
    /// A scanner for a repository's polynomial.
    ///
    /// # Errors
    /// When it is not of degree 53.
    pub fn new(polynomial: Polynomial) -> Result<Self> {
        if polynomial.0.checked_ilog2() != Some(DEGREE) {
            return Err(Error::damaged(
                "the config",
                format!("{:x} is no chunker polynomial", polynomial.0),
            ));
        }
        let modulus = u128::from(polynomial.0);
        // The remainder is of degree 52 at the most.
        let reduced = |value: u128| u64::try_from(remainder(value, modulus)).unwrap_or(0);
        let power = |exponent: usize| (0..exponent / 8).fold(1, |power, _| u128::from(reduced(power << 8)));
        let shift_out = power(8 * WINDOW);
        let mut scanner = Self {
            leave: [0; 256],
            reduce: [0; 256],
        };
        for (byte, (leave, reduce)) in (0_u64..).zip(scanner.leave.iter_mut().zip(&mut scanner.reduce)) {
            let product = (0..8)
                .filter(|bit| (byte >> bit) & 1 == 1)
                .fold(0, |sum, bit| sum ^ (shift_out << bit));
            *leave = reduced(product);
            *reduce = reduced(u128::from(byte) << DEGREE) | (byte << DEGREE);
        }
        Ok(scanner)
    }

    /// Moves the window on by a byte: shifts, reduces, and takes the byte that leaves back out.
    fn roll(&self, fingerprint: u64, leaving: u8, entering: u8) -> u64 {
        let added = u64::from(entering) ^ lookup(&self.leave, leaving);
        #[allow(
            clippy::cast_possible_truncation,
            reason = "the fingerprint is of degree 52 at the most: this is a byte"
        )]
        let top = (fingerprint >> SHIFT) as u8;
        ((fingerprint << 8) ^ added) ^ lookup(&self.reduce, top)
    }

    /// The fingerprint of a whole window.
    fn fingerprint(&self, window: &[u8]) -> u64 {
        window
            .iter()
            .fold(0, |fingerprint, byte| self.roll(fingerprint, 0, *byte))
    }

    /// The length of the chunk that begins with `data`, if it can be told: the first cut after `scanned` bytes, of
    /// which it is known that there is none up to them. Looks at 8 MiB at the most.
    pub fn cut(&self, data: &[u8], scanned: usize) -> Option<usize> {
        let data = data.get(..MAX).unwrap_or(data);
        let from = scanned.max(MIN - 1);
        let found = self.search(data.get(from + 1 - WINDOW..)?);
        found
            .map(|position| from + 1 + position)
            .or_else(|| (data.len() == MAX).then_some(MAX))
    }

    /// The first position whose window ends in a cut; the first window is the first 64 bytes, its position 0.
    fn search(&self, data: &[u8]) -> Option<usize> {
        let mut done = 0;
        let mut rest = data;
        while let Some(block) = rest.get(..LANES * STRETCH + WINDOW - 1) {
            if let Some(position) = self.search_block(block) {
                return Some(done + position);
            }
            done += LANES * STRETCH;
            rest = rest.get(LANES * STRETCH..)?;
        }
        self.search_slowly(rest).map(|position| done + position)
    }

    /// Scans [`LANES`] stretches at once; each needs the windows that begin in it.
    fn search_block(&self, block: &[u8]) -> Option<usize> {
        let lane = |number: usize| block.get(number * STRETCH..(number + 1) * STRETCH + WINDOW - 1);
        let (a, b, c, d) = (lane(0)?, lane(1)?, lane(2)?, lane(3)?);
        let mut prints = [0; LANES];
        for (print, lane) in prints.iter_mut().zip([a, b, c, d]) {
            *print = self.fingerprint(lane.get(..WINDOW - 1)?);
        }
        let mut first = [usize::MAX; LANES];
        let bytes = pairs(a)?.zip(pairs(b)?).zip(pairs(c)?.zip(pairs(d)?)).enumerate();
        // The byte that leaves at the first step was never in the window: its place is filled by 0.
        let mut leaving = [0; LANES];
        for (position, (((a_out, a_in), (b_out, b_in)), ((c_out, c_in), (d_out, d_in)))) in bytes {
            let [a_print, b_print, c_print, d_print] = prints;
            let [a_old, b_old, c_old, d_old] = leaving;
            prints = [
                self.roll(a_print, a_old, *a_in),
                self.roll(b_print, b_old, *b_in),
                self.roll(c_print, c_old, *c_in),
                self.roll(d_print, d_old, *d_in),
            ];
            leaving = [*a_out, *b_out, *c_out, *d_out];
            if prints.iter().any(|print| print & MASK == 0) {
                note(&prints, position, &mut first);
            }
        }
        let hit = (0..).zip(first).find(|(_, position)| *position != usize::MAX);
        hit.map(|(lane, position): (usize, usize)| lane * STRETCH + position)
    }

    fn search_slowly(&self, data: &[u8]) -> Option<usize> {
        let mut print = self.fingerprint(data.get(..WINDOW - 1)?);
        let mut leaving = 0;
        pairs(data)?.position(|(out, entering)| {
            print = self.roll(print, leaving, *entering);
            leaving = *out;
            print & MASK == 0
        })
    }
}

/// Each window's first byte, which leaves next, and its last byte, which enters now.
fn pairs(data: &[u8]) -> Option<impl Iterator<Item = (&u8, &u8)>> {
    Some(data.iter().zip(data.get(WINDOW - 1..)?))
}

#[cold]
fn note(prints: &[u64; LANES], position: usize, first: &mut [usize; LANES]) {
    for (print, first) in prints.iter().zip(first) {
        if print & MASK == 0 && *first == usize::MAX {
            *first = position;
        }
    }
}

/// An element of a table that has one for every byte.
fn lookup(table: &[u64; 256], byte: u8) -> u64 {
    #[allow(clippy::indexing_slicing, reason = "a byte is always below 256")]
    table[usize::from(byte)]
}
