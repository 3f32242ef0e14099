use std::fs;

use super::*;
use crate::notify::tests::Machine;
use crate::status::Status;

/// Two runs in one minute had one log and one name.
#[test]
fn d24_every_run_has_an_id_of_its_own_and_times_in_utc() {
    let machine = Machine::new(&[]);
    let runs_made: Vec<PastRun> = (0..50).map(|_| machine.run(Status::Success)).collect();
    for (number, run) in runs_made.iter().enumerate() {
        let run = PastRun {
            snapshot: Some(format!("snapshot {number}")),
            ..run.clone()
        };
        append(&machine.context, &machine.name, &run).unwrap();
    }
    let found = runs(&machine.context, &machine.name, 1000).unwrap();
    let ids: std::collections::BTreeSet<_> = found.iter().map(|run| run.run.clone()).collect();
    assert_eq!((found.len(), ids.len()), (50, 50));
    assert_eq!(found[0].snapshot.as_deref(), Some("snapshot 49"), "the newest first");
    assert!(
        found
            .iter()
            .all(|run| run.started.ends_with('Z') && run.started.len() == "2021-03-05T01:00:00Z".len())
    );
    assert_eq!(runs(&machine.context, &machine.name, 3).unwrap(), found[..3]);
}

#[test]
fn a_torn_line_costs_itself_and_no_other() {
    let machine = Machine::new(&[]);
    let (context, name) = (&machine.context, &machine.name);
    let [first, second] = [machine.run(Status::Success), machine.run(Status::Failed)];
    append(context, name, &first).unwrap();
    let path = context.layout.journal(name);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, [whole.as_slice(), &whole[..whole.len() / 2]].concat()).unwrap();
    append(context, name, &second).unwrap();
    assert_eq!(runs(context, name, 10).unwrap(), [second, first]);
}

#[test]
fn a_long_journal_is_put_aside_and_read_all_the_same() {
    let machine = Machine::new(&[]);
    let (context, name) = (&machine.context, &machine.name);
    let long = PastRun {
        warnings: vec!["x".repeat(usize::try_from(LONGEST / 4).unwrap())],
        ..machine.run(Status::Success)
    };
    for _ in 0..12 {
        append(context, name, &long).unwrap();
    }
    let path = context.layout.journal(name);
    let lengths: u64 = [&path, &aside(&path)]
        .iter()
        .map(|path| fs::metadata(path).unwrap().len())
        .sum();
    assert!(lengths < 3 * LONGEST, "{lengths}");
    assert!((4..12).contains(&runs(context, name, 100).unwrap().len()));
}

#[test]
fn the_state_remembers_the_last_good_run() {
    let machine = Machine::new(&[]);
    let (context, name) = (&machine.context, &machine.name);
    assert_eq!(state(context, name).unwrap(), None);
    let good = PastRun {
        snapshot: Some("s".to_owned()),
        ..machine.run(Status::Success)
    };
    let bad = machine.run(Status::Failed);
    for run in [&good, &bad, &bad] {
        append(context, name, run).unwrap();
    }
    write_state(context, name, &good).unwrap();
    write_state(context, name, &bad).unwrap();
    let told = PastRun {
        warnings: vec!["no mail".to_owned()],
        ..bad.clone()
    };
    let now = write_state(context, name, &told).unwrap();
    assert_eq!(now.failures, 1, "the same run counts once");
    assert_eq!(
        (now.last_good.as_ref(), now.last_snapshot.as_ref()),
        (Some(&good.moment()), Some(&good.moment()))
    );
    assert_eq!(state(context, name).unwrap(), Some(now));
    fs::write(context.layout.state(name), "{ torn").unwrap();
    let again = state(context, name).unwrap().unwrap();
    assert_eq!(again.last_good, Some(good.moment()), "made of the journal again");
    assert_eq!(again.last, bad);
}

#[test]
fn lines_of_older_and_newer_programs_are_read() {
    let machine = Machine::new(&[]);
    let run = machine.run(Status::Success);
    let mut json = serde_json::to_value(&run).unwrap();
    let object = json.as_object_mut().unwrap();
    for later in ["problems", "warnings", "parts", "notified", "usage", "expired"] {
        object.remove(later);
    }
    object.insert("of_the_future".to_owned(), true.into());
    assert_eq!(serde_json::from_value::<PastRun>(json).unwrap(), run);
}
