//! Which packs are read.

use engine_api::ReadData;

use crate::Id;
use crate::error::{Error, Result};
use crate::index::{Index, PackNumber};
use crate::inventory::Inventory;

/// How much is read, found to make sense.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Selection {
    /// Nothing.
    Nothing,
    /// Everything.
    All,
    /// One of several equal shares, counted from 1.
    Share(u32, u32),
    /// A random share in per cent.
    Percent(f64),
}

impl Selection {
    /// Checks what is asked.
    pub fn of(read: ReadData) -> Result<Self> {
        match read {
            ReadData::Nothing => Ok(Self::Nothing),
            ReadData::All => Ok(Self::All),
            ReadData::Share { part, of } if (1..=of).contains(&part) => Ok(Self::Share(part, of)),
            ReadData::Share { part, of } => Err(Error::Usage(format!(
                "{part}/{of} is no share: the first number goes from 1 to the second"
            ))),
            ReadData::Percent(percent) if percent > 0.0 && percent <= 100.0 => Ok(Self::Percent(percent)),
            ReadData::Percent(percent) => Err(Error::Usage(format!(
                "{percent} % is no share: it must be above 0 and at most 100"
            ))),
        }
    }

    /// Whether the share holds the pack; all packs are in exactly one of the shares. Up to 256 shares are restic's.
    fn takes(self, id: Id) -> bool {
        let [first, ..] = *id.as_bytes();
        match self {
            Self::Nothing => false,
            Self::All | Self::Percent(_) => true,
            Self::Share(part, of) if of <= 256 => u32::from(first) % of == part - 1,
            Self::Share(part, of) => id.spread() % u64::from(of) == u64::from(part - 1),
        }
    }
}

/// The packs to read, in the order of the index. Always among them are packs of the wrong size, to know what is left of
/// them, and packs of listings where listings are read from a cache: else nobody would have looked at the storage's.
pub fn packs(selection: Selection, cached: bool, index: &Index, inventory: &Inventory) -> Result<Vec<PackNumber>> {
    let is_chosen = |number: PackNumber| index.pack_id(number).is_some_and(|id| selection.takes(id));
    let present = || inventory.iter().filter(|(_, pack)| pack.size.is_some());
    let mut chosen: Vec<PackNumber> = present().map(|(number, _)| number).collect();
    chosen.retain(|number| is_chosen(*number));
    if let Selection::Percent(percent) = selection {
        draw(&mut chosen, percent)?;
    }
    let always = present().filter(|(_, pack)| !pack.is_sound() || (cached && pack.has_trees));
    chosen.extend(always.map(|(number, _)| number));
    chosen.sort_unstable();
    chosen.dedup();
    Ok(chosen)
}

/// Leaves a random share, at least one.
fn draw(packs: &mut Vec<PackNumber>, percent: f64) -> Result<()> {
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a count, neither negative nor above it"
    )]
    let count = (packs.len() as f64 * percent / 100.0).ceil() as usize;
    for position in 0..count.min(packs.len()) {
        let left = (packs.len() - position) as u64;
        let random = getrandom::u64().map_err(Error::Random)? % left;
        packs.swap(position, position + usize::try_from(random).unwrap_or(0));
    }
    packs.truncate(count);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_make_the_whole() {
        for of in [1, 2, 7, 256, 1000] {
            for number in 0..500_u32 {
                let id = Id::of(&number.to_le_bytes());
                let shares = (1..=of).filter(|part| Selection::Share(*part, of).takes(id));
                assert_eq!(shares.count(), 1);
            }
        }
    }

    #[test]
    fn what_is_no_share_is_refused() {
        for read in [
            ReadData::Share { part: 0, of: 3 },
            ReadData::Share { part: 4, of: 3 },
            ReadData::Share { part: 0, of: 0 },
            ReadData::Percent(0.0),
            ReadData::Percent(-1.0),
            ReadData::Percent(100.5),
            ReadData::Percent(f64::NAN),
        ] {
            assert!(matches!(Selection::of(read), Err(Error::Usage(_))), "{read:?}");
        }
    }

    #[test]
    fn a_drawn_share_has_the_right_size() {
        for (percent, expected) in [(0.1, 1), (25.0, 25), (100.0, 100)] {
            let mut packs: Vec<PackNumber> = (0..100).map(PackNumber::at).collect();
            draw(&mut packs, percent).unwrap();
            packs.sort_unstable();
            packs.dedup();
            assert_eq!(packs.len(), expected);
        }
        let mut none = Vec::new();
        draw(&mut none, 50.0).unwrap();
        assert!(none.is_empty());
    }
}
