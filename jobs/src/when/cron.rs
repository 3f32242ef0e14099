//! Schedules as cron has them: five fields, or a name such as `@daily`.

use std::fmt;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};

mod field;

use field::{Field, Kind};

/// What a schedule looks like, for messages.
pub const ALLOWED: &str = "five fields of cron (minute, hour, day, month, weekday), such as `0 3 * * *`";

/// When a job is due: a set of minutes in the calendar of the machine's zone.
///
/// As in cron, a day is right when both the day of the month and the weekday are, unless neither field begins with `*`:
/// then one of them is enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    minute: Field,
    hour: Field,
    day: Field,
    month: Field,
    weekday: Field,
}

/// Why a text is no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// More or fewer than five fields.
    #[error("it has {count} field{} instead of five", if *count == 1 { "" } else { "s" })]
    Fields {
        /// How many there are.
        count: usize,
    },
    /// A time of day, as very old records have it.
    #[error("it is a time of day, which cron writes as `{better}`")]
    TimeOfDay {
        /// The same as a schedule.
        better: String,
    },
    /// A field that cannot be read.
    #[error("`{text}` is no {field}: {reason}")]
    Field {
        /// Which field.
        field: &'static str,
        /// What stands there.
        text: String,
        /// What may stand there.
        reason: String,
    },
    /// A name that cron does not have, or that means no time of the calendar.
    #[error("there is no schedule `{name}`, only @hourly, @daily, @weekly, @monthly and @yearly")]
    Name {
        /// The name.
        name: String,
    },
    /// A character that would begin a second line, or a second command, in a crontab.
    #[error("it holds a line break or a `%`")]
    Breaks,
    /// Days that no month has.
    #[error("that day never comes")]
    Never,
}

const NAMES: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

impl Schedule {
    /// Reads five fields with blanks between them, or a name.
    ///
    /// Nothing is read that cron would not take; a name is read in either case.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, CronError> {
        if text.contains(['\n', '\r', '%']) {
            return Err(CronError::Breaks);
        }
        let text = text.trim();
        if text.starts_with('@') {
            let known = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
            let (_, fields) = known.ok_or_else(|| CronError::Name { name: text.to_owned() })?;
            return Self::parse(fields);
        }
        if let Some(better) = of_time(text) {
            return Err(CronError::TimeOfDay { better });
        }
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(CronError::Fields { count: fields.len() });
        };
        let schedule = Self {
            minute: Field::parse(Kind::Minute, minute)?,
            hour: Field::parse(Kind::Hour, hour)?,
            day: Field::parse(Kind::Day, day)?,
            month: Field::parse(Kind::Month, month)?,
            weekday: Field::parse(Kind::Weekday, weekday)?,
        };
        if schedule.ever() {
            Ok(schedule)
        } else {
            Err(CronError::Never)
        }
    }

    /// The first moment after `after` at which it is due; `None` when there is none that the calendar can hold.
    ///
    /// When the clock goes forward, what lies in the hour that is left out is due at the change. When it goes back, the
    /// hour that comes twice counts once. A schedule with `*` as its minute or hour goes by the clock on the wall all
    /// the while, and so has more or fewer turns on such a day.
    #[must_use]
    pub fn next_after(&self, after: &Zoned) -> Option<Zoned> {
        let zone = after.time_zone();
        let wildcard = self.minute.starred() || self.hour.starred();
        let mut now = after.timestamp();
        let mut from = after.datetime();
        if !wildcard {
            from = from.max(turned_back(zone, now)?);
        }
        let mut inclusive = false;
        for _ in 0..MOST_CHANGES {
            let found = self.civil_after(from, inclusive);
            let change = zone.following(now).next().map(|change| change.timestamp());
            let Some(change) = change else {
                return found?.to_zoned(zone.clone()).ok();
            };
            let before = zone.to_offset(just_before(change)?);
            if let Some(moment) = found.and_then(|civil| before.to_timestamp(civil).ok())
                && moment < change
            {
                return Some(moment.to_zoned(zone.clone()));
            }
            let (old, new) = (before.to_datetime(change), zone.to_offset(change).to_datetime(change));
            if !wildcard && found.is_some_and(|civil| old <= civil && civil < new) {
                return Some(change.to_zoned(zone.clone()));
            }
            from = if wildcard { new } else { old.max(new) };
            (now, inclusive) = (change, true);
        }
        None
    }

    /// The same times as values of `OnCalendar` in a timer of systemd.
    #[must_use]
    pub fn on_calendar(&self) -> Vec<String> {
        const NAMES: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
        let time = format!("{}:{}:00", self.hour.list(), self.minute.list());
        let month = self.month.list();
        let weekdays: Vec<&str> = (0..7)
            .zip(NAMES)
            .filter(|(day, _)| self.weekday.has(*day))
            .map(|(_, name)| name)
            .collect();
        let weekdays = if weekdays.len() == NAMES.len() {
            String::new()
        } else {
            format!("{} ", weekdays.join(","))
        };
        let days = self.day.list();
        if self.either_day() {
            vec![
                format!("*-{month}-{days} {time}"),
                format!("{weekdays}*-{month}-* {time}"),
            ]
        } else {
            vec![format!("{weekdays}*-{month}-{days} {time}")]
        }
    }

    /// The first minute of a calendar without changes of the clock that is right.
    fn civil_after(&self, from: DateTime, inclusive: bool) -> Option<DateTime> {
        let whole = from.time().second() == 0 && from.time().subsec_nanosecond() == 0;
        let minute = from.date().at(from.hour(), from.minute(), 0, 0);
        let first = if inclusive && whole {
            minute
        } else {
            minute.checked_add(1.minute()).ok()?
        };
        if self.is_day(first.date())
            && let Some(time) = self.time_from(first.time())
        {
            return Some(first.date().to_datetime(time));
        }
        let day = self.day_from(first.date().tomorrow().ok()?)?;
        Some(day.to_datetime(self.time_from(Time::midnight())?))
    }

    fn time_from(&self, first: Time) -> Option<Time> {
        let (hour, minute) = (unsigned(first.hour()), unsigned(first.minute()));
        let this_hour = self.hour.has(hour).then(|| self.minute.from(minute)).flatten();
        let (hour, minute) = match this_hour {
            Some(minute) => (hour, minute),
            None => (self.hour.from(hour + 1)?, self.minute.from(0)?),
        };
        Time::new(signed(hour), signed(minute), 0, 0).ok()
    }

    fn day_from(&self, first: Date) -> Option<Date> {
        let mut day = first;
        loop {
            if !self.month.has(unsigned(day.month())) {
                day = day.last_of_month().tomorrow().ok()?;
            } else if self.is_day(day) {
                return Some(day);
            } else {
                day = day.tomorrow().ok()?;
            }
            if day.year() > first.year().saturating_add(LONGEST_WAIT) {
                return None;
            }
        }
    }

    fn is_day(&self, date: Date) -> bool {
        let day = self.day.has(unsigned(date.day()));
        let weekday = self.weekday.has(unsigned(date.weekday().to_sunday_zero_offset()));
        let right = if self.either_day() {
            day || weekday
        } else {
            day && weekday
        };
        right && self.month.has(unsigned(date.month()))
    }

    fn either_day(&self) -> bool {
        !self.day.starred() && !self.weekday.starred()
    }

    fn ever(&self) -> bool {
        Date::new(2000, 1, 1).is_ok_and(|first| self.day_from(first).is_some())
    }
}

impl fmt::Display for Schedule {
    /// As a line of a crontab begins.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            minute,
            hour,
            day,
            month,
            weekday,
        } = self;
        write!(f, "{minute} {hour} {day} {month} {weekday}")
    }
}

/// A leap day on a given weekday comes again after 40 years at the latest.
const LONGEST_WAIT: i16 = 40;
/// No zone changes its clock more than a few times a year.
const MOST_CHANGES: usize = 1000;

/// The schedule for every day at a time written `H:MM`, as the records of NethServer 6 have it.
#[must_use]
pub fn of_time(text: &str) -> Option<String> {
    let (hour, minute) = text.trim().split_once(':')?;
    let number = |text: &str, limit: u8| {
        let digits = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u8>().ok().filter(|number| digits && *number < limit)
    };
    let (hour, minute) = (number(hour, 24)?, number(minute, 60)?);
    Some(format!("{minute} {hour} * * *"))
}

/// Up to which time of the calendar everything was due already, where the clock was turned back before `now`.
fn turned_back(zone: &TimeZone, now: Timestamp) -> Option<DateTime> {
    let here = zone.to_datetime(now);
    // A change at this very moment has happened.
    let changes = zone.preceding(now.checked_add(1.nanosecond()).ok()?);
    match changes.map(|change| change.timestamp()).next() {
        Some(change) => {
            let minute_before = zone.to_offset(just_before(change)?).to_datetime(change);
            // The last minute of before is the one that began before the change.
            let passed = minute_before.checked_sub(1.nanosecond()).ok()?;
            Some(here.max(passed))
        }
        None => Some(here),
    }
}

fn just_before(moment: Timestamp) -> Option<Timestamp> {
    moment.checked_sub(1.nanosecond()).ok()
}

fn unsigned(number: i8) -> u8 {
    number.unsigned_abs()
}

/// Numbers of this module are below 60.
fn signed(number: u8) -> i8 {
    i8::try_from(number).unwrap_or(i8::MAX)
}

#[cfg(test)]
mod tests;
