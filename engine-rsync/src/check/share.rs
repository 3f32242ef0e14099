//! Which files are read.

use std::hash::{BuildHasher, RandomState};

use engine_api::ReadData;

use crate::error::{Error, Result};
use crate::manifest::Digest;

/// How much is read, found to make sense.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Share {
    /// Nothing.
    Nothing,
    /// Everything.
    All,
    /// One of several equal shares, counted from 1.
    Part(u32, u32),
    /// A random share in per cent.
    Percent(f64),
}

impl Share {
    /// Checks what is asked.
    pub fn of(read: ReadData) -> Result<Self> {
        match read {
            ReadData::Nothing => Ok(Self::Nothing),
            ReadData::All => Ok(Self::All),
            ReadData::Share { part, of } if (1..=of).contains(&part) => Ok(Self::Part(part, of)),
            ReadData::Share { part, of } => Err(Error::Usage(format!(
                "{part}/{of} is no share: the first number goes from 1 to the second"
            ))),
            ReadData::Percent(percent) if percent > 0.0 && percent <= 100.0 => Ok(Self::Percent(percent)),
            ReadData::Percent(percent) => Err(Error::Usage(format!(
                "{percent} % is no share: it must be above 0 and at most 100"
            ))),
        }
    }
}

/// Decides on files by what they should hold, so that one content is in one share wherever it lies.
pub struct Chooser {
    share: Share,
    random: RandomState,
}

impl Chooser {
    pub fn new(share: Share) -> Self {
        Self {
            share,
            random: RandomState::new(),
        }
    }

    /// Whether a file of this digest is read.
    pub fn takes(&self, digest: &Digest) -> bool {
        let [first, second, third, fourth, ..] = *digest;
        let spread = u32::from_le_bytes([first, second, third, fourth]);
        match self.share {
            Share::Nothing => false,
            Share::All => true,
            Share::Part(part, of) => spread % of == part - 1,
            Share::Percent(percent) => {
                let [low, high, ..] = self.random.hash_one(digest).to_le_bytes();
                f64::from(u16::from_le_bytes([low, high])) < percent / 100.0 * 65536.0
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_make_the_whole() {
        for of in [1, 2, 7, 1000] {
            let choosers: Vec<Chooser> = (1..=of).map(|part| Chooser::new(Share::Part(part, of))).collect();
            for number in 0..200_u32 {
                let digest = *blake3::hash(&number.to_le_bytes()).as_bytes();
                assert_eq!(choosers.iter().filter(|chooser| chooser.takes(&digest)).count(), 1);
            }
        }
    }

    #[test]
    fn a_random_share_has_about_the_right_size() {
        let chooser = Chooser::new(Share::Percent(25.0));
        let taken = (0..4000_u32).filter(|number| chooser.takes(blake3::hash(&number.to_le_bytes()).as_bytes()));
        assert!((700..1300).contains(&taken.count()));
    }

    #[test]
    fn what_is_no_share_is_refused() {
        for read in [
            ReadData::Share { part: 0, of: 3 },
            ReadData::Share { part: 4, of: 3 },
            ReadData::Share { part: 0, of: 0 },
            ReadData::Percent(0.0),
            ReadData::Percent(100.5),
            ReadData::Percent(f64::NAN),
        ] {
            assert!(matches!(Share::of(read), Err(Error::Usage(_))), "{read:?}");
        }
    }
}
