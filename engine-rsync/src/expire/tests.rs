use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};

use super::*;

const NOW: i64 = 1_700_000_000;

fn at(days: i64, seconds: i64) -> Timestamp {
    Timestamp {
        seconds: NOW - days * DAY - seconds,
        nanos: 0,
    }
}

fn now() -> Timestamp {
    at(0, 0)
}

/// The rule as the script runs it: one loop, the tokens sorted anew for each folder.
fn script(tokens: &[(i64, i64)], times: &[i64]) -> Vec<bool> {
    let mut kept: Option<i64> = None;
    let mut decisions = Vec::new();
    for &time in times {
        if kept.is_none() {
            kept = Some(time);
            decisions.push(true);
            continue;
        }
        let mut sorted = tokens.to_vec();
        sorted.sort_by_key(|(x, _)| -x);
        let mut keep = true;
        for (x, y) in sorted {
            if time <= NOW - x * 86_400 {
                if y == 0 {
                    keep = false;
                } else {
                    let days = time / 86_400 - kept.unwrap() / 86_400;
                    keep = days >= y;
                    if keep {
                        kept = Some(time);
                    }
                }
                break;
            }
        }
        decisions.push(keep);
    }
    decisions
}

#[test]
fn the_default_keeps_days_weeks_and_months() {
    // One at noon of each day for two years.
    let times: Vec<Timestamp> = (0..730).rev().map(|day| at(day, DAY / 2)).collect();
    let kept = Strategy::default().decide(&times, now());
    let ages: Vec<i64> = (0..730)
        .rev()
        .zip(&kept)
        .filter(|(_, kept)| **kept)
        .map(|(age, _)| age)
        .collect();
    let of = |range: std::ops::Range<i64>| ages.iter().filter(|age| range.contains(age)).count();
    assert_eq!(of(0..30), 30);
    assert!((47..=49).contains(&of(30..365)), "{}", of(30..365));
    assert!((12..=14).contains(&of(365..730)), "{}", of(365..730));
    assert_eq!(ages.first(), Some(&729));
}

#[test]
fn what_is_younger_than_a_day_stays_however_many() {
    let times: Vec<Timestamp> = (0..20).rev().map(|number| at(0, number * 600)).collect();
    assert_eq!(Strategy::default().decide(&times, now()), [true; 20]);
}

#[test]
fn zero_keeps_nothing_but_the_oldest() {
    let strategy = Strategy::parse("10:0").unwrap();
    let times = [at(30, 0), at(20, 0), at(10, 0), at(9, 0)];
    assert_eq!(strategy.decide(&times, now()), [true, false, false, true]);
}

#[test]
fn a_clock_far_off_loses_nothing() {
    // Seen from 1970 everything lies in the future.
    let times = [at(400, 0), at(300, 0), at(1, 0)];
    let epoch = Timestamp::default();
    assert_eq!(Strategy::default().decide(&times, epoch), [true; 3]);
}

#[test]
fn reads_what_users_write() {
    assert_eq!(Strategy::parse(" 30:7  1:1 365:30 "), Ok(Strategy::default()));
    assert_eq!(Strategy::default().to_string(), "1:1 30:7 365:30");
    for text in ["", "1", "1:", ":1", "a:b", "1:1 1:2", "-1:1", "1:1:1", "99999999:1"] {
        assert_eq!(Strategy::parse(text), Err(StrategyError(text.to_owned())), "{text}");
    }
}

proptest! {
    #[test]
    fn it_is_what_the_script_does(
        mut ages in prop::collection::vec(0..90_000_000_i64, 0..60),
        tokens in prop::collection::btree_map(0..800_i64, 0..60_i64, 1..5),
    ) {
        ages.sort_unstable_by_key(|age| std::cmp::Reverse(*age));
        let tokens: Vec<_> = tokens.into_iter().collect();
        let text: Vec<String> = tokens.iter().map(|(x, y)| format!("{x}:{y}")).collect();
        let seconds: Vec<i64> = ages.iter().map(|age| NOW - age).collect();
        let times: Vec<Timestamp> = ages.iter().map(|age| at(0, *age)).collect();
        let decided = Strategy::parse(&text.join(" ")).unwrap().decide(&times, now());
        prop_assert_eq!(&decided, &script(&tokens, &seconds));
        prop_assert!(decided.first().is_none_or(|oldest| *oldest));
    }

    #[test]
    fn to_decide_again_removes_nothing_more(mut ages in prop::collection::vec(0..90_000_000_i64, 0..60)) {
        ages.sort_unstable_by_key(|age| std::cmp::Reverse(*age));
        let strategy = Strategy::default();
        let times: Vec<Timestamp> = ages.iter().map(|age| at(0, *age)).collect();
        let kept = strategy.decide(&times, now());
        let left: Vec<Timestamp> = times.into_iter().zip(kept).filter(|(_, kept)| *kept).map(|(time, _)| time).collect();
        prop_assert!(strategy.decide(&left, now()).into_iter().all(|kept| kept));
    }
}
