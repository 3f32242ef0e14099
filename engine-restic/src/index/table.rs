/// A hash table of positions: open addressing with linear probing over four-byte slots, five bytes a position.
#[derive(Default)]
pub struct Table {
    /// A position plus one; 0 is empty.
    slots: Vec<u32>,
}

impl Table {
    /// A table of the positions below `len`, each found by `hash(position)`.
    pub fn build(len: usize, hash: impl Fn(usize) -> u64) -> Self {
        let mut table = Self {
            slots: vec![0; len + len / 4 + 1],
        };
        for position in 0..len {
            // Positions are below 2³²: the index refuses more.
            let value = u32::try_from(position + 1).unwrap_or(u32::MAX);
            if let Some(slot) = table.free_slot(hash(position)) {
                *slot = value;
            }
        }
        table
    }

    fn free_slot(&mut self, hash: u64) -> Option<&mut u32> {
        let start = self.start(hash);
        let (before, after) = self.slots.split_at_mut_checked(start)?;
        after.iter_mut().chain(before).find(|slot| **slot == 0)
    }

    /// Every position whose hash may be `hash`.
    pub fn candidates(&self, hash: u64) -> impl Iterator<Item = usize> + '_ {
        let (before, after) = self.slots.split_at_checked(self.start(hash)).unwrap_or_default();
        after
            .iter()
            .chain(before)
            .take_while(|slot| **slot != 0)
            .map(|slot| *slot as usize - 1)
    }

    /// Spreads the hash evenly over the slots, by its high bits.
    fn start(&self, hash: u64) -> usize {
        let scaled = (u128::from(hash) * self.slots.len() as u128) >> 64;
        usize::try_from(scaled).unwrap_or(0)
    }

    #[cfg(test)]
    pub const fn memory(&self) -> usize {
        self.slots.capacity() * size_of::<u32>()
    }
}
