//! Names of snapshots: the local time at which the backup began, as `2019-05-09-105054`.

use engine_api::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// The moment that a folder's name stands for; `None` when it is not the name of a snapshot. An hour that a change of
/// the clocks repeats is taken to be the first of the two.
#[must_use]
pub fn moment(name: &[u8], zone: &TimeZone) -> Option<Timestamp> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'-', time @ ..] = name else {
        return None;
    };
    let [hour1, hour2, minute1, minute2, second1, second2] = time else {
        return None;
    };
    let number = |digits: &[&u8]| {
        digits.iter().try_fold(0_i16, |number, digit| {
            digit.is_ascii_digit().then(|| number * 10 + i16::from(*digit - b'0'))
        })
    };
    let two = |first, second| i8::try_from(number(&[first, second])?).ok();
    let civil = DateTime::new(
        number(&[y1, y2, y3, y4])?,
        two(m1, m2)?,
        two(d1, d2)?,
        two(hour1, hour2)?,
        two(minute1, minute2)?,
        two(second1, second2)?,
        0,
    );
    let zoned = civil.ok()?.to_zoned(zone.clone()).ok()?;
    Some(Timestamp::from_jiff(zoned.timestamp()))
}

/// The name of a snapshot that begins at `time`; `None` outside the years 0 to 9999.
#[must_use]
pub fn name(time: Timestamp, zone: &TimeZone) -> Option<String> {
    let local = time.to_jiff()?.to_zoned(zone.clone());
    (local.year() >= 0).then(|| local.strftime("%Y-%m-%d-%H%M%S").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_its_moment() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let time = moment(b"2019-05-09-105054", &zone).unwrap();
        assert_eq!(time.to_jiff().unwrap().to_string(), "2019-05-09T08:50:54Z");
        assert_eq!(name(time, &zone).unwrap(), "2019-05-09-105054");
    }

    #[test]
    fn what_is_no_name() {
        for name in [
            "",
            "latest",
            "2019-05-09",
            "2019-05-09-10505",
            "2019-05-09-1050540",
            "2019-05-09-105060",
            "2019-13-09-105054",
            "2019-05-09-10505x",
            "+019-05-09-105054",
            "2019-05-09-105054.old",
        ] {
            assert_eq!(moment(name.as_bytes(), &TimeZone::UTC), None, "{name}");
        }
    }

    #[test]
    fn times_that_the_clock_has_twice_or_never() {
        let Ok(zone) = TimeZone::get("Europe/Rome") else { return };
        let twice = moment(b"2023-10-29-023000", &zone).unwrap();
        assert_eq!(twice.to_jiff().unwrap().to_string(), "2023-10-29T00:30:00Z");
        assert!(moment(b"2023-03-26-023000", &zone).is_some());
    }
}
