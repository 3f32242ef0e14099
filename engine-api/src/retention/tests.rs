use super::*;
use crate::SnapshotId;

fn snapshot(time: &str) -> Snapshot {
    Snapshot {
        id: SnapshotId(time.to_owned()),
        short_id: String::new(),
        time: Timestamp::from_jiff(time.parse().unwrap()),
        host: "h".to_owned(),
        user: String::new(),
        paths: Vec::new(),
        tags: Vec::new(),
        program: None,
        files: None,
        bytes: None,
        bytes_added: None,
        detail: None,
    }
}

fn kept(times: &[&str], keep: &Keep) -> Vec<String> {
    let list = times.iter().map(|time| snapshot(time)).collect();
    let now = Timestamp::from_jiff("2030-01-01T00:00:00Z".parse().unwrap());
    let decisions = decide(list, keep, GroupBy::default(), now, &TimeZone::UTC);
    decisions
        .into_iter()
        .filter(Decision::keep)
        .map(|decision| decision.snapshot.id.0)
        .collect()
}

const TIMES: [&str; 7] = [
    "2021-01-01T10:00:00Z",
    "2021-01-01T10:30:00Z",
    "2021-01-02T10:00:00Z",
    "2021-01-15T10:00:00Z",
    "2021-02-01T10:00:00Z",
    "2021-02-01T12:00:00Z",
    "2022-03-01T12:00:00Z",
];

#[test]
fn the_newest_of_each_period_is_kept() {
    let keep = Keep {
        daily: Count::Last(2),
        ..Keep::default()
    };
    assert_eq!(kept(&TIMES, &keep), ["2022-03-01T12:00:00Z", "2021-02-01T12:00:00Z"]);
    let keep = Keep {
        last: Count::Last(1),
        ..Keep::default()
    };
    assert_eq!(kept(&TIMES, &keep), ["2022-03-01T12:00:00Z"]);
}

#[test]
fn a_rule_with_counts_left_keeps_the_oldest_too() {
    let keep = Keep {
        yearly: Count::Last(5),
        ..Keep::default()
    };
    assert_eq!(
        kept(&TIMES, &keep),
        ["2022-03-01T12:00:00Z", "2021-02-01T12:00:00Z", "2021-01-01T10:00:00Z"]
    );
}

#[test]
fn within_counts_back_from_the_newest_that_is_not_in_the_future() {
    let keep = Keep {
        within: Age::parse("1D").ok(),
        ..Keep::default()
    };
    let times = [
        "2021-01-01T10:00:00Z",
        "2021-01-02T09:00:00Z",
        "2021-01-02T10:00:00Z",
        "2099-01-01T00:00:00Z",
    ];
    assert_eq!(
        kept(&times, &keep),
        ["2099-01-01T00:00:00Z", "2021-01-02T10:00:00Z", "2021-01-02T09:00:00Z"]
    );
}

#[test]
fn groups_are_decided_apart() {
    let mut other = snapshot("2020-01-01T00:00:00Z");
    other.tags = vec!["other".to_owned()];
    let keep = Keep {
        last: Count::Last(1),
        ..Keep::default()
    };
    let now = Timestamp::now();
    let decisions = decide(
        vec![snapshot(TIMES[0]), other],
        &keep,
        GroupBy::default(),
        now,
        &TimeZone::UTC,
    );
    assert!(decisions.iter().all(Decision::keep));
}

#[test]
fn tags_keep_what_carries_all_of_a_set() {
    let mut tagged = snapshot(TIMES[0]);
    tagged.tags = vec!["a".to_owned(), "b".to_owned()];
    let set = |tags: &[&str]| tags.iter().map(|&tag| tag.to_owned()).collect::<Vec<_>>();
    let keep = |sets| Keep {
        tags: sets,
        ..Keep::default()
    };
    let decide = |keep: &Keep| {
        decide(
            vec![tagged.clone()],
            keep,
            GroupBy::default(),
            Timestamp::now(),
            &TimeZone::UTC,
        )
    };
    assert!(decide(&keep(vec![set(&["a", "b"])]))[0].keep());
    assert!(!decide(&keep(vec![set(&["a", "c"])]))[0].keep());
}
