use jiff::civil::datetime;
use proptest::prelude::*;

use super::*;

fn schedule(text: &str) -> Schedule {
    Schedule::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Central Europe's, without asking the machine for its table of zones.
fn europe() -> TimeZone {
    TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
}

/// The next `count` moments after a time of the calendar in UTC.
fn next(text: &str, after: &str, count: usize) -> Vec<String> {
    let after = after.parse::<DateTime>().unwrap().to_zoned(TimeZone::UTC).unwrap();
    following(text, after, count)
}

fn following(text: &str, after: Zoned, count: usize) -> Vec<String> {
    let schedule = schedule(text);
    let mut now = after;
    let mut step = || {
        now = schedule.next_after(&now)?;
        Some(now.strftime("%F %H:%M %z").to_string())
    };
    (0..count).map_while(|_| step()).collect()
}

#[test]
fn what_cron_takes_is_read() {
    for good in [
        "0 3 * * *",
        "*/15 0-6,22 1 jan-mar sun",
        "0 0 31 12 7",
        " 5  01 * * * ",
        "0\t7-19/2 * * MON-FRI",
        "0 0 29 2 *",
        "0 0 30 2 1",
        "@daily",
        "@Hourly",
    ] {
        schedule(good);
    }
}

#[test]
fn what_cron_does_not_take_is_explained() {
    let cases = [
        ("", "it has 0 fields instead of five"),
        ("0 3 * *", "it has 4 fields instead of five"),
        ("0 3 * * * *", "it has 6 fields instead of five"),
        ("3:00", "it is a time of day, which cron writes as `0 3 * * *`"),
        ("01:05", "it is a time of day, which cron writes as `5 1 * * *`"),
        ("60 3 * * *", "`60` is no minute: it must be a number from 0 to 59"),
        ("0 24 * * *", "`24` is no hour: it must be a number from 0 to 23"),
        (
            "0 0 0 * *",
            "`0` is no day of the month: it must be a number from 1 to 31",
        ),
        (
            "0 0 * 13 *",
            "`13` is no month: it must be a number from 1 to 12, or the first three letters of an English name",
        ),
        ("5-1 0 * * *", "`5-1` is no minute: 5 comes after 1"),
        ("*/0 0 * * *", "`*/0` is no minute: a step is a number from 1 on"),
        (
            "5/10 0 * * *",
            "`5/10` is no minute: a step must follow `*` or a range, as in `*/15` or `8-18/2`",
        ),
        (
            "0 0 * * sunday",
            "`sunday` is no weekday: it must be a number from 0 to 7, or the first three letters of an English name",
        ),
        ("0 0 30 2 *", "that day never comes"),
        (
            "@reboot",
            "there is no schedule `@reboot`, only @hourly, @daily, @weekly, @monthly and @yearly",
        ),
        ("0 3 * * *\n* * * * * x", "it holds a line break or a `%`"),
        ("0 3 * * %", "it holds a line break or a `%`"),
    ];
    for (text, reason) in cases {
        assert_eq!(Schedule::parse(text).unwrap_err().to_string(), reason, "{text:?}");
    }
    for bad in [
        "a b c d e",
        "- - - - -",
        "+1 0 * * *",
        ",, 0 * * *",
        "1, 0 * * *",
        "*-5 0 * * *",
        "25:00",
        "1:2:3",
    ] {
        assert!(Schedule::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_line_of_a_crontab_begins_with_it() {
    for (text, line) in [(" 5  01 * *  sun ", "5 01 * * sun"), ("@daily", "0 0 * * *")] {
        assert_eq!(schedule(text).to_string(), line);
    }
}

#[test]
fn the_next_moments() {
    let cases: [(&str, &[&str]); 6] = [
        ("0 3 * * *", &["2024-02-28 03:00 +0000", "2024-02-29 03:00 +0000"]),
        ("*/20 10 * * *", &["2024-02-27 10:40 +0000", "2024-02-28 10:00 +0000"]),
        // Both fields restricted: either is enough.
        ("0 0 1 * fri", &["2024-03-01 00:00 +0000", "2024-03-08 00:00 +0000"]),
        ("0 0 */2 * fri", &["2024-03-01 00:00 +0000", "2024-03-15 00:00 +0000"]),
        ("0 0 29 2 *", &["2024-02-29 00:00 +0000", "2028-02-29 00:00 +0000"]),
        ("@yearly", &["2025-01-01 00:00 +0000", "2026-01-01 00:00 +0000"]),
    ];
    for (text, moments) in cases {
        assert_eq!(next(text, "2024-02-27T10:20:00", 2), moments, "{text}");
    }
    assert_eq!(next("* * * * *", "2024-02-27T10:20:59", 1), ["2024-02-27 10:21 +0000"]);
    assert_eq!(next("59 23 31 12 *", "9999-12-30T20:00:00", 1), Vec::<String>::new());
}

/// Clocks go forward from 2 to 3 and back from 3 to 2.
#[test]
fn the_days_on_which_the_clock_changes() {
    let spring = datetime(2024, 3, 30, 12, 0, 0, 0).to_zoned(europe()).unwrap();
    let autumn = datetime(2024, 10, 26, 12, 0, 0, 0).to_zoned(europe()).unwrap();
    assert_eq!(
        following("30 2 * * *", spring.clone(), 2),
        ["2024-03-31 03:00 +0200", "2024-04-01 02:30 +0200"]
    );
    assert_eq!(
        following("30 2 * * *", autumn.clone(), 2),
        ["2024-10-27 02:30 +0200", "2024-10-28 02:30 +0100"]
    );
    assert_eq!(
        following("0 */1 31 3 *", spring, 4)[1..],
        [
            "2024-03-31 01:00 +0100",
            "2024-03-31 03:00 +0200",
            "2024-03-31 04:00 +0200"
        ]
    );
    assert_eq!(
        following("0 * 27 10 *", autumn, 4)[1..],
        [
            "2024-10-27 01:00 +0200",
            "2024-10-27 02:00 +0200",
            "2024-10-27 02:00 +0100"
        ]
    );
    // Asked in the hour that comes for the second time.
    let second: Zoned = "2024-10-27T01:10:00Z".parse::<Timestamp>().unwrap().to_zoned(europe());
    assert_eq!(following("30 2 * * *", second.clone(), 1), ["2024-10-28 02:30 +0100"]);
    assert_eq!(following("30 * * * *", second, 1), ["2024-10-27 02:30 +0100"]);
}

fn number(low: u8, high: u8) -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just("*".to_owned()),
        3 => (low..=high).prop_map(|number| number.to_string()),
        2 => (low..=high, low..=high).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
        1 => (1_u8..20).prop_map(|step| format!("*/{step}")),
        1 => (low..=high, low..=high).prop_map(|(a, b)| format!("{a},{b}")),
    ]
}

prop_compose! {
    fn any_schedule()(
        minute in number(0, 59),
        hour in number(0, 23),
        day in number(1, 31),
        month in number(1, 12),
        weekday in number(0, 7),
    ) -> String {
        format!("{minute} {hour} {day} {month} {weekday}")
    }
}

/// The numbers of a field, read in the plainest way.
fn numbers(field: &str, low: i8, high: i8) -> Vec<i8> {
    let item = |item: &str| -> Vec<i8> {
        if let Some(step) = item.strip_prefix("*/") {
            return (low..=high).step_by(step.parse().unwrap()).collect();
        }
        let number = |text: &str| text.parse::<i8>().unwrap();
        match item.split_once('-') {
            Some((a, b)) => (number(a)..=number(b)).collect(),
            None if item == "*" => (low..=high).collect(),
            None => vec![number(item)],
        }
    };
    field.split(',').flat_map(item).collect()
}

/// Whether the minute is right, by cron's manual.
fn is_due(text: &str, at: DateTime) -> bool {
    let fields: Vec<&str> = text.split(' ').collect();
    let day = numbers(fields[2], 1, 31).contains(&at.day());
    let weekdays = numbers(fields[4], 0, 6);
    let sunday = at.weekday().to_sunday_zero_offset();
    let weekday = weekdays.contains(&sunday) || (sunday == 0 && weekdays.contains(&7));
    let both = fields[2].starts_with('*') || fields[4].starts_with('*');
    numbers(fields[0], 0, 59).contains(&at.minute())
        && numbers(fields[1], 0, 23).contains(&at.hour())
        && numbers(fields[3], 1, 12).contains(&at.month())
        && (if both { day && weekday } else { day || weekday })
}

#[test]
fn a_timer_of_systemd_has_the_same_times() {
    let cases: [(&str, &[&str]); 4] = [
        ("0 3 * * *", &["*-*-* 3:0:00"]),
        ("*/30 1-3 * * mon-wed,7", &["Sun,Mon,Tue,Wed *-*-* 1,2,3:0,30:00"]),
        ("5 0 1,15 6 *", &["*-6-1,15 0:5:00"]),
        ("5 0 1 * fri", &["*-*-1 0:5:00", "Fri *-*-* 0:5:00"]),
    ];
    for (text, events) in cases {
        assert_eq!(schedule(text).on_calendar(), events, "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A moment that is found is right, and no right one of the days before was passed over.
    #[test]
    fn the_next_moment_is_the_first_that_is_right(text in any_schedule(), start in 0_i64..2_000_000_000) {
        let Ok(schedule) = Schedule::parse(&text) else { return Ok(()) };
        let after = Timestamp::from_second(start).unwrap().to_zoned(TimeZone::UTC);
        let found = schedule.next_after(&after).unwrap();
        prop_assert!(found > after);
        prop_assert!(is_due(&text, found.datetime()), "{text}: {found}");
        let last = found.datetime().min(after.datetime().checked_add(3.days()).unwrap());
        let mut minute = after.datetime().date().at(after.hour(), after.minute(), 0, 0).checked_add(1.minute()).unwrap();
        while minute < last {
            prop_assert!(!is_due(&text, minute), "{text}: {minute} was passed over");
            minute = minute.checked_add(1.minute()).unwrap();
        }
    }

    /// Whatever the clock does, time goes on, and a fixed time of day has its turn once on every day.
    #[test]
    fn changes_of_the_clock_lose_no_day(hour in 0_u8..24, minute in 0_u8..60, start in 1_700_000_000_i64..1_800_000_000) {
        let schedule = schedule(&format!("{minute} {hour} * * *"));
        let mut now = Timestamp::from_second(start).unwrap().to_zoned(europe());
        now = schedule.next_after(&now).unwrap();
        for _ in 0..400 {
            let next = schedule.next_after(&now).unwrap();
            prop_assert_eq!(next.date(), now.date().tomorrow().unwrap(), "{} {}", now, next);
            now = next;
        }
    }

    /// No text is too strange to be read, and what is read is written the same.
    #[test]
    fn any_text_is_read_or_explained(text in "[-0-9*/, a-z@:%\n]{0,24}|\\PC{0,12}") {
        if let Ok(schedule) = Schedule::parse(&text) {
            prop_assert_eq!(Schedule::parse(&schedule.to_string()), Ok(schedule));
        }
    }
}
