//! Moments as restic writes them: RFC 3339 in local time, the fraction without trailing zeros.

use std::io::Write;

use engine_api::Timestamp;
use jiff::tz::{Offset, TimeZone};

/// Seconds at the beginning of year 0 and of year 10000: what lies outside has no RFC 3339 form.
const YEAR_0: i64 = -62_167_219_200;
const YEAR_10000: i64 = 253_402_300_800;

/// Appends `moment` in `zone`; years before 0 and after 9999 are moved to the nearest that can be written.
pub fn format(moment: Timestamp, zone: &TimeZone, out: &mut Vec<u8>) {
    let moment = Timestamp {
        seconds: moment.seconds.clamp(YEAR_0 + 86_400, YEAR_10000 - 86_401),
        ..moment
    };
    let offset = moment.to_jiff().map_or(Offset::UTC, |instant| zone.to_offset(instant));
    // Go writes whole minutes only.
    let offset_minutes = i64::from(offset.seconds()).div_euclid(60);
    let local = moment.seconds + offset_minutes * 60;
    let (days, second) = (local.div_euclid(86_400), local.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    // Writing to a Vec cannot fail.
    let _ = write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    fraction(moment.nanos, out);
    if offset_minutes == 0 {
        out.push(b'Z');
    } else {
        let sign = if offset_minutes < 0 { '-' } else { '+' };
        let minutes = offset_minutes.abs();
        let _ = write!(out, "{sign}{:02}:{:02}", minutes / 60, minutes % 60);
    }
}

fn fraction(nanos: u32, out: &mut Vec<u8>) {
    if nanos != 0 {
        let _ = write!(out, ".{nanos:09}");
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
}

/// Days since 1970 as year, month and day (the era algorithm of the proleptic Gregorian calendar).
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// Reads what [`format`] and Go write; `None` for anything else.
pub fn parse(text: &str) -> Option<Timestamp> {
    let (
        &[
            y0,
            y1,
            y2,
            y3,
            b'-',
            m0,
            m1,
            b'-',
            d0,
            d1,
            b'T' | b't',
            h0,
            h1,
            b':',
            i0,
            i1,
            b':',
            s0,
            s1,
        ],
        rest,
    ) = text.as_bytes().split_first_chunk::<19>()?
    else {
        return None;
    };
    let year = number(&[y0, y1, y2, y3])?;
    let (month, day) = (number(&[m0, m1])?, number(&[d0, d1])?);
    let (hour, minute, second) = (number(&[h0, h1])?, number(&[i0, i1])?, number(&[s0, s1])?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (nanos, rest) = read_fraction(rest)?;
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset_seconds(rest)?;
    Some(Timestamp { seconds, nanos })
}

fn number(digits: &[u8]) -> Option<i64> {
    let digit = |sum: i64, byte: &u8| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0'));
    digits.iter().try_fold(0, digit)
}

fn read_fraction(rest: &[u8]) -> Option<(u32, &[u8])> {
    let Some(rest) = rest.strip_prefix(b".") else {
        return Some((0, rest));
    };
    let end = rest.iter().position(|byte| !byte.is_ascii_digit())?;
    let (digits, rest) = rest.split_at_checked(end)?;
    let nine = digits.iter().copied().chain(std::iter::repeat(b'0')).take(9);
    let nanos = nine.fold(0, |sum, byte| sum * 10 + u32::from(byte - b'0'));
    (!digits.is_empty()).then_some((nanos, rest))
}

fn offset_seconds(rest: &[u8]) -> Option<i64> {
    let (sign, h0, h1, m0, m1) = match *rest {
        [b'Z' | b'z'] => return Some(0),
        [b'+', h0, h1, b':', m0, m1] => (1, h0, h1, m0, m1),
        [b'-', h0, h1, b':', m0, m1] => (-1, h0, h1, m0, m1),
        _ => return None,
    };
    Some(sign * (number(&[h0, h1])? * 3600 + number(&[m0, m1])? * 60))
}

/// Days since 1970 of a date.
const fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(seconds: i64, nanos: u32, zone: &TimeZone) -> String {
        let mut out = Vec::new();
        format(Timestamp { seconds, nanos }, zone, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn writes_as_go_does() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap_or(TimeZone::fixed(jiff::tz::offset(1)));
        assert_eq!(
            text(1_417_884_623, 345_135_380, &berlin),
            "2014-12-06T17:50:23.34513538+01:00"
        );
        assert_eq!(text(0, 0, &TimeZone::UTC), "1970-01-01T00:00:00Z");
        assert_eq!(text(-1, 1, &TimeZone::UTC), "1969-12-31T23:59:59.000000001Z");
        assert_eq!(text(i64::MAX, 0, &TimeZone::UTC).len(), 20);
        assert_eq!(text(i64::MIN, 0, &TimeZone::UTC).len(), 20);
    }

    proptest! {
        #[test]
        fn reads_what_it_writes(seconds in -62_000_000_000_i64..253_000_000_000, nanos in 0..1_000_000_000_u32, hours in -12..14_i8) {
            let zone = TimeZone::fixed(jiff::tz::offset(hours));
            prop_assert_eq!(parse(&text(seconds, nanos, &zone)), Some(Timestamp { seconds, nanos }));
        }

        #[test]
        fn never_fails_on_foreign_text(text in ".{0,40}") {
            let _ = parse(&text);
        }
    }
}
