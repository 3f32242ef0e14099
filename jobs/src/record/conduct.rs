//! How a job's run behaves towards the machine, its storage and other runs: how long it waits, and how much it takes.

use std::time::Duration;

use jiff::Zoned;

use super::fields::Fields;
use super::rules::Checked;
use crate::events::ACTION_LIMIT;

/// Properties `LockWait`, `ActionTimeout`, `AnswerTimeout`, `Nice`, `IONice` and `Bandwidth`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conduct {
    /// How long a run waits until its destination, or the work of another run, is free.
    pub lock_wait: Duration,
    /// How long one action of an event, or one hook, may take.
    pub action_limit: Duration,
    /// How long the storage may not answer; `None` is each storage's own limit.
    pub answer_limit: Option<Duration>,
    /// How much of processor and disk it takes when others want them.
    pub priority: Priority,
    /// How much it sends and receives, by the hour.
    pub bandwidth: Option<Timetable>,
}

impl Default for Conduct {
    fn default() -> Self {
        Self {
            lock_wait: Duration::from_hours(12),
            action_limit: ACTION_LIMIT,
            answer_limit: None,
            priority: Priority::default(),
            bandwidth: None,
        }
    }
}

/// What the system is told of a run's importance; `None` leaves it as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Priority {
    /// 0 (like anybody) to 19 (only what nobody else wants) of the processor.
    pub nice: Option<i32>,
    /// The same for the disk.
    pub io: Option<IoPriority>,
}

/// A class of the disk's scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IoPriority {
    /// Only when nobody else wants the disk.
    Idle,
    /// 0 (first) to 7 (last) among the usual ones.
    BestEffort(u8),
}

/// Rates in bytes a second by the time of day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timetable {
    /// From which minute of the day on, and how much; in the order of the day, never empty. 0 is no limit.
    changes: Vec<(u16, u64)>,
}

impl Timetable {
    /// Reads a rate (`512K`, `2M`, `off`) or times with rates (`08:00,512K 19:00,off`).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let mut changes = match words.as_slice() {
            [] => return None,
            [one] if !one.contains(',') => vec![(0, rate(one)?)],
            many => {
                let change = |word: &&str| {
                    let (at, amount) = word.split_once(',')?;
                    Some((minute(at)?, rate(amount)?))
                };
                many.iter().map(change).collect::<Option<Vec<_>>>()?
            }
        };
        changes.sort_by_key(|(at, _)| *at);
        let doubled = changes
            .windows(2)
            .any(|pair| matches!(pair, [(a, _), (b, _)] if a == b));
        (!doubled).then_some(Self { changes })
    }

    /// The rate at that moment; 0 is no limit.
    #[must_use]
    pub fn at(&self, moment: &Zoned) -> u64 {
        let now = u16::from(moment.hour().unsigned_abs()) * 60 + u16::from(moment.minute().unsigned_abs());
        let current = self.changes.iter().rev().find(|(from, _)| *from <= now);
        // Before the day's first change holds the last one of the day before.
        current.or_else(|| self.changes.last()).map_or(0, |(_, rate)| *rate)
    }
}

fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}

/// Bytes a second, with `K`, `M` or `G` (powers of 1024); a limit of nothing would be a backup that never ends.
fn rate(text: &str) -> Option<u64> {
    if text.eq_ignore_ascii_case("off") {
        return Some(0);
    }
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text.strip_prefix(number)?.to_ascii_uppercase().as_str() {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        _ => return None,
    };
    let number: u64 = number.parse().ok()?;
    number.checked_mul(1 << shift).filter(|rate| *rate > 0)
}

/// `90s`, `5m`, `12h`; a year is as good as for ever.
fn span(text: &str) -> Option<Duration> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match text.strip_prefix(number)? {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return None,
    };
    let seconds = number.parse::<u64>().ok()?.checked_mul(factor)?;
    (seconds <= 31_536_000).then(|| Duration::from_secs(seconds))
}

fn lock_wait(fields: &Fields<'_>) -> Checked<Duration> {
    let allowed = "how long to wait, such as 30m or 12h, or 0s";
    fields.read("LockWait", Conduct::default().lock_wait, allowed, span)
}

fn action_limit(fields: &Fields<'_>) -> Checked<Duration> {
    let allowed = "how long an action may take, such as 10m or 4h";
    fields.read("ActionTimeout", Conduct::default().action_limit, allowed, |text| {
        span(text).filter(|limit| !limit.is_zero())
    })
}

/// Of less than a second nobody could say whether it is silence.
fn answer_limit(fields: &Fields<'_>) -> Checked<Option<Duration>> {
    let allowed = "how long the storage may not answer, such as 30s or 5m";
    fields.read("AnswerTimeout", None, allowed, |text| {
        span(text).filter(|limit| !limit.is_zero()).map(Some)
    })
}

fn nice(fields: &Fields<'_>) -> Checked<Option<i32>> {
    fields.read("Nice", None, "a number from 0 to 19", |text| {
        let number = text.parse().ok()?;
        (0..=19).contains(&number).then_some(Some(number))
    })
}

fn io(fields: &Fields<'_>) -> Checked<Option<IoPriority>> {
    fields.read("IONice", None, "idle, or a number from 0 (first) to 7 (last)", |text| {
        if text == "idle" {
            return Some(Some(IoPriority::Idle));
        }
        let number = text.parse().ok()?;
        (number <= 7).then_some(Some(IoPriority::BestEffort(number)))
    })
}

fn bandwidth(fields: &Fields<'_>) -> Checked<Option<Timetable>> {
    let allowed = "bytes a second such as 512K or 2M, or times with rates such as `08:00,512K 19:00,off`";
    fields.read("Bandwidth", None, allowed, |text| Timetable::parse(text).map(Some))
}

pub(super) fn conduct(fields: &Fields<'_>) -> Checked<Conduct> {
    Ok(Conduct {
        lock_wait: lock_wait(fields)?,
        action_limit: action_limit(fields)?,
        answer_limit: answer_limit(fields)?,
        priority: Priority {
            nice: nice(fields)?,
            io: io(fields)?,
        },
        bandwidth: bandwidth(fields)?,
    })
}

/// Everything that is wrong with these properties.
pub(super) fn check(fields: &Fields<'_>) -> Vec<super::RecordError> {
    let errors = [
        lock_wait(fields).err(),
        action_limit(fields).err(),
        answer_limit(fields).err(),
        nice(fields).err(),
        io(fields).err(),
        bandwidth(fields).err(),
    ];
    errors.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, time: &str) -> u64 {
        let moment: Zoned = format!("2021-03-05T{time}:00+01:00[Europe/Rome]").parse().unwrap();
        Timetable::parse(text).unwrap().at(&moment)
    }

    #[test]
    fn bandwidth_has_its_hours() {
        assert_eq!(at("512K", "10:00"), 512 << 10);
        let day = "19:00,off 08:00,1M";
        assert_eq!(at(day, "08:00"), 1 << 20);
        assert_eq!(at(day, "18:59"), 1 << 20);
        assert_eq!(at(day, "19:00"), 0);
        assert_eq!(at(day, "07:59"), 0, "the evening before goes on");
        for text in [
            "",
            "0",
            "x",
            "08:00",
            "24:00,1M",
            "08:00,1M 08:00,2M",
            "8,1M",
            "1T",
            "-1",
        ] {
            assert_eq!(Timetable::parse(text), None, "{text}");
        }
    }

    #[test]
    fn waits_have_a_unit() {
        assert_eq!(span("90s"), Some(Duration::from_secs(90)));
        assert_eq!(span("0s"), Some(Duration::ZERO));
        assert_eq!(span("12h"), Some(Duration::from_hours(12)));
        for text in ["", "5", "m", "-1s", "5d", "99999999999h"] {
            assert_eq!(span(text), None, "{text}");
        }
    }
}
