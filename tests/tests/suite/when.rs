//! A state in time named in every way there is, with the same answer whichever engine made the snapshots.

use std::fs;

use engine_api::{BackupRequest, Selection, Silent, SnapshotFilter, Timestamp};
use holdfast_tests::machine::Machine;
use jiff::{Span, ToSpan, Zoned};
use jobs::{Access, EngineName, Repository, Which};

/// How long ago each snapshot was made, the oldest first.
fn ages() -> [Span; 5] {
    // None is as old as an age of the table, so that it does not matter how long the test takes.
    [40.days(), 16.days(), 14.days().hours(1), 3.hours(), 10.minutes()]
}

/// The snapshots by their place in [`ages`], with when they were made.
fn repository(machine: &Machine, engine: EngineName, now: &Zoned) -> (Repository, Vec<(Zoned, String)>) {
    let tree = machine.path("tree");
    fs::create_dir_all(&tree).unwrap();
    let folder = machine.path(&format!("repository-{engine}"));
    fs::create_dir(&folder).unwrap();
    let properties = [
        ("VFSType", "local".to_owned()),
        ("LocalDirectory", folder.to_str().unwrap().to_owned()),
    ];
    let name = machine.job(engine.as_str(), engine.as_str(), &properties, &tree);
    let repository = Repository::init(&machine.context, &Access::to(Which::Job(name.clone()))).unwrap();
    let made = ages().map(|age| {
        let at = now.checked_sub(age).unwrap();
        fs::write(tree.join("letter"), at.to_string()).unwrap();
        let request = BackupRequest {
            selection: Selection {
                includes: vec![tree.to_str().unwrap().into()],
                ..Selection::default()
            },
            host: machine.context.host.clone(),
            tags: vec![name.to_string()],
            time: Some(Timestamp::from_jiff(at.timestamp())),
            parent: None,
            force_read: false,
            dry_run: false,
            estimate: false,
        };
        let report = repository.engine().backup(&request, &Silent);
        let report = report.unwrap_or_else(|error| panic!("{engine}: {}", error.chain()));
        (at, report.snapshot.unwrap().0)
    });
    (repository, made.to_vec())
}

#[test]
fn a_state_in_time_is_the_same_for_all_engines() {
    // In whole seconds, as two engines have them.
    let now = Zoned::now().with_time_zone(jiff::tz::TimeZone::UTC);
    let now = now.round(jiff::Unit::Second).unwrap();
    for engine in EngineName::ALL {
        let machine = Machine::new();
        let (repository, made) = repository(&machine, engine, &now);
        let at = |place: usize, format: &str| made[place].0.strftime(format).to_string();
        let table: Vec<(String, usize)> = [
            ("latest", 4),
            ("now", 4),
            ("15D", 1),
            ("15d", 1),
            ("2W", 2),
            ("1M", 0),
            ("36h", 2),
            ("2h", 3),
            ("2H", 3),
            ("5m", 4),
            ("15m", 3),
            ("14D12h", 1),
        ]
        .map(|(text, place)| (text.to_owned(), place))
        .into_iter()
        .chain([
            (at(1, "%s"), 1),
            (at(1, "%F"), 1),
            (at(1, "%Y/%-m/%-d"), 1),
            (at(1, "%m/%d/%Y"), 1),
            (at(2, "%F %T"), 2),
            (at(2, "%FT%T"), 2),
            (at(2, "%FT%TZ"), 2),
            (at(2, "%FT%T+00:00"), 2),
            (at(0, "%Y-%m-%d-%H%M%S"), 0),
            (at(0, "%Y%m%dT%H%M%SZ"), 0),
            (made[3].1.clone(), 3),
        ])
        .collect();
        let filter: &SnapshotFilter = &repository.site.filter;
        let find = |text: &str| repository.snapshot(&machine.context, filter, Some(text), &Silent);
        for (text, place) in table {
            let found = find(&text).unwrap_or_else(|error| panic!("{engine}: {text}: {}", error.chain()));
            assert_eq!(found.id.0, made[place].1, "{engine}: {text}");
        }
        // Nothing else is ever taken in its place.
        for text in ["41D", "2M", "1Y", "yesterday", "18:30", "2021-02-30", "2001-01-01", ""] {
            let error = find(text).map(|found| found.id.0).unwrap_err();
            assert!(error.hint().is_some(), "{engine}: {text}: {}", error.chain());
        }
    }
}
