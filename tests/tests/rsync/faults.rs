//! Every call that changes something fails once, or is the last: no earlier snapshot changes, and the next run goes on.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use backends::layers::{Limits, TimeoutFiles};

use engine_api::{
    Engine, ErrorKind, ForgetRequest, Result, Severity, Silent, SnapshotFilter, StoreErrorKind, Timestamp,
};
use holdfast_tests::corpus;
use holdfast_tests::files::{Fail, GatedFiles};
use holdfast_tests::rsync::{Place, local};

use crate::common::Bench;

type Operation = fn(&Place, &Bench, Timestamp) -> Result<()>;

/// Which calls fail: each of the first, and then fewer and fewer, so that the time stays short.
fn numbers() -> impl Iterator<Item = u64> {
    (1..25).chain((25..90).step_by(4)).chain((90..).step_by(17))
}

/// Runs `operation` with one call failing, for more and more calls until none fails, from the same state.
fn fail_at_calls(operation: Operation, fail: fn(u64) -> Fail) {
    let bench = small_bench();
    let prepared = bench.path("prepared");
    copy(&bench.destination, &prepared);
    let time = bench.tick();
    for n in numbers() {
        std::fs::remove_dir_all(&bench.destination).unwrap();
        copy(&prepared, &bench.destination);
        let mut seals = bench.seals();
        let gated = GatedFiles::new(local(&bench.destination), fail(n), StoreErrorKind::Other);
        let outcome = operation(&Place::on(gated.clone()), &bench, time);
        assert!(
            gated.has_failed() || outcome.is_ok(),
            "it failed for no reason: {:?}",
            outcome.err()
        );
        let when = format!("after call {n} failed");
        if matches!(fail(n), Fail::Once(_)) {
            let lock = bench.destination.join(".holdfast/lock");
            assert!(!lock.exists(), "{when} the lock was left");
        }
        unlock(&bench.destination);
        // What is forgotten goes as a whole or not at all.
        seals.retain(|name, _| bench.destination.join(name).exists());
        assert!(seals.len() >= 2, "{when}");
        bench.assert_sealed(&seals, &when);
        assert_good(&bench, &when);
        operation(&bench.open(), &bench, time).unwrap_or_else(|error| panic!("{when}: {}", error.chain()));
        seals.retain(|name, _| bench.destination.join(name).exists());
        bench.assert_sealed(&seals, &format!("{when} and the next run was made"));
        assert_good(&bench, &when);
        if !gated.has_failed() {
            assert!(n > 10, "only {n} calls: the gate was not asked");
            return;
        }
    }
}

/// Nothing is wrong with what was there before, nor with a snapshot of whose making a problem was told, such as a time that
/// could not be set: what it says of itself is what is there.
fn assert_good(bench: &Bench, when: &str) {
    let report = bench.open().check_report();
    let is_error = |finding: &&engine_api::Finding| finding.severity == Severity::Error;
    let errors: Vec<_> = report.findings.iter().filter(is_error).collect();
    assert!(errors.is_empty(), "{when}: {errors:?}");
}

/// The process that died is this one, which lives: its lock is not stale by itself.
fn unlock(destination: &Path) {
    for name in ["lock", "lock.next"] {
        let _ = std::fs::remove_file(destination.join(".holdfast").join(name));
    }
}

/// Three snapshots, and a tree that differs from the last in every way.
fn small_bench() -> Bench {
    let bench = Bench::new();
    corpus::plain_tree(&bench.tree, 1, 12, 8_000);
    std::fs::write(bench.tree.join("large"), corpus::Random::new(1).noise(2 << 20)).unwrap();
    std::fs::hard_link(bench.tree.join("folder-000/file-00001"), bench.tree.join("linked")).unwrap();
    for turn in 0..3 {
        bench.backup();
        corpus::edit_plain_tree(&bench.tree, turn, 3);
    }
    let large = std::fs::File::options()
        .write(true)
        .open(bench.tree.join("large"))
        .unwrap();
    std::os::unix::fs::FileExt::write_all_at(&large, b"changed", 1 << 20).unwrap();
    let link = bench.tree.join("link");
    std::os::unix::fs::symlink("large", link).unwrap();
    std::fs::create_dir(bench.tree.join("empty")).unwrap();
    bench
}

fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(status.unwrap().success());
}

fn backup(place: &Place, bench: &Bench, time: Timestamp) -> Result<()> {
    let report = place.try_backup(&bench.tree, time)?;
    if report.problems.is_empty() {
        let id = report.snapshot.unwrap();
        bench.assert_restores(&id, &bench.picture());
    }
    Ok(())
}

fn forget_the_first(place: &Place, bench: &Bench, _time: Timestamp) -> Result<()> {
    let names = bench.names();
    if names.len() < 3 {
        return Ok(());
    }
    let request = ForgetRequest {
        filter: SnapshotFilter::default(),
        group_by: engine_api::retention::GroupBy::default(),
        keep: engine_api::retention::Keep::default(),
        ids: vec![names[0].clone()],
        dry_run: false,
    };
    place.engine.forget(&request, &Silent).map(|_| ())
}

#[test]
fn a_backup_when_the_storage_dies() {
    fail_at_calls(backup, Fail::DeadFrom);
}

#[test]
fn a_backup_when_the_answer_is_lost() {
    fail_at_calls(backup, Fail::DeadAfter);
}

#[test]
fn a_backup_when_one_call_fails() {
    fail_at_calls(backup, Fail::Once);
}

#[test]
fn a_removal_when_the_storage_dies() {
    fail_at_calls(forget_the_first, Fail::DeadFrom);
}

/// A share whose server hangs gives neither an answer nor an error: the run ends all the same, and says who was silent.
#[test]
fn a_backup_when_the_storage_hangs() {
    let limits = Limits {
        stall: Duration::from_millis(500),
        ..Limits::default()
    };
    for n in [2, 20, 60] {
        let bench = small_bench();
        let time = bench.tick();
        let seals = bench.seals();
        let gated = GatedFiles::new(local(&bench.destination), Fail::HangsFrom(n), StoreErrorKind::Other);
        let timed = TimeoutFiles::new(gated.clone(), "nas:/backup", limits);
        let outcome = backup(&Place::on(Arc::new(timed)), &bench, time);
        // Only now, so that nothing else can have ended the run.
        gated.release();
        let when = format!("call {n} hung");
        let error = outcome.expect_err(&when);
        assert!(
            error.chain().contains("nas:/backup gave no answer in 0.5 s"),
            "{when}: {}",
            error.chain()
        );
        assert!(
            error.hint().is_some_and(|hint| hint.contains("AnswerTimeout")),
            "{when}: {:?}",
            error.hint()
        );
        unlock(&bench.destination);
        bench.assert_sealed(&seals, &when);
        assert_good(&bench, &when);
        backup(&bench.open(), &bench, time).unwrap_or_else(|error| panic!("{when}: {}", error.chain()));
        bench.assert_sealed(&seals, &when);
        assert_good(&bench, &when);
    }
}

/// A full disk and its like are told as such, with what to do about it.
#[test]
fn the_cause_reaches_the_user() {
    let bench = small_bench();
    for (kind, words) in [
        (StoreErrorKind::ReadOnly, "writable"),
        (StoreErrorKind::Vanished, "mounted"),
        (StoreErrorKind::PermissionDenied, "owner"),
        (StoreErrorKind::Connection, "reachable"),
    ] {
        let seals = bench.seals();
        unlock(&bench.destination);
        let gated = GatedFiles::new(local(&bench.destination), Fail::DeadFrom(12), kind);
        let error = Place::on(gated).try_backup(&bench.tree, bench.tick()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Storage, "{}", error.chain());
        let hint = error.hint().unwrap_or_default();
        assert!(hint.contains(words), "{kind:?} gives the hint {hint:?}");
        bench.assert_sealed(&seals, words);
    }
}
