//! Destinations that are full, read-only, gone, poor or somebody else's, clocks that are wrong, and files that change
//! while they are saved.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use engine_api::{Engine, ErrorKind, Event, Progress, Silent, StoreErrorKind, Timestamp};
use engine_rsync::RsyncEngine;
use holdfast_tests::corpus::{self, Random};
use holdfast_tests::mount::{Mount, NO_MOUNT};
use holdfast_tests::need;
use holdfast_tests::rsync::{Place, backup_of, local, settings};

use crate::common::Bench;

fn mark(bench: &Bench) {
    fs::write(bench.destination.join("backup.marker"), "").unwrap();
}

fn refusal(bench: &Bench) -> engine_api::Error {
    bench.open().try_backup(&bench.tree, bench.tick()).unwrap_err()
}

#[test]
fn no_marker_no_backup() {
    let bench = Bench::with_plain_tree(1);
    fs::remove_file(bench.destination.join("backup.marker")).unwrap();
    let error = refusal(&bench);
    let text = format!("{} {}", error.chain(), error.hint().unwrap_or_default());
    assert!(text.contains("backup.marker"), "{text}");
    assert_eq!(
        fs::read_dir(&bench.destination).unwrap().count(),
        0,
        "nothing was written"
    );
}

/// Old snapshots make room, as few as are needed, and never the last.
#[test]
fn d32_a_full_disk() {
    let bench = Bench::new();
    let _mount = need!(
        Mount::image(
            &bench.destination,
            48 << 20,
            &["mkfs.ext4", "-q", "-F", "-O", "^has_journal"],
            "loop"
        ),
        NO_MOUNT
    );
    mark(&bench);
    let file = bench.tree.join("file");
    for turn in 0..3 {
        fs::write(&file, Random::new(turn).noise(12 << 20)).unwrap();
        bench.backup();
    }
    let first = bench.names();
    fs::write(&file, Random::new(10).noise(12 << 20)).unwrap();
    let report = bench.open().try_backup(&bench.tree, bench.tick());
    let report = report.unwrap_or_else(|error| panic!("{}", error.chain()));
    let names = bench.names();
    assert!(names.contains(&report.snapshot.clone().unwrap().0));
    assert!(names.contains(&first[2]) && !names.contains(&first[0]), "{names:?}");
    bench.assert_is_tree(&report.snapshot.unwrap());
    bench.open().check();
    // More than there is room for, whatever goes: the last good one stays.
    let seals = bench.seals();
    let newest = bench.names().pop().unwrap();
    fs::write(bench.tree.join("larger"), Random::new(11).noise(60 << 20)).unwrap();
    let error = refusal(&bench);
    let text = format!("{} {}", error.chain(), error.hint().unwrap_or_default());
    assert!(text.contains("room") || text.contains("space"), "{text}");
    let seals = seals.into_iter().filter(|(name, _)| *name == newest).collect();
    bench.assert_sealed(&seals, "full");
    fs::remove_file(bench.tree.join("larger")).unwrap();
    let id = bench.backup();
    bench.assert_is_tree(&id);
    bench.open().check();
}

/// Where not a byte is free nothing can be tried out: it is full, and not without links.
#[test]
fn d32_a_disk_that_is_full_to_the_last_byte() {
    let bench = Bench::with_plain_tree(1);
    let _mount = need!(Mount::memory(&bench.destination, "12m"), NO_MOUNT);
    mark(&bench);
    let id = bench.backup();
    let mut filler = fs::File::create(bench.destination.join("filler")).unwrap();
    while filler.write_all(&[1; 4096]).is_ok() {}
    let files = local(&bench.destination);
    let why = files.capabilities().unanswered.as_ref().unwrap();
    assert_eq!(why.kind, StoreErrorKind::NoSpace, "{why:?}");
    let seals = bench.seals();
    let error = refusal(&bench);
    assert!(error.hint().unwrap().contains("room"), "{}", error.chain());
    bench.assert_sealed(&seals, "full to the last byte");
    bench.assert_restores(&id, &bench.picture());
    drop(filler);
    fs::remove_file(bench.destination.join("filler")).unwrap();
    let id = bench.backup();
    bench.assert_is_tree(&id);
}

#[test]
fn a_read_only_destination() {
    let bench = Bench::with_plain_tree(1);
    let mount = need!(Mount::memory(&bench.destination, "40m"), NO_MOUNT);
    mark(&bench);
    let id = bench.backup();
    mount.remount("ro");
    let error = refusal(&bench);
    assert_eq!(error.kind(), ErrorKind::Storage, "{}", error.chain());
    assert!(error.hint().unwrap().contains("writable"), "{:?}", error.hint());
    // What needs no writing goes on.
    assert_eq!(bench.open().snapshots().len(), 1);
    bench.assert_restores(&id, &bench.picture());
    bench.open().check();
}

#[test]
fn a_destination_that_vanishes() {
    let bench = Bench::with_plain_tree(1);
    fs::remove_file(bench.destination.join("backup.marker")).unwrap();
    let mount = need!(Mount::memory(&bench.destination, "100m"), NO_MOUNT);
    mark(&bench);
    let place = bench.open();
    place.backup(&bench.tree, bench.tick());
    drop(mount);
    let error = place.try_backup(&bench.tree, bench.tick()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage, "{}", error.chain());
    assert_eq!(fs::read_dir(&bench.destination).unwrap().count(), 0);
    // What is below the mount point is not taken for the place.
    let error = refusal(&bench);
    assert!(error.chain().contains("backup.marker") || error.hint().unwrap().contains("marker"));
}

/// FAT has no links of any kind: it is refused in a sentence, and nothing is left there.
#[test]
fn a_place_without_links() {
    let bench = Bench::with_plain_tree(1);
    let _mount = need!(
        Mount::image(&bench.destination, 40 << 20, &["mkfs.vfat"], "loop"),
        NO_MOUNT
    );
    mark(&bench);
    let error = refusal(&bench);
    assert!(error.chain().contains("links"), "{}", error.chain());
    let left: Vec<_> = fs::read_dir(&bench.destination)
        .unwrap()
        .map(|item| item.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "backup.marker")
        .collect();
    assert!(left.is_empty() || left == [".holdfast"], "{left:?}");
}

/// Two names that are one there: the second is told as a problem, and the first is not overwritten.
#[test]
fn a_place_that_ignores_case() {
    let bench = Bench::new();
    let _mount = need!(
        Mount::image(
            &bench.destination,
            40 << 20,
            &["mkfs.ext4", "-q", "-F", "-O", "casefold", "-E", "encoding=utf8"],
            "loop"
        ),
        NO_MOUNT
    );
    mark(&bench);
    let folding = Command::new("chattr").arg("+F").arg(&bench.destination).output();
    if !folding.is_ok_and(|output| output.status.success()) {
        // Only an empty folder can be made so.
        fs::remove_file(bench.destination.join("backup.marker")).unwrap();
        let _ = fs::remove_dir(bench.destination.join("lost+found"));
        let again = Command::new("chattr").arg("+F").arg(&bench.destination).output();
        need!(
            again.ok().filter(|output| output.status.success()),
            "the kernel knows no casefold"
        );
        mark(&bench);
    }
    fs::write(bench.tree.join("Name"), "the first").unwrap();
    fs::write(bench.tree.join("name"), "the other one").unwrap();
    fs::write(bench.tree.join("else"), "x").unwrap();
    let report = bench.open().try_backup(&bench.tree, bench.tick());
    match report {
        Err(error) => assert!(error.chain().contains("case"), "{}", error.chain()),
        Ok(report) => {
            assert_eq!(report.problems.count, 1, "{:?}", report.problems);
            let stored = bench.stored(&report.snapshot.unwrap().0);
            assert_eq!(fs::read(stored.join("Name")).unwrap(), b"the first");
            bench.open().check();
        }
    }
}

#[test]
fn two_runs_at_once() {
    let bench = Bench::with_plain_tree(1);
    fs::write(bench.tree.join("large"), Random::new(1).noise(40 << 20)).unwrap();
    let (one, other) = (bench.tick(), bench.tick());
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let (destination, tree) = (bench.destination.clone(), bench.tree.clone());
        let begin = |time: Timestamp| {
            let (destination, tree) = (destination.clone(), tree.clone());
            scope.spawn(move || Place::open(&destination).try_backup(&tree, time))
        };
        let threads = [begin(one), begin(other)];
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let good = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let errors = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
    let errors: Vec<String> = errors.map(|error| error.chain()).collect();
    assert!(good >= 1, "{errors:?}");
    for outcome in outcomes {
        if let Err(error) = outcome {
            assert_eq!(error.kind(), ErrorKind::Locked, "{}", error.chain());
        }
    }
    assert_eq!(bench.open().snapshots().len(), good);
    bench.open().check();
}

/// Clocks of the past and of a far future: snapshots keep their order and none is overwritten.
#[test]
fn a_clock_that_is_far_off() {
    let bench = Bench::with_plain_tree(1);
    let first = bench.backup();
    let seals = bench.seals();
    for seconds in [0, 4_000_000_000, 10] {
        corpus::edit_plain_tree(&bench.tree, 1, 4);
        let report = bench.open().try_backup(&bench.tree, Timestamp { seconds, nanos: 0 });
        let id = match report {
            Ok(report) => report.snapshot.unwrap(),
            Err(error) => {
                assert!(
                    error.hint().is_some() || error.chain().contains("clock"),
                    "{}",
                    error.chain()
                );
                continue;
            }
        };
        bench.assert_is_tree(&id);
    }
    // The same moment twice.
    let time = bench.tick();
    let again = bench.open().backup(&bench.tree, time).snapshot.unwrap();
    let twice = bench.open().backup(&bench.tree, time).snapshot.unwrap();
    assert_ne!(again, twice);
    bench.assert_sealed(&seals, "clocks");
    assert!(bench.names().contains(&first.0));
    bench.open().check();
}

/// In autumn an hour comes twice, and names are in the time on the wall: their order stays that of the snapshots, none is
/// overwritten, and what goes by age goes by true times.
#[test]
fn d38_the_hour_that_comes_twice() {
    let Ok(zone) = jiff::tz::TimeZone::get("Europe/Rome") else {
        holdfast_tests::skip::note("d38_the_hour_that_comes_twice", "there are no time zones here");
        return;
    };
    let bench = Bench::with_plain_tree(1);
    let settings = engine_rsync::Settings { zone, ..settings(None) };
    let place = Place {
        engine: RsyncEngine::open(local(&bench.destination), settings),
    };
    // From 2:30 of summer time to 4:00 of winter time.
    let moments = [
        "2023-10-29T00:30:00Z",
        "2023-10-29T00:45:00Z",
        "2023-10-29T01:10:00Z",
        "2023-10-29T01:30:00Z",
        "2023-10-29T03:00:00Z",
    ];
    let moments = moments.map(|text| Timestamp::from_jiff(text.parse().unwrap()));
    let names: Vec<String> = moments
        .iter()
        .map(|time| {
            corpus::edit_plain_tree(&bench.tree, 1, 4);
            place.backup(&bench.tree, *time).snapshot.unwrap().0
        })
        .collect();
    assert!(names.is_sorted(), "{names:?}");
    assert_eq!(
        (names[0].as_str(), names[4].as_str()),
        ("2023-10-29-023000", "2023-10-29-040000")
    );
    let snapshots = place.snapshots();
    let listed: Vec<_> = snapshots.iter().map(|snapshot| snapshot.id.0.clone()).collect();
    assert_eq!(listed, names);
    let times: Vec<_> = snapshots.iter().map(|snapshot| snapshot.time).collect();
    assert_eq!(times, moments, "each tells when it was made");
    place.check();
    // Two hours seen from the newest, of 3:00 UTC; by their names all but that one would be older.
    let request = engine_api::ForgetRequest {
        filter: engine_api::SnapshotFilter::default(),
        group_by: engine_api::retention::GroupBy::default(),
        keep: engine_api::retention::Keep {
            within: Some(engine_api::Age::parse("2h").unwrap()),
            ..engine_api::retention::Keep::default()
        },
        ids: Vec::new(),
        dry_run: false,
    };
    let report = place.engine.forget(&request, &Silent).unwrap();
    let gone: Vec<_> = report.removed.iter().map(|snapshot| snapshot.id.0.clone()).collect();
    assert_eq!(gone, names[..2]);
}

/// A snapshot that somebody changed: the next backup is right all the same.
#[test]
fn a_snapshot_that_was_tampered_with() {
    let bench = Bench::with_plain_tree(1);
    let first = bench.backup();
    let stored = bench.stored(&first.0);
    fs::write(stored.join("folder-000/file-00000"), "other").unwrap();
    fs::remove_file(stored.join("folder-000/file-00001")).unwrap();
    fs::remove_file(stored.join("folder-000/file-00002")).unwrap();
    fs::create_dir(stored.join("folder-000/file-00002")).unwrap();
    fs::remove_dir_all(stored.join("folder-001")).unwrap();
    std::os::unix::fs::symlink("/etc", stored.join("folder-001")).unwrap();
    let report = bench.open().check_report();
    assert!(report.errors >= 4, "{:#?}", report.findings);
    let second = bench.backup();
    bench.assert_is_tree(&second);
}

/// Writes more to a file whenever a piece of it was read.
struct Writes(fs::File);

impl Progress for Writes {
    fn event(&self, event: Event<'_>) {
        if matches!(event, Event::Bytes(_)) {
            (&self.0).write_all(&[1; 4096]).unwrap();
        }
    }

    fn cancelled(&self) -> bool {
        false
    }
}

/// A file that is written to all the time is saved as it was at some moment, or told.
#[test]
fn a_file_that_changes_while_it_is_saved() {
    let bench = Bench::new();
    let file = bench.tree.join("busy");
    fs::write(&file, vec![0; 8 << 20]).unwrap();
    let writes = Writes(fs::File::options().append(true).open(&file).unwrap());
    let request = backup_of(&bench.tree, bench.tick());
    let report = bench.open().engine.backup(&request, &writes).unwrap();
    let told = report
        .problems
        .first
        .iter()
        .any(|problem| problem.path.ends_with("busy"));
    assert!(told, "{:?}", report.problems);
    // What was stored is what the manifest says, and the next run saves what it is now.
    bench.open().check();
    let id = bench.backup();
    bench.assert_is_tree(&id);
}

/// The destination lies in what is saved.
#[test]
fn the_destination_is_left_out() {
    let bench = Bench::with_plain_tree(1);
    let inside = bench.tree.join("backups");
    fs::create_dir(&inside).unwrap();
    fs::write(inside.join("backup.marker"), "").unwrap();
    for _ in 0..2 {
        let engine = RsyncEngine::open(local(&inside), settings(None));
        let report = engine
            .backup(&backup_of(&bench.tree, bench.tick()), &engine_api::Silent)
            .unwrap();
        assert!(report.problems.is_empty(), "{:?}", report.problems);
        let stored = holdfast_tests::tree::below(&inside.join(&report.snapshot.unwrap().0), &bench.tree);
        assert!(stored.join("folder-000").is_dir());
        let below = stored.join("backups");
        assert!(!below.exists() || fs::read_dir(below).unwrap().count() == 0);
    }
}

#[test]
fn what_the_storage_says_is_not_hidden() {
    let gone = Path::new("/no/such/destination");
    let error = backends::local::open(gone, false).err().unwrap();
    assert_eq!(error.kind, StoreErrorKind::NotFound);
}
