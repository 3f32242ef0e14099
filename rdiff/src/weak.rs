//! The weak sums, which roll: the sum of the next window is made of this one's, the byte that leaves and the one that comes.

/// A weak sum of a window.
pub(crate) trait Weak: Copy {
    /// The sum of `window`.
    fn of(window: &[u8]) -> Self;
    /// The window moves on by a byte.
    fn roll(&mut self, old: u8, new: u8);
    /// The window loses its first byte.
    fn shrink(&mut self, old: u8);
    /// The number that a signature has.
    fn sum(self) -> u32;
}

/// What librsync adds to each byte.
const OFFSET: u32 = 31;

/// Bytes that are summed at once. Their weights stand in an array, and products are those of 16 bits, for of these the
/// compiler makes vector instructions.
const RUN: usize = 64;
const WEIGHTS: [i16; RUN] = weights();

#[allow(
    clippy::cast_possible_wrap,
    clippy::cast_possible_truncation,
    reason = "they are at most 64"
)]
#[allow(
    clippy::indexing_slicing,
    reason = "it is done by the compiler, which would not compile what is out of bounds"
)]
const fn weights() -> [i16; RUN] {
    let mut weights = [0; RUN];
    let mut at = 0;
    while at < RUN {
        weights[at] = (RUN - at) as i16;
        at += 1;
    }
    weights
}

/// Two sums mod 2^16: of the bytes, and of the bytes by their distance from the window's end.
#[derive(Clone, Copy)]
pub(crate) struct Rollsum {
    len: u32,
    plain: u32,
    weighed: u32,
}

impl Weak for Rollsum {
    #[allow(
        clippy::cast_possible_truncation,
        reason = "the sums are mod 2^16, and blocks are shorter than 2^32"
    )]
    fn of(window: &[u8]) -> Self {
        let (mut plain, mut weighed) = (0u32, 0u32);
        let (runs, rest) = window.as_chunks::<RUN>();
        for run in runs {
            let (mut bytes, mut falling) = (0u32, 0i32);
            for (byte, weight) in run.iter().zip(&WEIGHTS) {
                bytes += u32::from(*byte);
                falling += i32::from(i16::from(*byte)) * i32::from(*weight);
            }
            weighed = weighed
                .wrapping_add(plain.wrapping_mul(RUN as u32))
                .wrapping_add(falling.cast_unsigned());
            plain = plain.wrapping_add(bytes);
        }
        for byte in rest {
            plain = plain.wrapping_add(u32::from(*byte));
            weighed = weighed.wrapping_add(plain);
        }
        let len = window.len() as u32;
        let distances = (u64::from(len) * (u64::from(len) + 1) / 2) as u32;
        Self {
            len,
            plain: plain.wrapping_add(len.wrapping_mul(OFFSET)),
            weighed: weighed.wrapping_add(distances.wrapping_mul(OFFSET)),
        }
    }

    #[inline(always)]
    fn roll(&mut self, old: u8, new: u8) {
        let (old, new) = (u32::from(old), u32::from(new));
        self.plain = self.plain.wrapping_add(new).wrapping_sub(old);
        let leaving = self.len.wrapping_mul(old + OFFSET);
        self.weighed = self.weighed.wrapping_add(self.plain).wrapping_sub(leaving);
    }

    fn shrink(&mut self, old: u8) {
        let old = u32::from(old) + OFFSET;
        self.plain = self.plain.wrapping_sub(old);
        self.weighed = self.weighed.wrapping_sub(self.len.wrapping_mul(old));
        self.len = self.len.wrapping_sub(1);
    }

    #[inline(always)]
    fn sum(self) -> u32 {
        self.weighed << 16 | self.plain & 0xffff
    }
}

/// The window as the digits of a number to an odd base, mod 2^32, with a one before them.
#[derive(Clone, Copy)]
pub(crate) struct RabinKarp {
    hash: u32,
    /// The base to the power of the window's length.
    power: u32,
}

const BASE: u32 = 0x0810_4225;
/// `BASE * UNBASE == 1` mod 2^32.
const UNBASE: u32 = inverse(BASE);

/// Newton's way: each step doubles the bits that are right, and three are right at first.
const fn inverse(odd: u32) -> u32 {
    let mut found = odd;
    let mut step = 0;
    while step < 4 {
        found = found.wrapping_mul(2u32.wrapping_sub(odd.wrapping_mul(found)));
        step += 1;
    }
    found
}

impl Weak for RabinKarp {
    #[inline(always)]
    fn of(window: &[u8]) -> Self {
        let (mut hash, mut power) = (1u32, 1u32);
        for byte in window {
            hash = hash.wrapping_mul(BASE).wrapping_add(u32::from(*byte));
            power = power.wrapping_mul(BASE);
        }
        Self { hash, power }
    }

    #[inline(always)]
    fn roll(&mut self, old: u8, new: u8) {
        // The leading one has become a BASE, and the old byte stands before the window: both are taken away again.
        let leading = self
            .power
            .wrapping_mul(BASE.wrapping_add(u32::from(old)).wrapping_sub(1));
        let hash = self.hash.wrapping_mul(BASE).wrapping_add(u32::from(new));
        self.hash = hash.wrapping_sub(leading);
    }

    fn shrink(&mut self, old: u8) {
        // 1·P + old·P/B + rest  becomes  1·P/B + rest.
        let less = self.power.wrapping_mul(UNBASE);
        let leaving = less.wrapping_mul(u32::from(old).wrapping_sub(1));
        self.hash = self.hash.wrapping_sub(self.power).wrapping_sub(leaving);
        self.power = less;
    }

    #[inline(always)]
    fn sum(self) -> u32 {
        self.hash
    }
}
