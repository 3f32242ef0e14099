use std::fs;
use std::path::Path;

use engine_api::retention::{Count, GroupBy, Keep};
use engine_api::{Silent, SnapshotRef};
use fstree::testing::{Dice, mutate, random_tree};

use super::*;
use crate::BackupMode;
use crate::testing::{Bench, assert_equal};

/// Content that does not compress, so that it fills volumes.
fn noise(path: &Path, dice: &mut Dice, len: usize) {
    fs::write(path, dice.bytes(len)).unwrap();
}

#[test]
fn every_state_of_a_changing_tree_comes_back() {
    for seed in 0..6 {
        let mut dice = Dice::new(seed);
        let mut bench = Bench::new();
        random_tree(&bench.source(), &mut dice, 60).unwrap();
        noise(&bench.source().join("large"), &mut dice, 1_300_000);
        let copies = tempfile::tempdir().unwrap();
        let mut states = Vec::new();
        for step in 0..4 {
            let report = bench.backup().unwrap();
            assert!(report.problems.is_empty(), "{:?}", report.problems);
            bench.assert_latest_is_the_tree(&format!("seed {seed}, step {step}"));
            let (restored, _) = bench.restore(SnapshotRef::Latest);
            let copy = copies.path().join(step.to_string());
            fs::rename(restored, &copy).unwrap();
            states.push((report.snapshot.unwrap(), copy));
            mutate(&bench.source(), &mut dice, 15).unwrap();
        }
        for (id, copy) in states {
            let (restored, _) = bench.restore(SnapshotRef::Id(id.0.clone()));
            assert_equal(&copy, &restored, &format!("seed {seed}, set {id}"));
        }
    }
}

#[test]
fn nothing_is_saved_of_what_did_not_change() {
    let mut bench = Bench::new();
    random_tree(&bench.source(), &mut Dice::new(7), 40).unwrap();
    let full = bench.backup().unwrap();
    assert_eq!(full.files.unchanged + full.dirs.unchanged + full.others.unchanged, 0);
    let report = bench.backup().unwrap();
    assert_eq!(report.parent, full.snapshot);
    assert_eq!(
        report.files.new + report.files.changed + report.dirs.changed + report.others.changed,
        0
    );
    assert_eq!((report.bytes_added, report.files.total()), (0, full.files.total()));
    // Also when all is read again.
    let mut request = bench.request();
    request.force_read = true;
    let read = run(&bench.engine(), &request, &Silent).unwrap();
    assert_eq!((read.files.changed, read.bytes_added), (0, 0));
    assert_eq!(read.bytes_processed, full.bytes_processed);
}

#[test]
fn a_change_that_hides_its_time_is_saved() {
    let mut bench = Bench::new();
    let path = bench.source().join("file");
    fs::write(&path, "one").unwrap();
    let mtime = fs::metadata(&path).unwrap().modified().unwrap();
    bench.backup().unwrap();
    fs::write(&path, "two").unwrap();
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(mtime)
        .unwrap();
    assert_eq!(bench.backup().unwrap().files.changed, 1);
    bench.assert_latest_is_the_tree("hidden");
}

#[test]
fn a_dry_run_writes_nothing() {
    let mut bench = Bench::new();
    noise(&bench.source().join("file"), &mut Dice::new(1), 3000);
    bench.backup().unwrap();
    noise(&bench.source().join("file"), &mut Dice::new(2), 3000);
    let (names, archive) = (bench.memory.names(), list(&bench.archive()));
    let mut request = bench.request();
    request.dry_run = true;
    let report = run(&bench.engine(), &request, &Silent).unwrap();
    assert_eq!((report.files.changed, report.snapshot), (1, None));
    assert_eq!((bench.memory.names(), list(&bench.archive())), (names, archive));
}

fn list(dir: &Path) -> Vec<std::ffi::OsString> {
    let mut names: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    names
}

/// A run that dies at its n-th call of the storage, then changes before and behind the place where it died.
fn interrupted(n: u64, full_first: bool) -> bool {
    let mut dice = Dice::new(n);
    let mut bench = Bench::new();
    let source = bench.source();
    if full_first {
        fs::write(source.join("noise-0"), "the first state").unwrap();
        noise(&source.join("noise-c"), &mut dice, 300_000);
        bench.backup().unwrap();
    }
    random_tree(&source, &mut dice, 20).unwrap();
    for name in ["noise-a", "noise-b", "noise-d", "noise-e"] {
        noise(&source.join(name), &mut dice, 600_000);
    }
    noise(&source.join("noise-c"), &mut dice, 2_500_000);
    bench.memory.die_in(n);
    let died = bench.backup().is_err();
    bench.memory.live();
    for name in ["noise-a", "noise-d"] {
        noise(&source.join(name), &mut dice, 500_000);
    }
    fs::write(source.join("noise-a-new"), "a new file before").unwrap();
    fs::remove_file(source.join("noise-b")).unwrap();
    if n.is_multiple_of(2) {
        noise(&source.join("noise-c"), &mut dice, 2_400_000);
    }
    mutate(&source, &mut dice, 10).unwrap();
    let resumed = bench.backup().unwrap();
    assert!(resumed.snapshot.is_some());
    let last = bench.backup().unwrap();
    assert!(last.problems.is_empty());
    bench.assert_latest_is_the_tree(&format!("died at call {n}"));
    let collection = bench.engine().collection().unwrap();
    assert!(
        collection.incomplete.is_empty() && collection.orphans.is_empty(),
        "call {n}"
    );
    assert_eq!(collection.chains.len(), 1, "call {n}");
    let left: Vec<_> = list(&bench.archive())
        .into_iter()
        .filter(|name| name.to_string_lossy().contains("part") || name.to_string_lossy().contains("holdfast"))
        .collect();
    assert!(left.is_empty(), "call {n}: {left:?}");
    died
}

#[test]
fn an_interrupted_full_backup_goes_on_and_nothing_is_lost() {
    let deaths = (1..40).take_while(|n| interrupted(*n, false)).count();
    assert!(deaths > 5, "{deaths}");
}

#[test]
fn an_interrupted_increment_goes_on_and_nothing_is_lost() {
    let deaths = (1..40).take_while(|n| interrupted(*n, true)).count();
    assert!(deaths > 5, "{deaths}");
}

#[test]
fn a_run_goes_on_at_the_volume_where_it_stopped() {
    let mut bench = Bench::new();
    let mut dice = Dice::new(3);
    for name in ["a", "b", "c", "d"] {
        noise(&bench.source().join(name), &mut dice, 900_000);
    }
    // The listing, and two volumes.
    bench.memory.die_in(4);
    assert!(bench.backup().is_err());
    let first = bench.memory.names();
    assert_eq!(first.len(), 2, "{first:?}");
    let stored = bench.memory.objects.lock().unwrap().clone();
    bench.memory.live();
    let report = bench.backup().unwrap();
    let objects = bench.memory.objects.lock().unwrap().clone();
    assert!(
        stored.iter().all(|(key, bytes)| objects.get(key) == Some(bytes)),
        "{report:?}"
    );
    // The set that was begun is complete, and what changed meanwhile is in one of its own.
    assert!(first[0].contains(&report.parent.unwrap().0));
    bench.assert_latest_is_the_tree("resumed");
}

/// Readers that wait to hand on what they read must not wait for a thread that is gone: a queue that is alive keeps what lies
/// in it, and with it the other end of theirs.
#[test]
fn a_storage_that_dies_under_long_files_ends_the_backup() {
    let mut bench = Bench::new();
    let mut dice = Dice::new(11);
    for name in 0..6 {
        noise(&bench.source().join(name.to_string()), &mut dice, 3_000_000);
    }
    for n in 0..24 {
        bench.memory.die_in(2 + n % 6);
        assert!(bench.backup().is_err(), "round {n}");
    }
    bench.memory.live();
    bench.backup().unwrap();
    bench.assert_latest_is_the_tree("after it");
}

/// The only volume that was stored ends within a file that is another one now.
#[test]
fn a_run_of_which_nothing_is_of_use_is_begun_anew_as_a_set_of_now() {
    for full_first in [false, true] {
        let mut bench = Bench::new();
        let mut dice = Dice::new(4);
        let path = bench.source().join("a");
        if full_first {
            fs::write(&path, "the first state").unwrap();
            bench.backup().unwrap();
        }
        let before = bench.memory.names();
        noise(&path, &mut dice, 2_500_000);
        // The listing, and one volume.
        bench.memory.die_in(3);
        assert!(bench.backup().is_err());
        assert_eq!(bench.memory.names().len(), before.len() + 1, "{full_first}");
        bench.memory.live();
        noise(&path, &mut dice, 2_400_000);
        let now = SetTime::new(bench.clock).unwrap().to_string();
        assert_eq!(bench.backup().unwrap().snapshot.unwrap().0, now, "{full_first}");
        let after: Vec<String> = bench.memory.names();
        let mut made = after.iter().filter(|name| !before.contains(name));
        assert!(made.all(|name| name.contains(&now)), "{after:?}");
        bench.assert_latest_is_the_tree("begun anew");
    }
}

/// A run that takes days looks dead to another machine's prune.
#[test]
fn a_set_of_which_something_has_gone_gets_no_manifest() {
    for full_first in [false, true] {
        let mut bench = Bench::new();
        fs::write(bench.source().join("a"), "the first state").unwrap();
        if full_first {
            bench.backup().unwrap();
        }
        let before = bench.memory.names();
        noise(&bench.source().join("b"), &mut Dice::new(4), 2_500_000);
        let memory = std::sync::Arc::clone(&bench.memory);
        bench
            .memory
            .before("write", "signatures", move || memory.lose(".vol2."));
        let error = bench.backup().unwrap_err();
        assert!(
            matches!(&error, Error::Removed { object, .. } if object.starts_with("volume 2 of ")),
            "{error}"
        );
        assert!(
            !bench
                .memory
                .names()
                .iter()
                .any(|name| name.contains("manifest") && !before.contains(name))
        );
        bench.backup().unwrap();
        bench.assert_latest_is_the_tree("made anew");
        let collection = bench.engine().collection().unwrap();
        assert!(
            collection.incomplete.is_empty() && collection.stray_signatures.is_empty(),
            "{full_first}"
        );
    }
}

#[test]
fn a_set_that_is_complete_when_prune_comes_to_it_stays() {
    let mut bench = Bench::new();
    bench.clock -= 2 * 24 * 3600;
    noise(&bench.source().join("a"), &mut Dice::new(4), 2_500_000);
    bench.memory.die_in(4);
    assert!(bench.backup().is_err());
    bench.memory.live();
    let names = bench.memory.names();
    assert_eq!(names.len(), 2, "{names:?}");
    let manifest = names[0].replace("vol1.difftar.gz", "manifest");
    let manifest = engine_api::Key::new(manifest).unwrap();
    // At the second listing, which is the last look before the first object goes.
    let memory = std::sync::Arc::clone(&bench.memory);
    let complete = move || drop(memory.objects.lock().unwrap().insert(manifest, Vec::new()));
    let memory = std::sync::Arc::clone(&bench.memory);
    bench
        .memory
        .before("list", "", move || memory.before("list", "", complete));
    let request = engine_api::PruneRequest {
        max_unused: 0.0,
        max_repack: None,
        dry_run: false,
    };
    let report = crate::prune::run(&bench.elsewhere(), &request, &Silent).unwrap();
    assert_eq!((report.packs_removed, report.bytes_freed), (0, 0));
    let after = bench.memory.names();
    assert!(names.iter().all(|name| after.contains(name)), "{after:?}");
}

#[test]
fn other_settings_do_not_go_on_with_a_run() {
    let mut bench = Bench::new();
    for name in ["a", "b", "c"] {
        noise(&bench.source().join(name), &mut Dice::new(3), 900_000);
    }
    bench.memory.die_in(4);
    assert!(bench.backup().is_err());
    bench.memory.live();
    bench.settings.compression = false;
    bench.backup().unwrap();
    assert!(
        bench.memory.names().iter().all(|name| !name.ends_with(".gz")),
        "{:?}",
        bench.memory.names()
    );
    bench.assert_latest_is_the_tree("begun anew");
}

#[test]
fn a_lost_signature_file_makes_the_next_backup_full() {
    let mut bench = Bench::new();
    fs::write(bench.source().join("a"), "a").unwrap();
    bench.backup().unwrap();
    bench.backup().unwrap();
    bench.memory.lose("new-signatures");
    fs::remove_dir_all(bench.archive()).unwrap();
    bench.backup().unwrap();
    assert_eq!(bench.engine().collection().unwrap().chains.len(), 2);
}

#[test]
fn the_archive_folder_comes_back() {
    let mut bench = Bench::new();
    random_tree(&bench.source(), &mut Dice::new(5), 30).unwrap();
    bench.backup().unwrap();
    bench.backup().unwrap();
    let before = list(&bench.archive());
    fs::remove_dir_all(bench.archive()).unwrap();
    let report = bench.backup().unwrap();
    assert_eq!((report.files.changed, report.files.new), (0, 0));
    let after = list(&bench.archive());
    assert!(before.iter().all(|name| after.contains(name)), "{before:?} {after:?}");
}

#[test]
fn a_clock_that_went_back_is_refused() {
    let mut bench = Bench::new();
    fs::write(bench.source().join("a"), "a").unwrap();
    bench.backup().unwrap();
    bench.clock -= 1000;
    assert!(matches!(bench.backup(), Err(Error::ClockWentBack { .. })));
}

#[test]
fn another_machines_young_set_is_not_overtaken() {
    let mut bench = Bench::new();
    for name in ["a", "b", "c"] {
        noise(&bench.source().join(name), &mut Dice::new(3), 900_000);
    }
    bench.clock = engine_api::Timestamp::now().seconds;
    bench.memory.die_in(4);
    assert!(bench.backup().is_err());
    bench.memory.live();
    bench.settings.archive_name = "of another machine".to_owned();
    assert!(matches!(bench.backup(), Err(Error::OtherWriter { .. })));
}

#[test]
fn damaged_paths_are_saved_whole_again() {
    let mut bench = Bench::new();
    fs::write(bench.source().join("a"), "a").unwrap();
    fs::write(bench.source().join("b"), "b").unwrap();
    bench.backup().unwrap();
    let collection = bench.engine().collection().unwrap();
    let damaged = BTreeSet::from([TreePath::parse(b"a").unwrap()]);
    crate::damage::note(&bench.engine(), collection.latest().unwrap(), &damaged).unwrap();
    assert_eq!(bench.backup().unwrap().files.changed, 1);
    assert_eq!(bench.backup().unwrap().files.changed, 0);
    bench.assert_latest_is_the_tree("healed");
}

fn forget(bench: &Bench, keep: Keep, ids: Vec<String>) -> Result<engine_api::ForgetReport> {
    let request = engine_api::ForgetRequest {
        filter: engine_api::SnapshotFilter::default(),
        group_by: GroupBy::default(),
        keep,
        ids,
        dry_run: false,
    };
    crate::forget::run(&bench.engine(), &request, &Silent)
}

#[test]
fn only_whole_chains_are_forgotten_and_never_the_last() {
    let mut bench = Bench::new();
    fs::write(bench.source().join("a"), "a").unwrap();
    for mode in [
        BackupMode::Full,
        BackupMode::Incremental,
        BackupMode::Full,
        BackupMode::Incremental,
    ] {
        bench.mode = mode;
        bench.backup().unwrap();
    }
    let last = |count| Keep {
        last: Count::Last(count),
        ..Keep::default()
    };
    // The third set, which is kept, needs nothing of the first chain; of the second all stays.
    let report = forget(&bench, last(3), Vec::new()).unwrap();
    assert_eq!((report.kept.len(), report.removed.len()), (4, 0));
    let report = forget(&bench, last(1), Vec::new()).unwrap();
    assert_eq!((report.kept.len(), report.removed.len()), (2, 2));
    assert!(report.kept[1].1[0].contains("needs it"), "{:?}", report.kept);
    bench.assert_latest_is_the_tree("kept");
    let ids = |report: &engine_api::ForgetReport| {
        report
            .kept
            .iter()
            .map(|(kept, _)| kept.id.0.clone())
            .collect::<Vec<_>>()
    };
    let kept = ids(&report);
    assert!(forget(&bench, Keep::default(), vec![kept[1].clone()]).is_err());
    assert!(forget(&bench, Keep::default(), kept.clone()).is_err());
    assert_eq!(
        forget(&bench, Keep::default(), vec![kept[0].clone()])
            .unwrap()
            .removed
            .len(),
        1
    );
    bench.assert_latest_is_the_tree("shorter");
    bench.backup().unwrap();
}
