use std::path::Path;

use engine_api::retention::{Count, GroupBy, Keep};
use engine_api::{Age, BackupRequest, Selection, Silent};
use jiff::tz::TimeZone;

use super::*;
use crate::engine::Settings;
use crate::{backup, name};

const DAY: i64 = 86_400;

struct Place {
    dir: tempfile::TempDir,
    engine: RsyncEngine,
}

impl Place {
    /// With empty snapshots, so many days old each.
    fn with(days: &[i64], strategy: Option<&str>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("backup.marker"), "").unwrap();
        for age in days {
            std::fs::create_dir_all(dir.path().join(of(*age)).join("etc")).unwrap();
        }
        let files = backends::local::open(dir.path(), false).unwrap().files.unwrap();
        let settings = Settings {
            strategy: strategy.map(|text| crate::Strategy::parse(text).unwrap()),
            ..Settings::default()
        };
        let engine = RsyncEngine::open(files, settings);
        if let Some(newest) = days.iter().min() {
            layout::point_latest(engine.store(), of(*newest).as_bytes()).unwrap();
        }
        Self { dir, engine }
    }

    fn left(&self) -> Vec<String> {
        let names = snapshots::dated(self.engine.store(), self.engine.zone()).unwrap();
        names.into_iter().map(|(_, name)| name).collect()
    }

    fn latest(&self) -> Option<String> {
        let latest = std::fs::read_link(self.dir.path().join("latest")).ok()?;
        Some(latest.to_str().unwrap().to_owned())
    }

    fn forget(&self, keep: Keep, ids: &[String], dry_run: bool) -> Result<ForgetReport> {
        let request = ForgetRequest {
            filter: SnapshotFilter::default(),
            group_by: GroupBy::default(),
            keep,
            ids: ids.to_vec(),
            dry_run,
        };
        run(&self.engine, &request, &Silent)
    }
}

/// The name of a snapshot that is so many days old, made at noon.
fn of(days: i64) -> String {
    let noon = Timestamp::now().seconds.div_euclid(DAY) * DAY + DAY / 2;
    let time = Timestamp {
        seconds: noon - days * DAY,
        nanos: 0,
    };
    name::name(time, &TimeZone::UTC).unwrap()
}

#[test]
fn the_strategy_is_applied_after_a_backup() {
    let place = Place::with(&[100, 99, 98, 50, 49, 43, 3, 2], Some("1:1 30:7"));
    let source = tempfile::tempdir().unwrap();
    std::fs::write(source.path().join("file"), "x").unwrap();
    let path: &Path = source.path();
    let request = BackupRequest {
        selection: Selection {
            includes: vec![path.to_str().unwrap().as_bytes().to_vec()],
            ..Selection::default()
        },
        host: String::new(),
        tags: Vec::new(),
        time: None,
        parent: None,
        force_read: false,
        dry_run: false,
        estimate: false,
    };
    let new = backup::run(&place.engine, &request, &Silent)
        .unwrap()
        .snapshot
        .unwrap()
        .0;
    assert_eq!(place.left(), [of(100), of(50), of(43), of(3), of(2), new.clone()]);
    assert_eq!(place.latest(), Some(new));
    assert_eq!(
        std::fs::read_dir(place.dir.path().join(".holdfast")).unwrap().count(),
        1,
        "its manifest"
    );
}

#[test]
fn named_ones_go_and_latest_leads_to_what_is_left() {
    let place = Place::with(&[3, 2, 1], None);
    let dry = place.forget(Keep::default(), &[of(1)], true).unwrap();
    assert_eq!((dry.removed.len(), place.left().len()), (1, 3));
    place.forget(Keep::default(), &[of(1)], false).unwrap();
    assert_eq!(place.left(), [of(3), of(2)]);
    assert_eq!(place.latest(), Some(of(2)));
    place.forget(Keep::default(), &[of(3), of(2)], false).unwrap();
    assert_eq!((place.left().len(), place.latest()), (0, None));
}

#[test]
fn ages_count_back_from_the_newest() {
    let place = Place::with(&[40, 20, 10, 1], None);
    let keep = Keep {
        within: Some(Age::parse("15D").unwrap()),
        ..Keep::default()
    };
    place.forget(keep, &[], false).unwrap();
    assert_eq!(place.left(), [of(10), of(1)]);
}

#[test]
fn what_would_keep_nothing_is_refused() {
    let place = Place::with(&[2, 1], None);
    let none = Keep {
        tags: vec![vec!["nobody's".to_owned()]],
        ..Keep::default()
    };
    assert!(matches!(place.forget(none, &[], false), Err(Error::Usage(_))));
    assert!(matches!(
        place.forget(Keep::default(), &[], false),
        Err(Error::Usage(_))
    ));
    assert_eq!(place.left().len(), 2);
    let last = Keep {
        last: Count::Last(1),
        ..Keep::default()
    };
    place.forget(last, &[], false).unwrap();
    assert_eq!(place.left(), [of(1)]);
}

#[test]
fn without_a_marker_nothing_is_removed() {
    let place = Place::with(&[2, 1], None);
    std::fs::remove_file(place.dir.path().join("backup.marker")).unwrap();
    let refused = place.forget(Keep::default(), &[of(2)], false);
    assert!(matches!(refused, Err(Error::NoMarker { .. })));
    assert_eq!(place.left().len(), 2);
}
