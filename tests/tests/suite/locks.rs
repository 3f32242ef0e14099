//! Locks are honoured both ways.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use engine_api::ErrorKind;
use holdfast_tests::restic::{self, Restic};
use holdfast_tests::seal::MasterKey;
use holdfast_tests::{corpus, need};
use serde_json::json;

use crate::common::{Bench, objects};

/// Puts a lock into the repository as a program on `host` with process number `pid` would, so many minutes ago.
fn plant(bench: &Bench, restic: &Restic, exclusive: bool, host: &str, pid: u32, minutes: i64) {
    let now = engine_api::Timestamp::now();
    let then = engine_api::Timestamp {
        seconds: now.seconds - minutes * 60,
        ..now
    };
    let lock = json!({
        "time": then.to_jiff().unwrap().to_string(),
        "exclusive": exclusive,
        "hostname": host,
        "username": "suite",
        "pid": pid,
    });
    let sealed = MasterKey::of(restic).seal(lock.to_string().as_bytes());
    let name = holdfast_tests::seal::name_of(&sealed);
    std::fs::write(bench.repository.join("locks").join(name), sealed).unwrap();
}

fn locks(bench: &Bench) -> usize {
    // Not those that are being written, which have other names.
    let is_whole = |path: &PathBuf| path.file_name().unwrap().len() == 64;
    objects(&bench.repository, "locks")
        .iter()
        .filter(|path| is_whole(path))
        .count()
}

fn this_host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

struct Setup {
    bench: Bench,
    restic: Restic,
}

fn setup() -> Option<Setup> {
    let program = restic::newest()?;
    let bench = Bench::with_plain_tree(1);
    bench.init().backup(&[&bench.tree]);
    let restic = bench.restic(&program);
    Some(Setup { bench, restic })
}

#[test]
fn an_exclusive_lock_of_another_machine_stops_everything() {
    let Setup { bench, restic } = need!(setup(), "restic is not installed");
    plant(&bench, &restic, true, "elsewhere", 1, 5);
    let repository = bench.open();
    let errors = [
        repository.try_backup(&[&bench.tree]).map(|_| ()).unwrap_err(),
        repository.prune().map(|_| ()).unwrap_err(),
        repository.check_report().map(|_| ()).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Locked, "{}", error.chain());
        assert!(error.chain().contains("elsewhere"), "{}", error.chain());
        assert!(error.hint().is_some());
    }
    assert_eq!(locks(&bench), 1, "somebody else's lock was removed, or an own one left");
    restic.fail(&["backup".as_ref(), bench.tree.as_os_str()]);
}

#[test]
fn a_shared_lock_stops_only_what_needs_the_repository_alone() {
    let Setup { bench, restic } = need!(setup(), "restic is not installed");
    plant(&bench, &restic, false, "elsewhere", 1, 5);
    let repository = bench.open();
    repository.backup(&[&bench.tree]);
    let error = repository.prune().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked, "{}", error.chain());
    assert_eq!(locks(&bench), 1);
}

#[test]
fn stale_locks_are_recognised_and_removed() {
    let Setup { bench, restic } = need!(setup(), "restic is not installed");
    // Too old, from whatever machine; and of a process of this machine that is no more.
    let mut gone = Command::new("/bin/true").spawn().unwrap();
    let dead = gone.id();
    gone.wait().unwrap();
    for (host, pid, minutes) in [("elsewhere", 1, 45), (this_host().as_str(), dead, 2)] {
        plant(&bench, &restic, true, host, pid, minutes);
        bench.open().backup(&[&bench.tree]);
        bench.open().prune().unwrap();
        assert_eq!(locks(&bench), 0, "the stale lock of {host} is still there");
    }
}

#[test]
fn a_lock_of_a_living_process_of_this_machine_is_no_stale_one() {
    let Setup { bench, restic } = need!(setup(), "restic is not installed");
    plant(&bench, &restic, true, &this_host(), std::process::id(), 5);
    let error = bench.open().try_backup(&[&bench.tree]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked, "{}", error.chain());
    assert_eq!(bench.open().engine.unlock(false).unwrap(), 0);
    assert_eq!(bench.open().engine.unlock(true).unwrap(), 1);
    bench.open().backup(&[&bench.tree]);
}

/// Starts the operation in a process of its own.
fn drive(repository: &Path, operation: &str, path: Option<&Path>) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast-drive"));
    command.arg(repository).arg(operation).args(path);
    command.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    command.spawn().unwrap()
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what} did not come");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The real restic in a running Holdfast backup: it sees the lock, names it, and waits its turn.
#[test]
fn restic_honours_the_locks_of_a_running_backup() {
    let Setup { bench, restic } = need!(setup(), "restic is not installed");
    let more = bench.tree.join("more");
    std::fs::create_dir(&more).unwrap();
    std::fs::write(more.join("large"), corpus::Random::new(1).noise(64 << 20)).unwrap();
    let mut child = drive(&bench.repository, "backup", Some(&bench.tree));
    wait_for("the lock", || locks(&bench) > 0);
    // Held still, so that the backup cannot end before restic has looked.
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    let said = restic.fail(&["prune"]);
    assert!(
        said.contains("locked") && said.contains(&child.id().to_string()),
        "{said}"
    );
    // Two backups at once are no trouble.
    restic.backup(&[&bench.tree]);
    rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(locks(&bench), 0);
    restic.check();
    assert_eq!(restic.snapshots().len(), 3);
}

/// And the other way round: restic is held still in the middle of a backup.
#[test]
fn holdfast_honours_the_locks_of_a_running_restic() {
    let Setup { bench, restic } = need!(setup(), "restic is not installed");
    std::fs::write(bench.tree.join("large"), corpus::Random::new(1).noise(64 << 20)).unwrap();
    let mut command = restic.command();
    command
        .arg("backup")
        .arg(&bench.tree)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    wait_for("the lock", || locks(&bench) > 0);
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    let error = bench.open().prune().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked, "{}", error.chain());
    bench.open().backup(&[&bench.tree]);
    rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
    assert!(child.wait().unwrap().success());
    restic.check();
    bench.open().check();
}
