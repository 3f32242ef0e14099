//! Which volumes are read.

use std::hash::{BuildHasher, RandomState};

use engine_api::{CheckReport, ReadData};

use crate::error::{Error, Result};
use crate::source::{SetPlan, VolumePlan};

/// How much is read, found to make sense.
pub(super) enum Selection {
    Nothing,
    All,
    /// One of several equal shares, counted from 1.
    Share(u32, u32),
    /// So many of ten thousand, drawn anew each time.
    Random(u64, RandomState),
}

impl Selection {
    /// Checks what is asked.
    pub(super) fn of(read: ReadData) -> Result<Self> {
        match read {
            ReadData::Nothing => Ok(Self::Nothing),
            ReadData::All => Ok(Self::All),
            ReadData::Share { part, of } if (1..=of).contains(&part) => Ok(Self::Share(part, of)),
            ReadData::Share { part, of } => Err(Error::Usage(format!(
                "{part}/{of} is no share: the first number goes from 1 to the second"
            ))),
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "between 0 and 10,000"
            )]
            ReadData::Percent(percent) if percent > 0.0 && percent <= 100.0 => {
                Ok(Self::Random((percent * 100.0).ceil() as u64, RandomState::new()))
            }
            ReadData::Percent(percent) => Err(Error::Usage(format!(
                "{percent} % is no share: it must be above 0 and at most 100"
            ))),
        }
    }

    /// Whether the volume is read; each is in exactly one of the shares.
    fn takes(&self, volume: &VolumePlan) -> bool {
        let name = volume.file.as_ref().map_or(&[][..], |file| file.key.as_bytes());
        match self {
            Self::Nothing => false,
            Self::All => true,
            Self::Share(part, of) => fnv(name) % u64::from(*of) == u64::from(part - 1),
            Self::Random(share, state) => state.hash_one(name) % 10_000 < *share,
        }
    }

    /// The volumes that are read.
    pub(super) fn of_all<'p>(&self, plans: &'p [SetPlan]) -> Vec<&'p VolumePlan> {
        let all = || plans.iter().flat_map(|plan| &plan.volumes);
        let mut chosen: Vec<_> = all().filter(|volume| self.takes(volume)).collect();
        if chosen.is_empty() && matches!(self, Self::Random(..)) {
            chosen.extend(all().next());
        }
        chosen
    }

    /// Bytes of those.
    pub(super) fn bytes(&self, plans: &[SetPlan]) -> u64 {
        let files = self.of_all(plans).into_iter().filter_map(|volume| volume.file.as_ref());
        files.map(|file| file.size).sum()
    }

    /// Counts those as read.
    pub(super) fn count(&self, plans: &[SetPlan], report: &mut CheckReport) {
        report.packs_read = self.of_all(plans).len() as u64;
        report.bytes_read = self.bytes(plans);
    }
}

/// A hash that is the same on every machine and in every version: a volume stays in its share.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
