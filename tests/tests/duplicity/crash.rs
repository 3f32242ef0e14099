//! Group C: what becomes of a run that dies.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine_api::{BlobStore, ErrorKind, StoreErrorKind};
use holdfast_tests::corpus::Random;
use holdfast_tests::duplicity::history::{History, Side, Step, names};
use holdfast_tests::duplicity::ours::Holdfast;
use holdfast_tests::duplicity::programs;
use holdfast_tests::duplicity::real::Duplicity;
use holdfast_tests::duplicity::{DAY, FIRST};
use holdfast_tests::faults::{FailAt, Gated, When};
use holdfast_tests::holdfast::local;
use holdfast_tests::need;
use holdfast_tests::tree::picture;

use crate::common::{change_five_volumes, drive, each, five_volumes, replace, set_files};

fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(status.unwrap().success());
}

/// Runs a backup with the n-th call of the storage failing, from the state with one full set, for every n until none
/// fails; what comes then is up to `afterwards`.
fn dying_at_each_write(when: When, mut afterwards: impl FnMut(&mut History, &Holdfast, u64)) {
    let mut history = History::of_empty();
    five_volumes(&history);
    let first = Holdfast::new(&history.target);
    history.save(&first, Step::Full);
    change_five_volumes(&history, 1);
    let kept: Vec<_> = [&history.target, &first.cache(), &history.source]
        .into_iter()
        .zip(["t", "c", "s"])
        .map(|(from, to)| (from.clone(), history.path(to)))
        .collect();
    for (from, to) in &kept {
        copy(from, to);
    }
    for n in 1.. {
        for (from, to) in &kept {
            copy(to, from);
        }
        history.states.truncate(1);
        let gated = Gated::new(
            local(&history.target),
            FailAt::dead_from(n, when, StoreErrorKind::Vanished),
        );
        let store: Arc<dyn BlobStore> = gated.clone();
        let outcome = first.try_save_on(store, Step::Incremental, &history.source, FIRST + DAY);
        let failed = gated.gate.has_failed();
        assert!(
            failed || outcome.is_ok(),
            "it failed for no reason: {:?}",
            outcome.err()
        );
        let is_stored = history
            .names()
            .iter()
            .any(|name| name.contains("duplicity-inc.") && name.ends_with(".manifest"));
        if is_stored {
            history.states.push((FIRST + DAY, picture(&history.source)));
        }
        afterwards(&mut history, &first, n);
        if !failed {
            assert!(n > 8, "only {n} calls: the gate was not asked");
            return;
        }
    }
}

#[test]
fn c3_killed_at_each_call() {
    let programs = each!();
    for when in [When::Before, When::After] {
        dying_at_each_write(when, |history, ours, n| {
            println!("died at call {n}, {when:?}: {:?}", history.names());
            let program = &programs[usize::try_from(n).unwrap() % programs.len()];
            let real = Duplicity::new(program, &history.target);
            // What was complete is, whoever reads.
            let times = ours.times(&history.source);
            assert_eq!(times, history.states.iter().map(|(time, _)| *time).collect::<Vec<_>>());
            history.assert_restores(ours);
            history.assert_restores_latest(ours);
            let (time, saved) = &history.states[0];
            history.assert_restores_at(&real, Some(*time), saved);
            // And Holdfast goes on, to a state that both restore.
            change_five_volumes(history, 2);
            let time = FIRST + 2 * DAY;
            ours.save(Step::Incremental, &history.source, time);
            history.states.push((time, picture(&history.source)));
            history.assert_restores_latest(ours);
            history.assert_restores_latest(&real);
            let status = real.status();
            assert!(status.contains("No orphaned or incomplete"), "{status}");
        });
    }
}

/// The original goes on as well, with an archive folder of its own; what Holdfast left, it takes for its own leftovers.
#[test]
fn c3_the_original_goes_on() {
    let programs = each!();
    dying_at_each_write(When::Before, |history, ours, n| {
        let program = &programs[usize::try_from(n).unwrap() % programs.len()];
        let real = Duplicity::new(program, &history.target);
        real.output("cleanup", &["--force".into(), real.url()]);
        change_five_volumes(history, 3);
        let time = FIRST + 3 * DAY;
        let output = real.output("incremental", &real.backup_arguments(&history.source, time));
        if !output.status.success() {
            // After its cleanup a 3.x may lack the signatures for an increment; a full backup is what it says to make.
            real.save(Step::Full, &history.source, time);
        }
        history.states.push((time, picture(&history.source)));
        history.assert_restores(&real);
        history.assert_restores_latest(ours);
        fs::write(history.source.join("last"), "one").unwrap();
        ours.save(Step::Incremental, &history.source, time + DAY);
        history.states.push((time + DAY, picture(&history.source)));
        history.assert_restores_latest(ours);
        history.assert_restores_latest(&real);
    });
}

#[test]
fn c4_changes_around_the_checkpoint() {
    let programs = each!();
    dying_at_each_write(When::Before, |history, ours, n| {
        println!("died at call {n}: {:?}", history.names());
        let at = |name: &str| history.source.join(name);
        let mut random = Random::new(n + 100);
        // Before and after wherever it was: changed, deleted, new, and a file that was cut by a volume's end.
        for name in ["a", "c", "e"] {
            replace(
                &at(name),
                &random.noise(1_200_000),
                1_700_000_000 + i64::try_from(n).unwrap(),
            );
        }
        fs::remove_dir_all(at("b")).unwrap();
        fs::remove_file(at("d/small")).unwrap();
        for name in ["0-new", "b-new", "d/new", "z-new"] {
            fs::write(at(name), random.noise(5000)).unwrap();
        }
        let time = FIRST + 2 * DAY;
        ours.save(Step::Incremental, &history.source, time);
        history.states.push((time, picture(&history.source)));
        history.assert_restores_latest(ours);
        fs::write(at("zz-last"), "one").unwrap();
        ours.save(Step::Incremental, &history.source, time + DAY);
        history.states.push((time + DAY, picture(&history.source)));
        history.assert_restores(ours);
        let real = Duplicity::new(&programs[usize::try_from(n).unwrap() % programs.len()], &history.target);
        history.assert_restores_latest(&real);
        ours.check(&history.source);
    });
}

/// `kill -9` at moments that nobody chose, one after the other on the same repository.
#[test]
fn c3_kill_9_at_random_moments() {
    let programs = each!();
    let mut history = History::of_empty();
    five_volumes(&history);
    let ours = Holdfast::new(&history.target);
    let archive = ours.settings.archive.clone().unwrap();
    let start = Instant::now();
    let status = drive(&history, &archive, 1, "full", &FIRST.to_string())
        .stdout(Stdio::null())
        .status();
    assert!(status.unwrap().success());
    let mut whole = u64::try_from(start.elapsed().as_micros()).unwrap();
    history.states.push((FIRST, picture(&history.source)));
    let mut random = Random::new(std::process::id().into());
    let mut kills = 0;
    let mut known = vec![FIRST];
    for turn in 1..=40_i64 {
        change_five_volumes(&history, u64::try_from(turn).unwrap());
        let time = FIRST + turn * DAY;
        let mut child = drive(&history, &archive, 1, "incremental", &time.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_micros(random.below(whole * 11 / 10)));
        child.kill().unwrap();
        let killed = !child.wait().unwrap().success();
        kills += u32::from(killed);
        if !killed {
            // The machine may have been busier before.
            whole = whole * 3 / 4 + 1;
        }
        // A set of this run's own time holds the tree as it is. One of an earlier time was gone on with: it is complete, and
        // what changed before the place where it had stopped is in the set after it.
        let now = ours.times(&history.source);
        assert!(now.len() >= known.len(), "{now:?} after {known:?}");
        let has_own = now.last() == Some(&time);
        assert!(has_own || killed, "a backup that ended well has left no set");
        if has_own {
            history.states.push((time, picture(&history.source)));
            history.assert_restores_latest(&ours);
        } else if now != known {
            ours.restore(None, &history.source, &history.path(&format!("restored-{turn}")));
        } else if history.states.last().map(|(time, _)| time) == known.last() {
            history.assert_restores_latest(&ours);
        }
        known = now;
    }
    println!("{kills} kills");
    assert!(kills >= 8, "only {kills} kills");
    ours.save(Step::Incremental, &history.source, FIRST + 100 * DAY);
    history.states.push((FIRST + 100 * DAY, picture(&history.source)));
    ours.check(&history.source);
    history.assert_restores(&ours);
    for program in &programs {
        history.assert_restores_latest(&Duplicity::new(program, &history.target));
    }
}

/// 0.8.22 interrupted, files changed and made before the checkpoint, and the backup resumed: its sets lack them.
#[test]
fn c5_damage_by_the_originals_resume() {
    let program = need!(programs::old(), "no duplicity 0.8 is installed");
    let mut history = History::of_empty();
    five_volumes(&history);
    let real = Duplicity::new(&program, &history.target);
    let mut arguments = real.backup_arguments(&history.source, FIRST);
    arguments.insert(0, "--fail-on-volume=4".into());
    real.fail("full", &arguments);
    replace(
        &history.source.join("a"),
        &Random::new(50).noise(1_400_000),
        1_650_000_000,
    );
    replace(&history.source.join("b/small"), b"changed", 1_650_000_001);
    replace(&history.source.join("a-new"), b"made meanwhile", 1_650_000_002);
    real.save(Step::Full, &history.source, FIRST);
    let ours = Holdfast::new(&history.target);
    let report = ours.check_report(&history.source);
    let words = format!("{:?}", report.findings);
    assert!(report.errors > 0, "the damage is not seen: {words}");
    for name in ["a-new", "b/small"] {
        assert!(words.contains(name), "{name} is not named in {words}");
    }
    history.states.push((FIRST, picture(&history.source)));
    history.save(&ours, Step::Incremental);
    history.assert_restores_latest(&ours);
    history.assert_restores_latest(&real);
    replace(&history.source.join("b/small"), b"changed again", 1_650_000_005);
    history.save(&real, Step::Incremental);
    history.assert_restores_latest(&ours);
    history.assert_restores_latest(&real);
}

/// Whatever Holdfast leaves in an archive folder, the original that shares it comes to a set that can be restored.
#[test]
fn c6_leftovers_in_a_shared_archive_folder() {
    let programs = each!();
    dying_at_each_write(When::Before, |history, ours, n| {
        let program = &programs[usize::try_from(n).unwrap() % programs.len()];
        let real = Duplicity::new(program, &history.target).sharing(&ours.cache());
        println!("died at call {n}: {:?} and {:?}", history.names(), names(&ours.cache()));
        let time = FIRST + 3 * DAY;
        let output = real.output("incremental", &real.backup_arguments(&history.source, time));
        if !output.status.success() {
            // It may refuse while leftovers lie there, and what it then says to do helps: its own cleanup, and a full backup.
            real.output("cleanup", &["--force".into(), real.url()]);
            real.save(Step::Full, &history.source, time);
        }
        history.assert_restores_at(&real, None, &picture(&history.source));
        history.assert_restores_at(ours, None, &picture(&history.source));
    });
}

#[test]
fn c7_no_room_in_the_middle() {
    let programs = each!();
    let mut history = History::of_empty();
    five_volumes(&history);
    let ours = Holdfast::new(&history.target);
    history.save(&ours, Step::Full);
    change_five_volumes(&history, 1);
    for (n, kind) in [(4, StoreErrorKind::NoSpace), (5, StoreErrorKind::ReadOnly)] {
        let gated = Gated::new(local(&history.target), FailAt::dead_from(n, When::Before, kind));
        let error = ours
            .try_save_on(gated, Step::Incremental, &history.source, FIRST + DAY / 2)
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Storage, "{}", error.chain());
        assert!(error.hint().is_some(), "{}", error.chain());
        assert!(set_files(&history.target, ".manifest").len() == 1);
        history.assert_restores_latest(&ours);
        for program in &programs {
            let (time, saved) = &history.states[0];
            history.assert_restores_at(&Duplicity::new(program, &history.target), Some(*time), saved);
        }
    }
    history.save(&ours, Step::Incremental);
    history.assert_restores(&ours);
    for program in &programs {
        history.assert_restores(&Duplicity::new(program, &history.target));
    }
}
