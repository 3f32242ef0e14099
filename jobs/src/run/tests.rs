use super::*;

#[test]
fn pruning_has_its_day() {
    let sunday: Zoned = "2021-03-14T23:59:00+01:00[Europe/Rome]".parse().unwrap();
    let monday: Zoned = "2021-03-15T00:01:00+01:00[Europe/Rome]".parse().unwrap();
    assert!(prunes_on(Prune::Weekday(0), &sunday) && !prunes_on(Prune::Weekday(0), &monday));
    assert!(prunes_on(Prune::Weekday(1), &monday));
    assert!(prunes_on(Prune::Always, &sunday) && prunes_on(Prune::Always, &monday));
}
