//! The times in file names: whole seconds, in the three styles that duplicity has used.

use std::fmt;

use engine_api::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// When a set was made: whole seconds since 1970, never 0 or less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetTime(i64);

impl SetTime {
    /// From seconds since 1970; `None` for what no file name can say.
    #[must_use]
    pub fn new(seconds: i64) -> Option<Self> {
        // The end of the year 9999, the last with four digits.
        (1..=253_402_300_799).contains(&seconds).then_some(Self(seconds))
    }

    /// Seconds since 1970.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0
    }

    /// As the contract's type.
    #[must_use]
    pub const fn timestamp(self) -> Timestamp {
        Timestamp {
            seconds: self.0,
            nanos: 0,
        }
    }

    /// The second that `moment` lies in.
    #[must_use]
    pub fn of(moment: Timestamp) -> Option<Self> {
        Self::new(moment.seconds)
    }

    /// Reads `YYYYMMDDThhmmssZ`, in either case, or the older `YYYY-MM-DDThh:mm:ss+hh:mm` with any one separator.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = text.to_ascii_uppercase();
        let digits = |from: usize, len: usize| number(text.get(from..from + len)?);
        if text.len() == 16 && text.get(8) == Some(&b'T') && text.get(15) == Some(&b'Z') {
            let date = [digits(0, 4)?, digits(4, 2)?, digits(6, 2)?];
            return Self::civil(date, [digits(9, 2)?, digits(11, 2)?, digits(13, 2)?], 0);
        }
        let separator = *text.get(13)?;
        let punctuated = text.get(4) == Some(&b'-') && text.get(7) == Some(&b'-') && text.get(10) == Some(&b'T');
        if !punctuated || separator.is_ascii_alphanumeric() || text.get(16) != Some(&separator) {
            return None;
        }
        let offset = offset(text.get(19..)?, separator)?;
        let date = [digits(0, 4)?, digits(5, 2)?, digits(8, 2)?];
        Self::civil(date, [digits(11, 2)?, digits(14, 2)?, digits(17, 2)?], offset)
    }

    /// Reads lower-case digits of base 36.
    #[must_use]
    pub fn parse_short(text: &[u8]) -> Option<Self> {
        Self::new(i64::try_from(base36(text)?).ok()?)
    }

    fn civil(date: [i64; 3], time: [i64; 3], offset: i64) -> Option<Self> {
        let ([year, month, day], [hour, minute, second]) = (date, time);
        let small = |value: i64| i8::try_from(value).ok();
        let civil = DateTime::new(
            i16::try_from(year).ok()?,
            small(month)?,
            small(day)?,
            small(hour)?,
            small(minute)?,
            small(second)?,
            0,
        );
        let local = civil.ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second();
        Self::new(local - offset)
    }
}

/// The number in base 36 that a short name holds.
pub fn base36(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |sum, byte| {
        let digit = char::from(*byte).to_digit(36)?;
        sum.checked_mul(36)?.checked_add(u64::from(digit))
    })
}

fn number(text: &[u8]) -> Option<i64> {
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| i64::from(byte - b'0'));
    text.iter().try_fold(0, |sum, byte| Some(sum * 10 + digit(byte)?))
}

/// Seconds east of UTC. West of it the minutes count back towards zero: the original writes -3:30 as `-04:30`.
fn offset(text: &[u8], separator: u8) -> Option<i64> {
    match text {
        [b'Z'] => Some(0),
        [sign, h1, h2, middle, m1, m2] if *middle == separator => {
            let (hours, minutes) = (number(&[*h1, *h2])? * 3600, number(&[*m1, *m2])? * 60);
            match sign {
                b'+' => Some(hours + minutes),
                b'-' => Some(minutes - hours),
                _ => None,
            }
        }
        _ => None,
    }
}

impl fmt::Display for SetTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = jiff::Timestamp::from_second(self.0).unwrap_or_default();
        write!(f, "{}", moment.strftime("%Y%m%dT%H%M%SZ"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_all_three_styles() {
        let seconds = |text: &str| SetTime::parse(text.as_bytes()).map(SetTime::seconds);
        assert_eq!(seconds("20261121T195611Z"), Some(1_795_290_971));
        assert_eq!(seconds("20261121t195611z"), Some(1_795_290_971));
        assert_eq!(seconds("2026-11-21T20:56:11+01:00"), Some(1_795_290_971));
        assert_eq!(seconds("2026-11-21T20_56_11+01_00"), Some(1_795_290_971));
        assert_eq!(seconds("2026-11-21T19:56:11Z"), Some(1_795_290_971));
        assert_eq!(seconds("2026-11-21T16:26:11-04:30"), Some(1_795_290_971));
        assert_eq!(
            SetTime::parse_short(b"tovbdm").map(|time| time.to_string()).as_deref(),
            Some("20261121T195610Z")
        );
    }

    #[test]
    fn refuses_what_is_no_time() {
        for text in [
            "",
            "19700101T000000Z",
            "20261321T195611Z",
            "20261121T195611",
            "2026-11-21T20:56.11Z",
            "x",
        ] {
            assert_eq!(SetTime::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(SetTime::parse_short(b"zzzzzzzzzzzzzzzzzz"), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(seconds in 1_i64..=253_402_300_799) {
            let time = SetTime::new(seconds).unwrap();
            prop_assert_eq!(SetTime::parse(time.to_string().as_bytes()), Some(time));
        }
    }
}
