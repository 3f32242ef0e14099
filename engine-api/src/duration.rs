//! Ages as users write them: `30D`, `1M`, `1y6m`, `36h`.

use std::fmt;

use jiff::tz::TimeZone;
use jiff::{Span, ToSpan};

use crate::Timestamp;

/// A calendar age: a month is a month, whatever its days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Age {
    /// Years.
    pub years: u32,
    /// Months.
    pub months: u32,
    /// Days; a week is seven.
    pub days: u32,
    /// Hours.
    pub hours: u32,
}

/// A text that is no [`Age`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an age: write a number and a unit (h hours, D days, W weeks, M months, Y years), such as 30D or 1Y6M"
)]
pub struct AgeError(pub String);

impl Age {
    /// Reads numbers with units, in either case: `h`, `d`, `w`, `m` (months), `y`.
    ///
    /// # Errors
    /// When the text is empty, all zero, or holds anything else.
    pub fn parse(text: &str) -> Result<Self, AgeError> {
        let wrong = || AgeError(text.to_owned());
        let mut age = Self::default();
        let mut number: Option<u32> = None;
        for character in text.trim().chars() {
            if let Some(digit) = character.to_digit(10) {
                let grown = number
                    .unwrap_or(0)
                    .checked_mul(10)
                    .and_then(|tens| tens.checked_add(digit));
                number = Some(grown.ok_or_else(wrong)?);
                continue;
            }
            let count = number.take().ok_or_else(wrong)?;
            age.add(character, count).ok_or_else(wrong)?;
        }
        if number.is_some() || age == Self::default() {
            return Err(wrong());
        }
        Ok(age)
    }

    fn add(&mut self, unit: char, count: u32) -> Option<()> {
        let (field, factor) = match unit.to_ascii_lowercase() {
            'y' => (&mut self.years, 1),
            'm' => (&mut self.months, 1),
            'w' => (&mut self.days, 7),
            'd' => (&mut self.days, 1),
            'h' => (&mut self.hours, 1),
            _ => return None,
        };
        *field = field.checked_add(count.checked_mul(factor)?)?;
        // Beyond this the calendar ends; such an age is a slip of the keyboard.
        (*field <= 100_000).then_some(())
    }

    /// The moment that lies this age before `moment`, by the calendar of `zone`; the earliest representable one when
    /// the calendar does not reach so far back.
    #[must_use]
    pub fn before(&self, moment: Timestamp, zone: &TimeZone) -> Timestamp {
        let earliest = Timestamp::from_jiff(jiff::Timestamp::MIN);
        let Some(moment) = moment.to_jiff() else {
            return earliest;
        };
        let back = moment.to_zoned(zone.clone()).checked_sub(self.span());
        back.map_or(earliest, |zoned| Timestamp::from_jiff(zoned.timestamp()))
    }

    fn span(&self) -> Span {
        // Each field is at most 100,000: only the years can be more than jiff's spans hold.
        let years = self.years.min(19_998);
        let span = i64::from(years).years().months(i64::from(self.months.min(200_000)));
        span.days(i64::from(self.days)).hours(i64::from(self.hours))
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = [
            (self.years, 'y'),
            (self.months, 'm'),
            (self.days, 'd'),
            (self.hours, 'h'),
        ];
        for (count, unit) in fields.into_iter().filter(|(count, _)| *count != 0) {
            write!(f, "{count}{unit}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_users_write() {
        let days = |days| Ok(Age { days, ..Age::default() });
        assert_eq!(Age::parse("30D"), days(30));
        assert_eq!(Age::parse(" 2w "), days(14));
        assert_eq!(
            Age::parse("1y5m7d3h"),
            Ok(Age {
                years: 1,
                months: 5,
                days: 7,
                hours: 3
            })
        );
        assert_eq!(Age::parse("1M").map(|age| age.to_string()), Ok("1m".to_owned()));
    }

    #[test]
    fn refuses_what_is_no_age() {
        for text in [
            "",
            "never",
            "30",
            "D",
            "3x",
            "-1D",
            "0D",
            "99999999999D",
            "999999D",
            "1D2",
        ] {
            assert_eq!(Age::parse(text), Err(AgeError(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn goes_back_by_the_calendar() {
        let march: jiff::Timestamp = "2021-03-31T12:00:00Z".parse().unwrap();
        let before = Age::parse("1M")
            .unwrap()
            .before(Timestamp::from_jiff(march), &TimeZone::UTC);
        assert_eq!(before.to_jiff().unwrap().to_string(), "2021-02-28T12:00:00Z");
    }

    #[test]
    fn the_largest_ages_do_not_fail() {
        for text in ["100000y", "100000m", "100000d", "100000h"] {
            let _ = Age::parse(text).unwrap().before(Timestamp::now(), &TimeZone::UTC);
        }
    }
}
