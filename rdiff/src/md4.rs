//! MD4 of one text, or of four of the same length at once: each in a lane of the machine's vectors.

use wide::u32x4;

/// How many texts are hashed at once.
pub const LANES: usize = 4;

/// A word of the state or of the message, of each of `N` texts.
trait Word<const N: usize>: Copy {
    fn splat(word: u32) -> Self;
    fn plus(self, other: Self) -> Self;
    fn and(self, other: Self) -> Self;
    fn or(self, other: Self) -> Self;
    fn xor(self, other: Self) -> Self;
    fn rotate<const BY: u32>(self) -> Self;
    /// The words of a block of each text.
    fn load(blocks: [&[u8; 64]; N]) -> [Self; 16];
    fn lanes(self) -> [u32; N];
}

impl Word<1> for u32 {
    #[inline(always)]
    fn splat(word: u32) -> Self {
        word
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        self.wrapping_add(other)
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        self & other
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        self | other
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        self ^ other
    }

    #[inline(always)]
    fn rotate<const BY: u32>(self) -> Self {
        self.rotate_left(BY)
    }

    #[inline(always)]
    fn load([block]: [&[u8; 64]; 1]) -> [Self; 16] {
        words(block)
    }

    #[inline(always)]
    fn lanes(self) -> [u32; 1] {
        [self]
    }
}

impl Word<LANES> for u32x4 {
    #[inline(always)]
    fn splat(word: u32) -> Self {
        Self::new([word; LANES])
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        self + other
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        self & other
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        self | other
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        self ^ other
    }

    #[inline(always)]
    fn rotate<const BY: u32>(self) -> Self {
        (self << BY) | (self >> (32 - BY))
    }

    #[inline(always)]
    fn load(blocks: [&[u8; 64]; LANES]) -> [Self; 16] {
        turned(blocks)
    }

    #[inline(always)]
    fn lanes(self) -> [u32; LANES] {
        self.to_array()
    }
}

#[inline(always)]
fn words(block: &[u8; 64]) -> [u32; 16] {
    let mut words = [0; 16];
    for (word, bytes) in words.iter_mut().zip(block.as_chunks::<4>().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    words
}

/// The same word of four blocks side by side.
#[inline(always)]
fn turned(blocks: [&[u8; 64]; LANES]) -> [u32x4; 16] {
    let rows = blocks.map(words);
    let mut turned = [u32x4::splat(0); 16];
    for (index, columns) in turned.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        let row = |row: &[u32; 16]| u32x4::new(row.as_chunks::<4>().0.get(index).copied().unwrap_or_default());
        *columns = u32x4::transpose(rows.each_ref().map(row));
    }
    turned
}

#[inline(always)]
fn step<W: Word<N>, const N: usize, const ROTATE: u32>(a: W, mix: W, message: W, constant: u32) -> W {
    a.plus(mix).plus(message.plus(W::splat(constant))).rotate::<ROTATE>()
}

#[inline(always)]
fn choose<W: Word<N>, const N: usize>(x: W, y: W, z: W) -> W {
    z.xor(x.and(y.xor(z)))
}

#[inline(always)]
fn majority<W: Word<N>, const N: usize>(x: W, y: W, z: W) -> W {
    x.and(y).or(z.and(x.or(y)))
}

#[inline(always)]
fn parity<W: Word<N>, const N: usize>(x: W, y: W, z: W) -> W {
    x.xor(y).xor(z)
}

/// Sixteen steps: four groups of four, each group over four words of the message.
macro_rules! round {
    ($state:ident, $mix:ident, $constant:literal, [$r0:literal $r1:literal $r2:literal $r3:literal], $([$w0:ident $w1:ident $w2:ident $w3:ident])+) => {
        let [mut a, mut b, mut c, mut d] = $state;
        $(
            a = step::<W, N, $r0>(a, $mix(b, c, d), $w0, $constant);
            d = step::<W, N, $r1>(d, $mix(a, b, c), $w1, $constant);
            c = step::<W, N, $r2>(c, $mix(d, a, b), $w2, $constant);
            b = step::<W, N, $r3>(b, $mix(c, d, a), $w3, $constant);
        )+
        $state = [a, b, c, d];
    };
}

#[inline(always)]
fn compress<W: Word<N>, const N: usize>(before: [W; 4], message: [W; 16]) -> [W; 4] {
    let [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15] = message;
    let mut state = before;
    round!(state, choose, 0, [3 7 11 19], [m0 m1 m2 m3] [m4 m5 m6 m7] [m8 m9 m10 m11] [m12 m13 m14 m15]);
    round!(state, majority, 0x5a82_7999, [3 5 9 13], [m0 m4 m8 m12] [m1 m5 m9 m13] [m2 m6 m10 m14] [m3 m7 m11 m15]);
    round!(state, parity, 0x6ed9_eba1, [3 9 11 15], [m0 m8 m4 m12] [m2 m10 m6 m14] [m1 m9 m5 m13] [m3 m11 m7 m15]);
    let [a, b, c, d] = state;
    let [a0, b0, c0, d0] = before;
    [a.plus(a0), b.plus(b0), c.plus(c0), d.plus(d0)]
}

/// MD4 of `text`.
pub fn one(text: &[u8]) -> [u8; 16] {
    let [digest] = hash::<u32, 1>([text]);
    digest
}

/// MD4 of each of the texts, which have one length; longer ones are taken up to the length of the shortest.
pub fn four(texts: [&[u8]; LANES]) -> [[u8; 16]; LANES] {
    hash::<u32x4, LANES>(texts)
}

#[inline(always)]
fn hash<W: Word<N>, const N: usize>(texts: [&[u8]; N]) -> [[u8; 16]; N] {
    let length = texts.iter().map(|text| text.len()).min().unwrap_or(0);
    let mut state = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476].map(W::splat);
    let mut rest = texts;
    for _ in 0..length / 64 {
        let mut blocks = [&[0; 64]; N];
        for (block, rest) in blocks.iter_mut().zip(&mut rest) {
            if let Some((head, tail)) = rest.split_first_chunk::<64>() {
                *block = head;
                *rest = tail;
            }
        }
        state = compress(state, W::load(blocks));
    }
    let two = length % 64 >= 56;
    let tails = rest.map(|rest| tail(rest, length));
    for round in 0..if two { 2 } else { 1 } {
        let mut blocks = [&[0; 64]; N];
        for (block, tail) in blocks.iter_mut().zip(&tails) {
            if let Some(tail) = tail.get(round) {
                *block = tail;
            }
        }
        state = compress(state, W::load(blocks));
    }
    let mut digests = [[0; 16]; N];
    for (index, word) in state.iter().enumerate() {
        for (digest, word) in digests.iter_mut().zip(word.lanes()) {
            if let Some(part) = digest.as_chunks_mut::<4>().0.get_mut(index) {
                *part = word.to_le_bytes();
            }
        }
    }
    digests
}

/// The last block, or the last two, of a text of `length` bytes of which `rest` are left.
fn tail(rest: &[u8], length: usize) -> [[u8; 64]; 2] {
    let mut tail = [[0; 64]; 2];
    let left = length % 64;
    let flat = tail.as_flattened_mut();
    for (to, from) in flat.iter_mut().zip(rest.iter().take(left).chain([&0x80])) {
        *to = *from;
    }
    let bits = (length as u64).wrapping_mul(8).to_le_bytes();
    let end = if left >= 56 { 120 } else { 56 };
    for (to, from) in flat.iter_mut().skip(end).zip(bits) {
        *to = from;
    }
    tail
}
