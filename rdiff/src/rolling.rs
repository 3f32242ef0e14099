use crate::index::Index;
use crate::weak::{RabinKarp, Rollsum, Weak};

/// The weak sum of the kind that the old signature has.
#[derive(Clone, Copy)]
pub(crate) enum Rolling {
    Rollsum(Rollsum),
    RabinKarp(RabinKarp),
}

impl Rolling {
    pub(crate) fn of(old: &Index, window: &[u8]) -> Self {
        if old.signature().layout().kind().is_rollsum() {
            Self::Rollsum(Rollsum::of(window))
        } else {
            Self::RabinKarp(RabinKarp::of(window))
        }
    }

    pub(crate) fn sum(self) -> u32 {
        match self {
            Self::Rollsum(sum) => sum.sum(),
            Self::RabinKarp(sum) => sum.sum(),
        }
    }

    pub(crate) fn roll(&mut self, old: u8, new: u8) {
        match self {
            Self::Rollsum(sum) => sum.roll(old, new),
            Self::RabinKarp(sum) => sum.roll(old, new),
        }
    }

    pub(crate) fn shrink(&mut self, old: u8) {
        match self {
            Self::Rollsum(sum) => sum.shrink(old),
            Self::RabinKarp(sum) => sum.shrink(old),
        }
    }

    /// Rolls on until a block may have the sum; gives the number of steps.
    pub(crate) fn search(&mut self, index: &Index, leaving: &[u8], coming: &[u8]) -> usize {
        match self {
            Self::Rollsum(sum) => search(sum, index, leaving, coming),
            Self::RabinKarp(sum) => search(sum, index, leaving, coming),
        }
    }
}

/// Apart for each kind, for here the time goes when much has changed.
fn search<T: Weak>(sum: &mut T, index: &Index, leaving: &[u8], coming: &[u8]) -> usize {
    let mut rolling = *sum;
    let mut steps = 0;
    for (old, new) in leaving.iter().zip(coming) {
        if index.may_have(rolling.sum()) {
            break;
        }
        rolling.roll(*old, *new);
        steps += 1;
    }
    *sum = rolling;
    steps
}
