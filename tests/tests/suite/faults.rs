//! Every storage call fails once: the repository is good after each, and the next run goes on.

use std::sync::Arc;

use engine_api::{BlobStore, ErrorKind, StoreErrorKind};
use holdfast_tests::faults::{FailAt, FlipReads, Gated, When};
use holdfast_tests::holdfast::{Repository, local};
use holdfast_tests::restic::{self, Restic};
use holdfast_tests::{corpus, need};

use crate::common::Bench;

/// A few files, so that the loop over all calls takes seconds.
fn small_bench() -> Bench {
    let bench = Bench::new();
    corpus::plain_tree(&bench.tree, 1, 30, 8_000);
    bench
}

type Operation = fn(&Repository, &Bench) -> engine_api::Result<()>;

/// Runs `operation` with the n-th call failing for every n until none fails, from the state that `prepare` makes; the
/// repository is checked each time and with the real restic every `sample` times.
fn fail_each_call(prepare: fn(&Bench), operation: Operation, gate: fn(u64) -> FailAt, sample: u64) {
    let program = restic::newest();
    let bench = small_bench();
    prepare(&bench);
    let prepared = bench.path("prepared");
    copy(&bench.repository, &prepared);
    for n in 1..2000 {
        std::fs::remove_dir_all(&bench.repository).unwrap();
        copy(&prepared, &bench.repository);
        let gated = Gated::new(local(&bench.repository), gate(n));
        let store: Arc<dyn BlobStore> = gated.clone();
        let outcome = Repository::on(store)
            .map_err(engine_api::Error::from)
            .and_then(|repository| operation(&repository, &bench));
        let failed = gated.gate.has_failed();
        assert!(
            failed || outcome.is_ok(),
            "it failed for no reason: {:?}",
            outcome.err()
        );
        assert_good(
            &bench,
            n,
            program
                .as_ref()
                .filter(|_| n % sample == 0)
                .map(|program| bench.restic(program)),
        );
        // What was not done is done by the next run.
        bench.open().engine.unlock(true).unwrap();
        operation(&bench.open(), &bench).unwrap_or_else(|error| panic!("after call {n} failed: {}", error.chain()));
        assert_good(&bench, n, None);
        if !failed {
            assert!(n > 10, "only {n} calls: the gate was not asked");
            return;
        }
    }
    panic!("it never runs to its end");
}

fn assert_good(bench: &Bench, n: u64, restic: Option<Restic>) {
    let repository = bench.open();
    repository.engine.unlock(true).unwrap();
    let report = repository.check_report().unwrap();
    assert_eq!(report.errors, 0, "after call {n} failed: {:?}", report.findings);
    if let Some(restic) = restic {
        restic.check();
    }
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    let status = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(status.unwrap().success());
}

fn first_backup(bench: &Bench) {
    bench.init().backup(&[&bench.tree]);
    corpus::edit_plain_tree(&bench.tree, 5, 3);
}

fn backup(repository: &Repository, bench: &Bench) -> engine_api::Result<()> {
    repository.try_backup(&[&bench.tree]).map(|_| ())
}

fn many_backups(bench: &Bench) {
    let repository = bench.init();
    for turn in 0..4 {
        repository.backup(&[&bench.tree]);
        corpus::edit_plain_tree(&bench.tree, 60 + turn, 2);
    }
}

fn forget_and_prune(repository: &Repository, _bench: &Bench) -> engine_api::Result<()> {
    repository.keep_last(1)?;
    repository.prune().map(|_| ())
}

/// An index is gone, and the packs are whole.
fn index_lost(bench: &Bench) {
    many_backups(bench);
    let index = crate::common::objects(&bench.repository, "index");
    std::fs::remove_file(&index[0]).unwrap();
}

fn repair(repository: &Repository, _bench: &Bench) -> engine_api::Result<()> {
    repository.repair().map(|_| ())
}

fn once(n: u64) -> FailAt {
    FailAt::once(n, When::Before, StoreErrorKind::Connection)
}

fn dead(n: u64) -> FailAt {
    FailAt::dead_from(n, When::Before, StoreErrorKind::Vanished)
}

fn answer_lost(n: u64) -> FailAt {
    FailAt::dead_from(n, When::After, StoreErrorKind::Timeout)
}

#[test]
fn backup_when_one_call_fails() {
    fail_each_call(first_backup, backup, once, 9);
}

#[test]
fn backup_when_the_storage_dies() {
    fail_each_call(first_backup, backup, dead, 9);
}

#[test]
fn prune_when_one_call_fails() {
    fail_each_call(many_backups, forget_and_prune, once, 9);
}

#[test]
fn prune_when_the_storage_dies() {
    fail_each_call(many_backups, forget_and_prune, dead, 9);
}

#[test]
fn prune_when_the_answer_is_lost() {
    fail_each_call(many_backups, forget_and_prune, answer_lost, 9);
}

/// The one loop whose repository is not good in between: what was lost before is still lost, and no more.
#[test]
fn repair_when_the_storage_dies() {
    let bench = small_bench();
    index_lost(&bench);
    let prepared = bench.path("prepared");
    copy(&bench.repository, &prepared);
    for n in 1..2000 {
        std::fs::remove_dir_all(&bench.repository).unwrap();
        copy(&prepared, &bench.repository);
        let gated = Gated::new(local(&bench.repository), dead(n));
        let store: Arc<dyn BlobStore> = gated.clone();
        let _ = Repository::on(store).map(|repository| repair(&repository, &bench));
        bench.open().engine.unlock(true).unwrap();
        repair(&bench.open(), &bench).unwrap_or_else(|error| panic!("after call {n} failed: {}", error.chain()));
        assert_good(&bench, n, None);
        assert_eq!(
            bench.open().snapshots().len(),
            4,
            "after call {n} failed snapshots are gone"
        );
        if !gated.gate.has_failed() {
            return;
        }
    }
    panic!("it never runs to its end");
}

/// A full disk is told as such, with what to do about it.
#[test]
fn the_cause_reaches_the_user() {
    let bench = small_bench();
    drop(bench.init());
    for (kind, words) in [
        (StoreErrorKind::NoSpace, "room"),
        (StoreErrorKind::ReadOnly, "writable"),
        (StoreErrorKind::Vanished, "mounted"),
        (StoreErrorKind::PermissionDenied, "owner"),
    ] {
        let gate = FailAt::dead_from(8, When::Before, kind);
        let gated = Gated::new(local(&bench.repository), gate);
        let outcome = Repository::on(gated).map_err(engine_api::Error::from);
        let error = outcome.and_then(|repository| backup(&repository, &bench)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Storage, "{}", error.chain());
        let hint = error.hint().unwrap_or_default();
        assert!(hint.contains(words), "{kind:?} gives the hint {hint:?}");
        bench.open().engine.unlock(true).unwrap();
    }
}

/// A bit that flips on the way is not believed.
#[test]
fn a_flipped_read_is_noticed() {
    let bench = small_bench();
    let saved = bench.picture();
    bench.init().backup(&[&bench.tree]);
    for folder in ["snapshots/", "index/", "data/"] {
        let gate = FlipReads {
            folder,
            times: u64::MAX.into(),
        };
        let repository = Repository::on(Gated::new(local(&bench.repository), gate));
        let outcome = repository
            .map_err(engine_api::Error::from)
            .and_then(|repository| repository.check_report());
        let noticed = outcome.as_ref().map_or(true, |report| report.errors > 0);
        assert!(noticed, "flips in {folder} were not noticed");
    }
    bench.open().check();
    bench.assert_restores(&saved);
}

/// The real restic agrees, so that the loops above are not only our own opinion.
#[test]
fn the_loops_have_their_judge() {
    need!(
        restic::newest(),
        "restic is not installed: the fault loops are judged by Holdfast's own check alone"
    );
}
