use std::sync::atomic::{AtomicU64, Ordering};

/// A yes or no for every blob of an index, by its ordinal: one bit each; may be set by many threads.
pub struct Marks(Vec<AtomicU64>);

impl Marks {
    /// For `len` blobs, all no.
    pub fn new(len: usize) -> Self {
        Self((0..len.div_ceil(64)).map(|_| AtomicU64::new(0)).collect())
    }

    /// Sets it to yes; whether it was no before.
    pub fn set(&self, ordinal: usize) -> bool {
        let bit = 1 << (ordinal % 64);
        let word = self.0.get(ordinal / 64);
        word.is_some_and(|word| word.fetch_or(bit, Ordering::Relaxed) & bit == 0)
    }

    /// Sets it to no.
    pub fn clear(&self, ordinal: usize) {
        if let Some(word) = self.0.get(ordinal / 64) {
            word.fetch_and(!(1 << (ordinal % 64)), Ordering::Relaxed);
        }
    }

    /// Whether it is yes.
    pub fn get(&self, ordinal: usize) -> bool {
        let word = self.0.get(ordinal / 64);
        word.is_some_and(|word| word.load(Ordering::Relaxed) & (1 << (ordinal % 64)) != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_on_its_own() {
        let marks = Marks::new(130);
        assert!([0, 63, 64, 129].into_iter().all(|ordinal| marks.set(ordinal)));
        assert!(!marks.set(64));
        marks.clear(63);
        let set: Vec<usize> = (0..130).filter(|ordinal| marks.get(*ordinal)).collect();
        assert_eq!(set, [0, 64, 129]);
        assert!(!marks.set(500) && !marks.get(500));
    }
}
