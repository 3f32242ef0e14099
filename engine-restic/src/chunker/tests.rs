use std::io::Read;

use proptest::prelude::*;

use super::polynomial::remainder;
use super::*;
use crate::format::Polynomial;

const POLYNOMIALS: [u64; 2] = [0x25_b468_838d_cb75, 0x3d_a335_8b4d_c173];

/// Bytes that look random and are the same each time.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[4]
    })
    .take(length)
    .collect()
}

/// The definition, by long division of each window: slow, and obviously right.
fn is_cut(window: &[u8], polynomial: u64) -> bool {
    let modulus = u128::from(polynomial);
    let print = window
        .iter()
        .fold(0, |print, byte| remainder((print << 8) | u128::from(*byte), modulus));
    print & u128::from(MASK) == 0
}

fn chunks(data: &[u8], polynomial: u64) -> Vec<usize> {
    let scanner = Scanner::new(Polynomial(polynomial)).unwrap();
    let mut chunks = Chunks::new(&scanner, data);
    let mut buffer = Vec::new();
    let mut lengths = Vec::new();
    let mut whole = Vec::new();
    while chunks.next(&mut buffer).unwrap() == ReadChunk::Chunk {
        lengths.push(buffer.len());
        whole.extend_from_slice(&buffer);
    }
    assert!(whole == data);
    lengths
}

fn naive_chunks(data: &[u8], polynomial: u64) -> Vec<usize> {
    let scanner = Scanner::new(Polynomial(polynomial)).unwrap();
    let mut lengths = Vec::new();
    let mut rest = data;
    while !rest.is_empty() {
        let cut = (MIN..=rest.len().min(MAX)).find(|end| scanner.cut(&rest[..*end], end - 1) == Some(*end));
        let length = cut.unwrap_or(rest.len().min(MAX));
        lengths.push(length);
        rest = &rest[length..];
    }
    lengths
}

#[test]
fn a_cut_is_where_the_definition_has_it() {
    for polynomial in POLYNOMIALS {
        let data = noise(polynomial, 6 << 20);
        let lengths = chunks(&data, polynomial);
        assert!(lengths.len() > 2, "{lengths:?}");
        let mut end = 0;
        for length in &lengths[..lengths.len() - 1] {
            end += length;
            assert!(*length == MAX || is_cut(&data[end - WINDOW..end], polynomial));
        }
    }
}

#[test]
fn no_cut_is_passed_over() {
    for polynomial in POLYNOMIALS {
        let data = noise(polynomial ^ 5, 5 << 20);
        assert_eq!(chunks(&data, polynomial), naive_chunks(&data, polynomial));
    }
}

#[test]
fn zeros_are_cut_at_once_and_runs_without_a_cut_at_the_longest() {
    // The fingerprint of zeros is zero: every chunk is the shortest. That of one repeated byte never is.
    assert_eq!(chunks(&vec![0; 3 * MIN], POLYNOMIALS[0]), [MIN; 3]);
    assert_eq!(chunks(&vec![7; MAX + 5], POLYNOMIALS[0]), [MAX, 5]);
    assert_eq!(chunks(&[], POLYNOMIALS[0]), [] as [usize; 0]);
    assert_eq!(chunks(&noise(1, MIN - 1), POLYNOMIALS[0]), [MIN - 1]);
}

#[test]
fn other_polynomials_are_refused() {
    for polynomial in [0, 1, 0b111, u64::MAX] {
        assert!(Scanner::new(Polynomial(polynomial)).is_err());
    }
}

/// Gives a few bytes at a time.
struct Dribble<'d>(&'d [u8], usize);

impl Read for Dribble<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = buffer.len().min(self.1);
        self.0.read(&mut buffer[..length])
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn cuts_depend_on_the_content_alone(seed in any::<u64>(), length in 0..4_000_000_usize, step in 1000..300_000_usize) {
        let data = noise(seed, length);
        let scanner = Scanner::new(Polynomial(POLYNOMIALS[1])).unwrap();
        let mut slow = Chunks::new(&scanner, Dribble(&data, step));
        let (mut buffer, mut lengths) = (Vec::new(), Vec::new());
        while slow.next(&mut buffer).unwrap() == ReadChunk::Chunk {
            lengths.push(buffer.len());
        }
        prop_assert_eq!(lengths, chunks(&data, POLYNOMIALS[1]));
    }
}
