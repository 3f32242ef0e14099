use std::fs;
use std::path::PathBuf;

use engine_api::{BlobStore, Key, PutMode, Silent, SnapshotId, SnapshotRef};
use fstree::testing::{Dice, mutate, random_tree};

use super::*;
use crate::BackupMode;
use crate::testing::{Bench, assert_equal};

const REAL: SyntheticRequest = SyntheticRequest { dry_run: false };

fn synthetic(bench: &Bench) -> Result<SyntheticReport> {
    run(&bench.engine(), REAL, &Silent)
}

/// A full set and three increments over a tree that changes, with a file of several volumes; each state with a copy.
fn chain(bench: &mut Bench, seed: u64) -> Vec<(SnapshotId, PathBuf, tempfile::TempDir)> {
    let mut dice = Dice::new(seed);
    random_tree(&bench.source(), &mut dice, 50).unwrap();
    fs::write(bench.source().join("large"), dice.bytes(1_300_000)).unwrap();
    fs::write(bench.source().join("noise"), dice.bytes(700_000)).unwrap();
    let mut states = Vec::new();
    for step in 0..4 {
        let id = bench.backup().unwrap().snapshot.unwrap();
        let (restored, _) = bench.restore(SnapshotRef::Latest);
        let copies = tempfile::tempdir().unwrap();
        let copy = copies.path().join("state");
        fs::rename(restored, &copy).unwrap();
        states.push((id, copy, copies));
        if step < 3 {
            mutate(&bench.source(), &mut dice, 12).unwrap();
            let mut large = fs::read(bench.source().join("large")).unwrap_or_default();
            let middle = large.len() / 2;
            large.splice(middle..middle, dice.bytes(3000));
            let _ = fs::write(bench.source().join("large"), large);
        }
    }
    states
}

fn assert_states(bench: &Bench, states: &[(SnapshotId, PathBuf, tempfile::TempDir)], what: &str) {
    for (id, copy, _) in states {
        let (restored, report) = bench.restore(SnapshotRef::Id(id.0.clone()));
        assert!(report.problems.is_empty(), "{what}, {id}: {:?}", report.problems);
        assert_equal(copy, &restored, &format!("{what}, {id}"));
    }
}

#[test]
fn it_is_the_state_of_the_chain_and_nothing_has_changed_since() {
    for seed in 0..5 {
        let mut bench = Bench::new();
        let states = chain(&mut bench, seed);
        let what = format!("seed {seed}");
        let before = bench.memory.names();
        let trial = run(&bench.engine(), SyntheticRequest { dry_run: true }, &Silent).unwrap();
        assert_eq!((trial.snapshot.clone(), bench.memory.names()), (None, before.clone()));
        let report = synthetic(&bench).unwrap();
        assert_eq!((report.sets, &report.state_of), (4, &states[3].0));
        assert_eq!((report.files, report.bytes), (trial.files, trial.bytes));
        bench.assert_latest_is_the_tree(&what);
        assert_states(&bench, &states, &what);
        let collection = bench.engine().collection().unwrap();
        assert_eq!(collection.chains.len(), 2, "{what}");
        let made = collection.latest_set().unwrap();
        assert_eq!(made.id.end().to_string(), report.snapshot.unwrap().0);
        let last = collection.chains[0].end().unwrap();
        assert_eq!(made.id.end().seconds(), last.seconds() + 1);
        // What is stored is sound by all that checks look at.
        let check = engine_api::CheckRequest {
            read: engine_api::ReadData::All,
        };
        let checked = crate::check::run(&bench.engine(), &check, &Silent).unwrap();
        assert_eq!(checked.errors, 0, "{:?}", checked.findings);
        // And the next increment finds nothing, also without what this machine has kept.
        if seed % 2 == 1 {
            fs::remove_dir_all(bench.archive()).unwrap();
        }
        let next = bench.backup().unwrap();
        let changed = [next.files, next.dirs, next.others].map(|counts| counts.new + counts.changed);
        assert_eq!((changed, next.bytes_added), ([0; 3], 0), "{what}");
        assert_eq!(bench.engine().collection().unwrap().chains.len(), 2, "{what}");
        mutate(&bench.source(), &mut Dice::new(seed + 100), 12).unwrap();
        bench.backup().unwrap();
        bench.assert_latest_is_the_tree(&what);
    }
}

#[test]
fn a_set_without_private_records() {
    let mut bench = Bench::new();
    bench.settings.extras = false;
    chain(&mut bench, 9);
    let report = synthetic(&bench).unwrap();
    assert!(report.files > 10);
    assert_eq!(bench.backup().unwrap().bytes_added, 0);
}

#[test]
fn where_the_last_set_is_full_nothing_is_done() {
    let mut bench = Bench::new();
    assert!(matches!(synthetic(&bench), Err(Error::NoBackup { .. })));
    fs::write(bench.source().join("a"), "a").unwrap();
    bench.backup().unwrap();
    bench.backup().unwrap();
    synthetic(&bench).unwrap();
    let names = bench.memory.names();
    let report = synthetic(&bench).unwrap();
    assert_eq!((report.snapshot, report.sets), (None, 1));
    assert_eq!(bench.memory.names(), names);
}

/// Makes the set of one chain with the n-th call of the storage failing, for every n until none fails; then a backup or
/// another try follows. The old chain is what it was, and in the end all is well.
fn deaths(by_backup: bool) -> usize {
    let mut bench = Bench::new();
    let states = chain(&mut bench, 3);
    let ends = [states.first().unwrap(), states.last().unwrap()];
    let objects = bench.memory.objects.lock().unwrap().clone();
    let archive: Vec<(PathBuf, Vec<u8>)> = fs::read_dir(bench.archive())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    let mut deaths = 0;
    for n in 1..200 {
        let what = format!("died at call {n}, {by_backup}");
        bench.memory.objects.lock().unwrap().clone_from(&objects);
        fs::remove_dir_all(bench.archive()).unwrap();
        fs::create_dir(bench.archive()).unwrap();
        for (path, bytes) in &archive {
            fs::write(path, bytes).unwrap();
        }
        bench.memory.die_in(n);
        let died = synthetic(&bench).is_err();
        bench.memory.live();
        let now = bench.memory.objects.lock().unwrap().clone();
        assert!(objects.iter().all(|(key, bytes)| now.get(key) == Some(bytes)), "{what}");
        let found = bench.engine().collection().unwrap().restorable().len();
        assert_eq!(found, if died { 4 } else { 5 }, "{what}");
        bench.assert_latest_is_the_tree(&what);
        if by_backup {
            // It is cleared away, and no full backup is made instead.
            assert_eq!(bench.backup().unwrap().bytes_added, 0, "{what}");
        } else {
            assert_eq!(synthetic(&bench).unwrap().snapshot.is_some(), died, "{what}");
        }
        bench.assert_latest_is_the_tree(&what);
        for state in ends {
            assert_states(&bench, std::slice::from_ref(state), &what);
        }
        let collection = bench.engine().collection().unwrap();
        assert!(
            collection.incomplete.is_empty() && collection.orphans.is_empty(),
            "{what}"
        );
        let chains = if by_backup && died { 1 } else { 2 };
        assert_eq!(collection.chains.len(), chains, "{what}");
        if !died {
            break;
        }
        deaths += 1;
    }
    deaths
}

#[test]
fn d8_a_run_that_dies_harms_nothing_and_goes_on() {
    let deaths = deaths(false);
    assert!(deaths > 8, "{deaths}");
}

#[test]
fn d8_a_run_that_dies_is_cleared_away_by_a_backup() {
    let deaths = deaths(true);
    assert!(deaths > 8, "{deaths}");
}

#[test]
fn a_run_goes_on_at_the_volume_where_it_stopped() {
    let mut bench = Bench::new();
    chain(&mut bench, 3);
    let before = bench.memory.names();
    // Whatever it reads first, it dies when a volume was stored.
    for n in 1..200 {
        bench.memory.die_in(n);
        assert!(synthetic(&bench).is_err(), "call {n}");
        bench.memory.live();
        if bench.memory.names().len() > before.len() {
            break;
        }
    }
    let stored = bench.memory.objects.lock().unwrap().clone();
    assert!(stored.len() > before.len());
    synthetic(&bench).unwrap();
    let objects = bench.memory.objects.lock().unwrap().clone();
    assert!(stored.iter().all(|(key, bytes)| objects.get(key) == Some(bytes)));
    bench.assert_latest_is_the_tree("gone on with");
}

#[test]
fn an_interrupted_backup_comes_first() {
    let mut bench = Bench::new();
    let states = chain(&mut bench, 3);
    fs::write(bench.source().join("more"), Dice::new(1).bytes(2_500_000)).unwrap();
    bench.memory.die_in(4);
    assert!(bench.backup().is_err());
    bench.memory.live();
    let names = bench.memory.names();
    assert!(matches!(synthetic(&bench), Err(Error::Unfinished { .. })));
    assert_eq!(bench.memory.names(), names);
    bench.backup().unwrap();
    assert!(synthetic(&bench).unwrap().sets > 4);
    bench.assert_latest_is_the_tree("after it");
    assert_states(&bench, &states, "after it");
}

/// Another machine's prune takes a set of such an age for dead; this one bears the time of the chain's last.
#[test]
fn what_is_gone_of_it_before_the_end_gets_no_manifest() {
    let mut bench = Bench::new();
    bench.clock -= 2 * 24 * 3600;
    let states = chain(&mut bench, 3);
    let other = bench.elsewhere();
    let names = bench.memory.names();
    bench.memory.before("write", "full-signatures", move || {
        let request = engine_api::PruneRequest {
            max_unused: 0.0,
            max_repack: None,
            dry_run: false,
        };
        let report = crate::prune::run(&other, &request, &Silent).unwrap();
        assert!(report.packs_removed > 0, "{report:?}");
    });
    let error = synthetic(&bench).unwrap_err();
    assert!(
        matches!(&error, Error::Removed { object, .. } if object.starts_with("volume 1 of ")),
        "{error}"
    );
    let left = bench.memory.names();
    assert!(
        left.iter()
            .all(|name| names.contains(name) || name.contains("signatures")),
        "{left:?}"
    );
    bench.assert_latest_is_the_tree("refused");
    assert!(synthetic(&bench).unwrap().snapshot.is_some());
    bench.assert_latest_is_the_tree("made anew");
    assert_states(&bench, &states, "made anew");
}

/// The key of the one volume of that number in the set that was made at place `at`.
fn volume(bench: &Bench, at: usize, number: u32) -> Key {
    let collection = bench.engine().collection().unwrap();
    collection.chains[0].sets[at].volumes[&number].key.clone()
}

#[test]
fn a_damaged_chain_is_refused_and_the_file_named() {
    let mut bench = Bench::new();
    let path = bench.source().join("a");
    fs::write(&path, "the first").unwrap();
    fs::write(bench.source().join("b"), "one that stays").unwrap();
    bench.backup().unwrap();
    fs::write(&path, "the second").unwrap();
    bench.backup().unwrap();
    let key = volume(&bench, 0, 1);
    let good = bench.memory.get(&key).unwrap();
    let names = bench.memory.names();
    for damage in ["flipped", "gone"] {
        if damage == "gone" {
            bench.memory.remove(&key).unwrap();
        } else {
            let mut bytes = good.clone();
            bytes[100] ^= 1;
            let body = engine_api::Body::Bytes(&bytes);
            bench.memory.put(&key, body, PutMode::Replace).unwrap();
        }
        let error = synthetic(&bench).unwrap_err();
        assert!(error.is_loss(), "{error}");
        let text = error.chain();
        // The path, and the volume or what is wrong with it.
        assert!(text.contains("/source/") && text.contains("vol"), "{damage}: {text}");
        assert!(bench.engine().collection().unwrap().incomplete.is_empty(), "{damage}");
        bench
            .memory
            .put(&key, engine_api::Body::Bytes(&good), PutMode::Replace)
            .unwrap();
    }
    assert_eq!(bench.memory.names(), names);
    synthetic(&bench).unwrap();
    bench.assert_latest_is_the_tree("whole again");
}

/// What nothing of the last state needs may be lost.
#[test]
fn what_a_lost_volume_held_was_saved_anew() {
    let mut bench = Bench::new();
    fs::write(bench.source().join("a"), "a").unwrap();
    bench.backup().unwrap();
    for name in ["b", "c"] {
        fs::write(bench.source().join(name), name).unwrap();
    }
    bench.backup().unwrap();
    for name in ["b", "c"] {
        fs::remove_file(bench.source().join(name)).unwrap();
    }
    bench.backup().unwrap();
    bench.memory.remove(&volume(&bench, 1, 1)).unwrap();
    synthetic(&bench).unwrap();
    bench.assert_latest_is_the_tree("of what is left");
}

#[test]
fn volumes_that_do_not_fit_the_signatures_are_refused() {
    let mut bench = Bench::new();
    let path = bench.source().join("a");
    fs::write(&path, "the first content").unwrap();
    bench.backup().unwrap();
    fs::write(&path, "the second one").unwrap();
    bench.backup().unwrap();
    // The signatures of the last set become those of the first: that is what the original's resume leaves.
    let collection = bench.engine().collection().unwrap();
    let key = |at: usize| collection.chains[0].sets[at].signatures.as_ref().unwrap().key.clone();
    let first = bench.memory.get(&key(0)).unwrap();
    bench
        .memory
        .put(&key(1), engine_api::Body::Bytes(&first), PutMode::Replace)
        .unwrap();
    fs::remove_dir_all(bench.archive()).unwrap();
    let error = synthetic(&bench).unwrap_err();
    assert!(error.is_loss(), "{error}");
    let text = error.chain();
    assert!(text.contains("/source"), "{text}");
    assert_eq!(bench.engine().collection().unwrap().chains.len(), 1);
}

#[test]
fn a_missing_signature_file_is_named_and_can_be_mended() {
    let mut bench = Bench::new();
    chain(&mut bench, 5);
    bench.memory.lose("full-signatures");
    fs::remove_dir_all(bench.archive()).unwrap();
    let text = synthetic(&bench).unwrap_err().chain();
    assert!(text.contains("signature"), "{text}");
    let request = engine_api::RepairRequest {
        index: true,
        ..engine_api::RepairRequest::default()
    };
    crate::repair::run(&bench.engine(), &request, &Silent).unwrap();
    synthetic(&bench).unwrap();
    bench.assert_latest_is_the_tree("mended");
}

/// A change in the second in which the last backup was begun may have been read or not: the set says whose state it holds.
#[test]
fn it_says_when_its_state_was_begun_to_be_saved() {
    let mut bench = Bench::new();
    fs::write(bench.source().join("a"), "a").unwrap();
    bench.backup().unwrap();
    bench.backup().unwrap();
    let last = bench.engine().collection().unwrap().last_time().unwrap();
    synthetic(&bench).unwrap();
    bench.mode = BackupMode::Incremental;
    let archive = Archive::open(&bench.engine()).unwrap();
    let plan = super::super::plan::make(
        &bench.engine(),
        &archive,
        &bench.request(),
        BackupMode::Incremental,
        &Silent,
    );
    let basis = plan.unwrap().basis.unwrap();
    assert_eq!((basis.began(), basis.set.end().seconds()), (last, last.seconds() + 1));
}
