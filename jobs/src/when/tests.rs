use super::*;

/// What the text means at noon of 15 March 2021, in a zone two hours east.
fn at(text: &str) -> Option<String> {
    let now: jiff::Timestamp = "2021-03-15T10:00:00Z".parse().unwrap();
    let zone = TimeZone::fixed(jiff::tz::offset(2));
    let moment = moment(text, Timestamp::from_jiff(now), &zone)?;
    Some(moment.to_jiff().unwrap().to_string())
}

#[test]
fn every_way_to_write_a_moment() {
    let cases = [
        ("15D", "2021-02-28T10:00:00Z"),
        ("15d", "2021-02-28T10:00:00Z"),
        ("5m", "2021-03-15T09:55:00Z"),
        ("1M", "2021-02-13T10:00:00Z"),
        ("1Y", "2020-03-15T10:00:00Z"),
        ("36h", "2021-03-13T22:00:00Z"),
        ("36H", "2021-03-13T22:00:00Z"),
        ("1D12h", "2021-03-13T22:00:00Z"),
        ("now", "2021-03-15T10:00:00Z"),
        ("1614902400", "2021-03-05T00:00:00Z"),
        ("2021-03-05", "2021-03-05T21:59:59.999999999Z"),
        ("3/5/2021", "2021-03-05T21:59:59.999999999Z"),
        ("20210305T163000Z", "2021-03-05T16:30:00Z"),
        ("2021-03-05 18:30", "2021-03-05T16:30:00Z"),
        ("2021-03-05T18:30:05", "2021-03-05T16:30:05Z"),
        ("2021-03-05T18:30:05Z", "2021-03-05T18:30:05Z"),
        ("2021-03-05T18:30:05+01:00", "2021-03-05T17:30:05Z"),
        ("2021-03-05-183005", "2021-03-05T16:30:05Z"),
    ];
    for (text, moment) in cases {
        assert_eq!(at(text).as_deref(), Some(moment), "{text}");
    }
}

#[test]
fn what_is_no_moment() {
    for text in [
        "",
        "yesterday",
        "deadbeef",
        "12345678",
        "2021-13-05",
        "2021-02-30",
        "18:30",
        "-1D",
    ] {
        assert_eq!(at(text), None, "{text}");
    }
}
