use super::*;
use crate::lock;
use crate::notify::tests::Machine;

fn seen(machine: &Machine, now: Timestamp) -> JobOverview {
    overview(&machine.context, Some(&machine.name), now).unwrap().remove(0)
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn a_run_that_is_missing_is_seen_after_an_hour() {
    let machine = Machine::new(&[("BackupTime", "0 1 * * *")]);
    let run = PastRun {
        started: "2021-03-05T01:00:00Z".to_owned(),
        bytes_processed: Some(7),
        ..machine.run(Status::Success)
    };
    journal::write_state(&machine.context, &machine.name, &run).unwrap();
    let good = seen(&machine, at("2021-03-06T01:59:00Z"));
    assert_eq!((good.verdict, good.size), (Verdict::Good, Some(7)));
    assert_eq!(good.next, Some(at("2021-03-07T01:00:00Z")));
    let late = seen(&machine, at("2021-03-06T02:01:00Z"));
    assert_eq!(
        (late.verdict, late.overdue),
        (Verdict::Overdue, Some(at("2021-03-06T01:00:00Z")))
    );
    assert_eq!(late.reasons, ["a run was due at 2021-03-06 01:00:00 and has not begun"]);
    let _running = lock::of_job(&machine.context, &machine.name).unwrap();
    let running = seen(&machine, at("2021-03-06T02:01:00Z"));
    assert!(
        running.running && running.verdict == Verdict::Good,
        "what runs is not missing"
    );
}

#[test]
fn the_worst_of_all_decides() {
    let machine = Machine::new(&[]);
    let now = Timestamp::now();
    assert_eq!(seen(&machine, now).verdict, Verdict::New);
    let cases = [
        (Status::Success, Verdict::Good, Status::Success),
        (Status::Incomplete, Verdict::Incomplete, Status::Incomplete),
        (Status::Locked, Verdict::Failed, Status::Failed),
    ];
    for (run, verdict, result) in cases {
        journal::write_state(&machine.context, &machine.name, &machine.run(run)).unwrap();
        assert_eq!(seen(&machine, now).verdict, verdict);
        assert_eq!(status(&overview(&machine.context, None, now).unwrap()), result);
    }
    let disabled = Record::of_kind("restic")
        .with("VFSType", "local")
        .with("LocalDirectory", "/srv/backup");
    machine.set("backups", "nightly", &disabled);
    assert_eq!(
        seen(&machine, now).verdict,
        Verdict::Disabled,
        "whatever its last run was"
    );
    machine.set("backups", "nightly", &Record::of_kind("tape"));
    let broken = seen(&machine, now);
    assert_eq!(broken.verdict, Verdict::Broken);
    assert!(broken.reasons[0].contains("tape"), "{:?}", broken.reasons);
    machine.set("backups", "a job", &Record::of_kind("restic"));
    let all = overview(&machine.context, None, now).unwrap();
    assert_eq!(
        all.iter().map(|job| job.verdict).collect::<Vec<_>>(),
        [Verdict::Broken, Verdict::Broken]
    );
}
