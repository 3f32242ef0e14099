//! A moment as duplicity's `-t` takes it: the one of the three engines that ever took times, so that they mean the same
//! for all.
//!
//! The same text means the same second, but where duplicity's is plainly not what the text says: it knows no summer
//! time, takes the offset `-03:30` for `-02:30`, rolls 31 February over into March, and refuses 1970's first second and
//! the years before 1901 and after 2099.

use engine_api::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

/// The moment that `text` means. A date alone is the midnight that it begins with; `m` are minutes, `M` thirty days.
pub(super) fn moment(text: &str, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    if text == "now" {
        return Some(now);
    }
    if !text.is_empty() && text.chars().all(|c| c.is_ascii_digit()) {
        return text.parse().ok().map(at);
    }
    let seconds = full(text, zone)
        .or_else(|| file_name(text))
        .or_else(|| interval(text, now.seconds));
    seconds.or_else(|| day(text, zone)).map(at)
}

const fn at(seconds: i64) -> Timestamp {
    Timestamp { seconds, nanos: 0 }
}

/// `2023-11-14T10:20:30`, with `Z`, an offset, or nothing for local time.
fn full(text: &str, zone: &TimeZone) -> Option<i64> {
    let (date, rest) = text.split_once('T')?;
    let (time, zone_text) = rest.split_at_checked("10:20:30".len())?;
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let date = date_of(year, month, day)?;
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
    let time = (hour, minute, second);
    match zone_text {
        "" => local(date, time, zone),
        "Z" => local(date, time, &TimeZone::UTC),
        _ => {
            let (sign, hours) = zone_text.split_at_checked(1)?;
            let [hours, minutes] = numbers(hours, ':', [2, 2])?;
            let offset = i64::from(hours * 3600 + minutes * 60);
            let utc = local(date, time, &TimeZone::UTC)?;
            match sign {
                "+" => Some(utc - offset),
                "-" => Some(utc + offset),
                _ => None,
            }
        }
    }
}

/// `20231114T102030Z`, as in the names of the stored files.
fn file_name(text: &str) -> Option<i64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let [hour, minute, second] = digits(time, [2, 2, 2])?;
    let [year, month, day] = digits(date, [4, 2, 2])?;
    local(date_of(year, month, day)?, (hour, minute, second), &TimeZone::UTC)
}

/// `1D12h`: that long before now.
fn interval(text: &str, now: i64) -> Option<i64> {
    const DAY: i64 = 24 * 3600;
    let (mut total, mut rest) = (0i64, text);
    while !rest.is_empty() {
        let (count, behind) = rest.split_at_checked(rest.find(|c: char| !c.is_ascii_digit())?)?;
        let mut behind = behind.chars();
        let unit = match behind.next()? {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'D' => DAY,
            'W' => 7 * DAY,
            'M' => 30 * DAY,
            'Y' => 365 * DAY,
            _ => return None,
        };
        total = total.checked_add(count.parse::<i64>().ok()?.checked_mul(unit)?)?;
        rest = behind.as_str();
    }
    if text.is_empty() { None } else { now.checked_sub(total) }
}

/// A date alone: `2023-11-14`, `2023/1/4`, `11/14/2023`, `20231114Z`.
pub(super) fn date_alone(text: &str) -> Option<Date> {
    if let Some(date) = text.strip_suffix('Z') {
        let [year, month, day] = digits(date, [4, 2, 2])?;
        date_of(year, month, day)
    } else {
        let parts: Vec<&str> = text.split(['-', '/']).collect();
        let [first, second, third] = parts.as_slice() else {
            return None;
        };
        let short = |text: &&str| (1..=2).contains(&text.len());
        if first.len() == 4 && short(second) && short(third) {
            date_of(number(first)?, number(second)?, number(third)?)
        } else if short(first) && short(second) && third.len() == 4 {
            date_of(number(third)?, number(first)?, number(second)?)
        } else {
            None
        }
    }
}

fn day(text: &str, zone: &TimeZone) -> Option<i64> {
    local(date_alone(text)?, (0, 0, 0), zone)
}

fn local(date: Date, (hour, minute, second): (i32, i32, i32), zone: &TimeZone) -> Option<i64> {
    // Leap seconds are taken, as the seconds after them.
    let second = u8::try_from(second).ok().filter(|second| *second <= 61)?;
    let time = Time::new(i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, 0, 0).ok()?;
    let minute = date.to_datetime(time).to_zoned(zone.clone()).ok()?;
    Some(minute.timestamp().as_second() + i64::from(second))
}

fn date_of(year: i32, month: i32, day: i32) -> Option<Date> {
    Date::new(
        i16::try_from(year).ok()?,
        i8::try_from(month).ok()?,
        i8::try_from(day).ok()?,
    )
    .ok()
}

/// Numbers with a separator between them, each of so many digits.
fn numbers<const N: usize>(text: &str, separator: char, lens: [usize; N]) -> Option<[i32; N]> {
    let mut parts = text.split(separator);
    let mut found = [0; N];
    for (slot, len) in found.iter_mut().zip(lens) {
        *slot = number(parts.next().filter(|part| part.len() == len)?)?;
    }
    parts.next().is_none().then_some(found)
}

/// Numbers with nothing between them, each of so many digits.
fn digits<const N: usize>(text: &str, lens: [usize; N]) -> Option<[i32; N]> {
    let mut rest = text;
    let mut found = [0; N];
    for (slot, len) in found.iter_mut().zip(lens) {
        let (part, behind) = rest.split_at_checked(len)?;
        *slot = number(part)?;
        rest = behind;
    }
    rest.is_empty().then_some(found)
}

fn number(text: &str) -> Option<i32> {
    let all = text.chars().all(|c| c.is_ascii_digit());
    all.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests;
