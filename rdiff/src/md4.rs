//! MD4 of many blocks of one length at once: one block in each lane of the machine's vectors.

/// One word of the state or the message, of each of `N` blocks.
type Word<const N: usize> = [u32; N];

#[inline(always)]
fn zip<const N: usize>(mut a: Word<N>, b: Word<N>, f: impl Fn(u32, u32) -> u32) -> Word<N> {
    for (a, b) in a.iter_mut().zip(b) {
        *a = f(*a, b);
    }
    a
}

#[inline(always)]
fn add<const N: usize>(a: Word<N>, b: Word<N>) -> Word<N> {
    zip(a, b, u32::wrapping_add)
}

#[inline(always)]
fn and<const N: usize>(a: Word<N>, b: Word<N>) -> Word<N> {
    zip(a, b, |a, b| a & b)
}

#[inline(always)]
fn xor<const N: usize>(a: Word<N>, b: Word<N>) -> Word<N> {
    zip(a, b, |a, b| a ^ b)
}

#[inline(always)]
fn or<const N: usize>(a: Word<N>, b: Word<N>) -> Word<N> {
    zip(a, b, |a, b| a | b)
}

#[inline(always)]
fn step<const N: usize, const ROTATE: u32>(a: Word<N>, mix: Word<N>, message: Word<N>, constant: u32) -> Word<N> {
    add(add(a, mix), message).map(|word| word.wrapping_add(constant).rotate_left(ROTATE))
}

#[inline(always)]
fn choose<const N: usize>(x: Word<N>, y: Word<N>, z: Word<N>) -> Word<N> {
    xor(z, and(x, xor(y, z)))
}

#[inline(always)]
fn majority<const N: usize>(x: Word<N>, y: Word<N>, z: Word<N>) -> Word<N> {
    or(and(x, y), and(z, or(x, y)))
}

#[inline(always)]
fn parity<const N: usize>(x: Word<N>, y: Word<N>, z: Word<N>) -> Word<N> {
    xor(xor(x, y), z)
}

/// Sixteen steps: four groups of four, each group over four words of the message.
macro_rules! round {
    ($state:ident, $mix:ident, $constant:literal, [$r0:literal $r1:literal $r2:literal $r3:literal], $([$w0:ident $w1:ident $w2:ident $w3:ident])+) => {
        let [mut a, mut b, mut c, mut d] = $state;
        $(
            a = step::<N, $r0>(a, $mix(b, c, d), $w0, $constant);
            d = step::<N, $r1>(d, $mix(a, b, c), $w1, $constant);
            c = step::<N, $r2>(c, $mix(d, a, b), $w2, $constant);
            b = step::<N, $r3>(b, $mix(c, d, a), $w3, $constant);
        )+
        $state = [a, b, c, d];
    };
}

type State<const N: usize> = [Word<N>; 4];

#[inline(always)]
fn compress<const N: usize>(before: State<N>, message: [Word<N>; 16]) -> State<N> {
    let [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15] = message;
    let mut state = before;
    round!(state, choose, 0, [3 7 11 19], [m0 m1 m2 m3] [m4 m5 m6 m7] [m8 m9 m10 m11] [m12 m13 m14 m15]);
    round!(state, majority, 0x5a82_7999, [3 5 9 13], [m0 m4 m8 m12] [m1 m5 m9 m13] [m2 m6 m10 m14] [m3 m7 m11 m15]);
    round!(state, parity, 0x6ed9_eba1, [3 9 11 15], [m0 m8 m4 m12] [m2 m10 m6 m14] [m1 m9 m5 m13] [m3 m11 m7 m15]);
    let [a, b, c, d] = state;
    let [a0, b0, c0, d0] = before;
    [add(a, a0), add(b, b0), add(c, c0), add(d, d0)]
}

#[inline(always)]
fn load<const N: usize>(blocks: [&[u8; 64]; N]) -> [Word<N>; 16] {
    let mut message = [[0; N]; 16];
    for (lane, block) in blocks.into_iter().enumerate() {
        let (words, _) = block.as_chunks::<4>();
        for (bytes, word) in words.iter().zip(&mut message) {
            if let Some(word) = word.get_mut(lane) {
                *word = u32::from_le_bytes(*bytes);
            }
        }
    }
    message
}

/// MD4 of each of `N` texts of the same length; longer ones are taken up to the length of the shortest.
#[inline(always)]
pub fn hash<const N: usize>(texts: [&[u8]; N]) -> [[u8; 16]; N] {
    let length = texts.iter().map(|text| text.len()).min().unwrap_or(0);
    let mut state = [[0x6745_2301; N], [0xefcd_ab89; N], [0x98ba_dcfe; N], [0x1032_5476; N]];
    let mut rest = texts;
    for _ in 0..length / 64 {
        let mut blocks = [&[0; 64]; N];
        for (block, rest) in blocks.iter_mut().zip(&mut rest) {
            if let Some((head, tail)) = rest.split_first_chunk::<64>() {
                *block = head;
                *rest = tail;
            }
        }
        state = compress(state, load(blocks));
    }
    let mut tails = [[[0; 64]; 2]; N];
    let left = length % 64;
    let two = left >= 56;
    for (tail, rest) in tails.iter_mut().zip(rest) {
        let flat = tail.as_flattened_mut();
        for (to, from) in flat.iter_mut().zip(rest.iter().take(left).chain([&0x80])) {
            *to = *from;
        }
        let bits = (length as u64).wrapping_mul(8).to_le_bytes();
        let end = if two { 120 } else { 56 };
        for (to, from) in flat.iter_mut().skip(end).zip(bits) {
            *to = from;
        }
    }
    for round in 0..if two { 2 } else { 1 } {
        let mut blocks = [&[0; 64]; N];
        for (block, tail) in blocks.iter_mut().zip(&tails) {
            if let Some(tail) = tail.get(round) {
                *block = tail;
            }
        }
        state = compress(state, load(blocks));
    }
    let mut digests = [[0; 16]; N];
    for (index, word) in state.iter().enumerate() {
        for (digest, word) in digests.iter_mut().zip(word) {
            if let Some(part) = digest.as_chunks_mut::<4>().0.get_mut(index) {
                *part = word.to_le_bytes();
            }
        }
    }
    digests
}
