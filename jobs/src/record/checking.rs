//! When the repository is checked after a run, and how much of the stored data is read for that.

use engine_api::ReadData;
use jiff::{Timestamp, ToSpan, Zoned};

use super::fields::Fields;
use super::rules::Checked;

/// Properties `Check` and `CheckData`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checking {
    /// After which runs.
    pub when: CheckWhen,
    /// How much data is read.
    pub data: CheckData,
}

/// Property `Check`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CheckWhen {
    /// When somebody does it.
    #[default]
    Never,
    /// After every run.
    Always,
    /// Once a week: after the first run on this day, 0 being Sunday, or after it.
    Weekday(i8),
}

/// Property `CheckData`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CheckData {
    /// Only the structure is looked at.
    #[default]
    Nothing,
    /// All.
    All,
    /// Another part each time, so that so many checks read all.
    Part(u32),
}

impl CheckWhen {
    /// Whether the run that began at `started` is to be followed by a check, when the one before was at `last`.
    #[must_use]
    pub fn is_due(self, started: &Zoned, last: Option<Timestamp>) -> bool {
        let day = match self {
            Self::Never => return false,
            Self::Always => return true,
            Self::Weekday(day) => day,
        };
        let ago = (started.weekday().to_sunday_zero_offset() - day).rem_euclid(7);
        let begin = started.start_of_day().and_then(|today| today.checked_sub(ago.days()));
        last.is_none_or(|last| begin.is_ok_and(|begin| last < begin.timestamp()))
    }
}

impl CheckData {
    /// What the next check reads, when `last` was the last part that was read (as the state has it).
    #[must_use]
    pub fn next(self, last: Option<&str>) -> ReadData {
        match self {
            Self::Nothing => ReadData::Nothing,
            Self::All => ReadData::All,
            Self::Part(of) => {
                let before = match last.and_then(ReadData::parse) {
                    Some(ReadData::Share { part, of: all }) if all == of => part,
                    _ => 0,
                };
                ReadData::Share {
                    part: before % of + 1,
                    of,
                }
            }
        }
    }
}

fn when(fields: &Fields<'_>) -> Checked<CheckWhen> {
    let allowed = "never, always, or a day of the week from 0 (Sunday) to 6";
    fields.read("Check", CheckWhen::Never, allowed, |text| match text {
        "never" => Some(CheckWhen::Never),
        "always" => Some(CheckWhen::Always),
        // Cron's other name for Sunday.
        "7" => Some(CheckWhen::Weekday(0)),
        _ => {
            let day = text.parse().ok().filter(|day| (0..=6).contains(day));
            day.map(CheckWhen::Weekday)
        }
    })
}

fn data(fields: &Fields<'_>) -> Checked<CheckData> {
    let allowed = "none, all, or 1/10 to read another tenth each time";
    fields.read("CheckData", CheckData::Nothing, allowed, |text| match text {
        "none" => Some(CheckData::Nothing),
        "all" | "1/1" => Some(CheckData::All),
        _ => {
            let of = text.strip_prefix("1/")?.parse().ok();
            of.filter(|of| (2..=1000).contains(of)).map(CheckData::Part)
        }
    })
}

pub(super) fn checking(fields: &Fields<'_>) -> Checked<Checking> {
    Ok(Checking {
        when: when(fields)?,
        data: data(fields)?,
    })
}

/// Everything that is wrong with these properties.
pub(super) fn check(fields: &Fields<'_>) -> Vec<super::RecordError> {
    [when(fields).err(), data(fields).err()].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_a_week_is_on_the_day_or_on_the_next_that_has_a_run() {
        // A Wednesday; the Sunday before is the 28th of February.
        let started: Zoned = "2021-03-03T03:00:00+01:00[Europe/Rome]".parse().unwrap();
        let due = |when: CheckWhen, last: Option<&str>| when.is_due(&started, last.map(|last| last.parse().unwrap()));
        let sunday = CheckWhen::Weekday(0);
        assert!(due(sunday, None), "nobody knows how it is");
        assert!(
            due(sunday, Some("2021-02-27T22:59:59Z")),
            "the day began in Rome at 23:00 of UTC"
        );
        assert!(!due(sunday, Some("2021-02-27T23:00:00Z")));
        assert!(due(CheckWhen::Weekday(3), Some("2021-03-02T22:00:00Z")));
        assert!(
            !due(CheckWhen::Weekday(3), Some("2021-03-03T01:00:00Z")),
            "once a day is enough"
        );
        assert!(!due(CheckWhen::Weekday(4), Some("2021-02-25T03:00:00Z")), "tomorrow");
        assert!(due(CheckWhen::Always, Some("2021-03-03T01:59:00Z")));
        assert!(!due(CheckWhen::Never, None));
    }

    #[test]
    fn part_after_part_all_is_read() {
        let mut last = None;
        let mut parts = Vec::new();
        for _ in 0..4 {
            let read = CheckData::Part(3).next(last.as_deref()).to_string();
            parts.push(read.clone());
            last = Some(read);
        }
        assert_eq!(parts, ["1/3", "2/3", "3/3", "1/3"]);
        assert_eq!(CheckData::Part(5).next(Some("2/3")).to_string(), "1/5");
        assert_eq!(CheckData::Part(5).next(Some("all")).to_string(), "1/5");
        assert_eq!(CheckData::All.next(Some("2/3")), ReadData::All);
    }
}
