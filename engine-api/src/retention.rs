//! Which snapshots a policy keeps: a pure function over a list, the same for every engine.
//!
//! The rules are restic's, so that a repository that both programs tend keeps the same snapshots: `keep-within` counts
//! back from the newest snapshot that is not in the future, every counting rule keeps the newest of each period, and a
//! counting rule that is not used up also keeps the oldest snapshot.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Zoned;
use jiff::tz::TimeZone;

use crate::{Age, Snapshot, Timestamp};

/// How many of a kind to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Count {
    /// The rule is not used.
    #[default]
    None,
    /// The newest so many.
    Last(u32),
    /// Every one.
    All,
}

/// What to keep; a snapshot that any rule keeps stays. Keeping nothing by any rule is not a policy: see
/// [`Keep::is_empty`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keep {
    /// The newest, whenever they were made.
    pub last: Count,
    /// The newest of each hour.
    pub hourly: Count,
    /// The newest of each day.
    pub daily: Count,
    /// The newest of each ISO week.
    pub weekly: Count,
    /// The newest of each month.
    pub monthly: Count,
    /// The newest of each year.
    pub yearly: Count,
    /// Everything younger than this, seen from the newest snapshot.
    pub within: Option<Age>,
    /// The newest of each hour, younger than this.
    pub within_hourly: Option<Age>,
    /// The newest of each day, younger than this.
    pub within_daily: Option<Age>,
    /// The newest of each week, younger than this.
    pub within_weekly: Option<Age>,
    /// The newest of each month, younger than this.
    pub within_monthly: Option<Age>,
    /// The newest of each year, younger than this.
    pub within_yearly: Option<Age>,
    /// Those that carry all labels of one of these sets.
    pub tags: Vec<Vec<String>>,
}

impl Keep {
    /// Whether no rule is set: such a policy would remove everything and must be refused.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What makes a group of snapshots that is decided on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "three independent yes-or-no choices that users name"
)]
pub struct GroupBy {
    /// Machines apart.
    pub host: bool,
    /// Sets of paths apart.
    pub paths: bool,
    /// Sets of tags apart.
    pub tags: bool,
}

impl Default for GroupBy {
    /// By host and tags: NethServer's grouping, where the tag is the record's name.
    fn default() -> Self {
        Self {
            host: true,
            paths: false,
            tags: true,
        }
    }
}

/// The decision on one snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Which.
    pub snapshot: Snapshot,
    /// The rules that keep it; when there are none it goes.
    pub reasons: Vec<String>,
}

impl Decision {
    /// Whether it stays.
    #[must_use]
    pub fn keep(&self) -> bool {
        !self.reasons.is_empty()
    }
}

/// Decides on every snapshot: group by group, newest first within each.
#[must_use]
pub fn decide(snapshots: Vec<Snapshot>, keep: &Keep, by: GroupBy, now: Timestamp, zone: &TimeZone) -> Vec<Decision> {
    groups(snapshots, by)
        .into_values()
        .flat_map(|group| decide_group(group, keep, now, zone))
        .collect()
}

type GroupKey = (String, Vec<PathBuf>, Vec<String>);

fn groups(snapshots: Vec<Snapshot>, by: GroupBy) -> BTreeMap<GroupKey, Vec<Snapshot>> {
    let mut groups: BTreeMap<GroupKey, Vec<Snapshot>> = BTreeMap::new();
    for snapshot in snapshots {
        let host = if by.host { snapshot.host.clone() } else { String::new() };
        let mut paths = if by.paths { snapshot.paths.clone() } else { Vec::new() };
        let mut tags = if by.tags { snapshot.tags.clone() } else { Vec::new() };
        paths.sort();
        tags.sort();
        groups.entry((host, paths, tags)).or_default().push(snapshot);
    }
    groups
}

fn decide_group(mut group: Vec<Snapshot>, keep: &Keep, now: Timestamp, zone: &TimeZone) -> Vec<Decision> {
    group.sort_by_key(|snapshot| std::cmp::Reverse(snapshot.time));
    let latest = group
        .iter()
        .map(|snapshot| snapshot.time)
        .filter(|time| *time <= now)
        .max();
    let latest = latest.unwrap_or(Timestamp {
        seconds: i64::MIN / 4,
        nanos: 0,
    });
    let mut rules = rules(keep, latest, zone);
    let oldest = group.len().saturating_sub(1);
    let decide = |(index, snapshot): (usize, Snapshot)| {
        let mut reasons: Vec<String> = tag_reasons(keep, &snapshot);
        let local = snapshot.time.to_jiff().unwrap_or_default().to_zoned(zone.clone());
        reasons.extend(
            rules
                .iter_mut()
                .filter_map(|rule| rule.ask(&local, snapshot.time, index, index == oldest)),
        );
        Decision { snapshot, reasons }
    };
    group.into_iter().enumerate().map(decide).collect()
}

fn tag_reasons(keep: &Keep, snapshot: &Snapshot) -> Vec<String> {
    let has_all = |tags: &&Vec<String>| tags.iter().all(|tag| snapshot.tags.contains(tag));
    keep.tags
        .iter()
        .filter(has_all)
        .map(|tags| format!("has tags [{}]", tags.join(", ")))
        .collect()
}

#[derive(Clone, Copy)]
enum Period {
    Each,
    Hour,
    Day,
    Week,
    Month,
    Year,
    Always,
}

impl Period {
    /// A number that is the same for two moments of one period.
    fn number(self, local: &Zoned, index: usize) -> i64 {
        let (year, month, day) = (
            i64::from(local.year()),
            i64::from(local.month()),
            i64::from(local.day()),
        );
        match self {
            Self::Each | Self::Always => i64::try_from(index).unwrap_or(i64::MAX),
            Self::Hour => ((year * 100 + month) * 100 + day) * 100 + i64::from(local.hour()),
            Self::Day => (year * 100 + month) * 100 + day,
            Self::Week => {
                let week = local.date().iso_week_date();
                i64::from(week.year()) * 100 + i64::from(week.week())
            }
            Self::Month => year * 100 + month,
            Self::Year => year,
        }
    }
}

struct Rule {
    period: Period,
    name: &'static str,
    /// `None`: no limit.
    left: Option<u32>,
    younger_than: Option<(Age, Timestamp)>,
    last: Option<i64>,
}

impl Rule {
    /// The reason to keep the next older snapshot, if this rule has one.
    fn ask(&mut self, local: &Zoned, time: Timestamp, index: usize, oldest: bool) -> Option<String> {
        if self.left == Some(0) || self.younger_than.as_ref().is_some_and(|(_, limit)| time <= *limit) {
            return None;
        }
        let number = self.period.number(local, index);
        let repeated = self.last == Some(number);
        if repeated && !oldest {
            return None;
        }
        self.last = Some(number);
        self.left = self.left.map(|left| left - 1);
        let prefix = if repeated { "oldest " } else { "" };
        Some(match &self.younger_than {
            Some((age, _)) => format!("{prefix}{} {age}", self.name),
            None => format!("{prefix}{}", self.name),
        })
    }
}

fn rules(keep: &Keep, latest: Timestamp, zone: &TimeZone) -> Vec<Rule> {
    let counting = [
        (keep.last, Period::Each, "last snapshot"),
        (keep.hourly, Period::Hour, "hourly snapshot"),
        (keep.daily, Period::Day, "daily snapshot"),
        (keep.weekly, Period::Week, "weekly snapshot"),
        (keep.monthly, Period::Month, "monthly snapshot"),
        (keep.yearly, Period::Year, "yearly snapshot"),
    ];
    let within = [
        (keep.within, Period::Always, "within"),
        (keep.within_hourly, Period::Hour, "hourly within"),
        (keep.within_daily, Period::Day, "daily within"),
        (keep.within_weekly, Period::Week, "weekly within"),
        (keep.within_monthly, Period::Month, "monthly within"),
        (keep.within_yearly, Period::Year, "yearly within"),
    ];
    let counting = counting.into_iter().filter_map(|(count, period, name)| {
        let left = match count {
            Count::None => return None,
            Count::Last(left) => Some(left),
            Count::All => None,
        };
        Some(Rule {
            period,
            name,
            left,
            younger_than: None,
            last: None,
        })
    });
    let within = within.into_iter().filter_map(|(age, period, name)| {
        let age = age?;
        let younger_than = Some((age, age.before(latest, zone)));
        Some(Rule {
            period,
            name,
            left: None,
            younger_than,
            last: None,
        })
    });
    counting.chain(within).collect()
}

#[cfg(test)]
mod tests;
