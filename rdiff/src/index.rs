use crate::signature::Signature;

/// A signature whose blocks are found by their sums.
///
/// It takes the signature's own bytes and 6.5 to 12 bytes a block.
pub struct Index {
    signature: Signature,
    /// Numbers of blocks; a block stands at its weak sum's place or behind it.
    slots: Vec<u32>,
    /// Three bits of one word are set for each block's weak sum.
    filter: Vec<u64>,
    slot_bits: u32,
    filter_bits: u32,
}

const EMPTY: u32 = u32::MAX;

/// How far behind its place a block is looked for. Who makes thousands of blocks with one weak sum gets a longer
/// delta, not a slower one.
const MAX_PROBES: usize = 64;

impl Index {
    /// Indexes `signature`.
    #[must_use]
    pub fn new(signature: Signature) -> Self {
        let blocks = signature.blocks().clamp(1, EMPTY as usize - 1);
        let slots = (blocks + blocks / 3).next_power_of_two();
        let filter = (slots / 8).max(1);
        let mut index = Self {
            signature,
            slots: vec![EMPTY; slots],
            filter: vec![0; filter],
            slot_bits: slots.ilog2(),
            filter_bits: filter.ilog2(),
        };
        for block in 0..u32::try_from(index.signature.blocks()).unwrap_or(EMPTY) {
            index.insert(block);
        }
        index
    }

    /// The signature.
    #[must_use]
    pub const fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Whether a block may have this weak sum; most that have not are told here.
    #[inline(always)]
    pub(crate) fn may_have(&self, weak: u32) -> bool {
        let (at, bits) = self.filter_place(weak);
        self.filter.get(at).is_some_and(|word| word & bits == bits)
    }

    /// A word of the filter and the bits there that a weak sum has.
    #[inline(always)]
    fn filter_place(&self, weak: u32) -> (usize, u64) {
        let mixed = mix(weak);
        let bit = |shift: u32| 1 << ((mixed >> shift) & 63);
        (place(mixed, self.filter_bits), bit(0) | bit(6) | bit(12))
    }

    /// A block with these sums; `strong` is asked for only where a weak sum fits.
    pub(crate) fn find(&self, weak: u32, strong: impl FnOnce() -> [u8; 32]) -> Option<usize> {
        let fits = |slot: &u32| {
            self.signature
                .block(*slot as usize)
                .is_some_and(|(found, _)| found == weak)
        };
        let first = self.probe(weak).find(fits)?;
        let strong = strong();
        let same = |slot: &u32| {
            self.signature
                .block(*slot as usize)
                .is_some_and(|(_, found)| strong.starts_with(found))
        };
        let rest = self.probe(weak).filter(fits);
        std::iter::once(first).chain(rest).find(same).map(|slot| slot as usize)
    }

    /// The blocks that stand where `weak` may be.
    fn probe(&self, weak: u32) -> impl Iterator<Item = u32> {
        self.slots_from(weak)
            .filter_map(|at| self.slots.get(at))
            .copied()
            .take_while(|slot| *slot != EMPTY)
    }

    fn slots_from(&self, weak: u32) -> impl Iterator<Item = usize> + use<> {
        let (first, slots) = (place(mix(weak), self.slot_bits), self.slots.len());
        (0..MAX_PROBES.min(slots)).map(move |step| (first + step) & (slots - 1))
    }

    fn insert(&mut self, block: u32) {
        let Some((weak, strong)) = self.signature.block(block as usize) else {
            return;
        };
        let mut free = None;
        for at in self.slots_from(weak) {
            let there = self.slots.get(at).copied().unwrap_or(EMPTY);
            if there == EMPTY {
                free = Some(at);
                break;
            }
            // The first of equal blocks stands for all.
            if self.signature.block(there as usize) == Some((weak, strong)) {
                return;
            }
        }
        if let Some(slot) = free.and_then(|at| self.slots.get_mut(at)) {
            *slot = block;
            let (at, bits) = self.filter_place(weak);
            if let Some(word) = self.filter.get_mut(at) {
                *word |= bits;
            }
        }
    }
}

/// The first `bits` bits of a number, as a place in a slice.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "slices are no longer than usize can say")]
fn place(mixed: u64, bits: u32) -> usize {
    mixed.checked_shr(64 - bits).unwrap_or(0) as usize
}

/// Even bits, all of which depend on all of `weak`; rollsum's own are far from even.
#[inline(always)]
fn mix(weak: u32) -> u64 {
    let mixed = (u64::from(weak) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 29)
}
