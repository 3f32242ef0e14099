//! Group C: files that cannot be read, or not at rest.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use holdfast_tests::corpus::Random;
use holdfast_tests::duplicity::equal::{as_stored, unequal};
use holdfast_tests::duplicity::history::{History, Side, Step};
use holdfast_tests::duplicity::ours::Holdfast;
use holdfast_tests::duplicity::real::{Duplicity, text};
use holdfast_tests::duplicity::{DAY, FIRST, tar};
use holdfast_tests::need;
use holdfast_tests::tree::{Compare, below, differences, picture};

use crate::common::{drive, each, path_in, set_files};

/// The user `nobody`, who may not read what is root's.
const NOBODY: u32 = 65_534;

/// Hands a tree to [`NOBODY`].
fn hand_over(path: &Path) {
    let status = Command::new("chown")
        .args(["-R", &format!("{NOBODY}:{NOBODY}")])
        .arg(path)
        .status();
    assert!(status.unwrap().success());
}

fn as_nobody(command: &Command) -> Command {
    let mut wrapped = Command::new("setpriv");
    wrapped.args([
        &format!("--reuid={NOBODY}"),
        &format!("--regid={NOBODY}"),
        "--clear-groups",
    ]);
    wrapped.arg(command.get_program()).args(command.get_args());
    wrapped
}

/// Whether this user may become [`NOBODY`], and that one may reach the programs of the suite.
fn can_be_nobody() -> bool {
    let program = Command::new("test");
    let mut command = as_nobody(&program);
    let status = command
        .args(["-x", env!("CARGO_BIN_EXE_duplicity-drive")])
        .stderr(Stdio::null())
        .status();
    rustix::process::geteuid().is_root() && status.is_ok_and(|status| status.success())
}

/// Saved by one user and restored by another: names and numbers of owners as far as that user may give them.
#[test]
fn b9_another_user() {
    need!(can_be_nobody().then_some(()), "this user may not become another one");
    for program in each!() {
        let mut history = History::of_empty();
        fs::create_dir(history.source.join("dir")).unwrap();
        fs::write(history.source.join("dir/file"), Random::new(1).noise(200_000)).unwrap();
        fs::set_permissions(history.source.parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
        let archive = history.path("archive");
        fs::create_dir(&archive).unwrap();
        for path in [&history.source, &history.target, &archive] {
            hand_over(path);
        }
        let run = |operation: &str, argument: &str| {
            let command = drive(&history, &archive, 1, operation, argument);
            let output = as_nobody(&command).env("TMPDIR", &archive).output().unwrap();
            assert!(output.status.success(), "{operation}: {}", text(&output));
        };
        run("full", &FIRST.to_string());
        history.states.push((FIRST, picture(&history.source)));
        let real = Duplicity::new(&program, &history.target);
        history.assert_restores(&real);

        // And the other way round: what root saved with the original, nobody restores with Holdfast.
        fs::write(history.source.join("dir/more"), "more").unwrap();
        chown(history.source.join("dir/more"), Some(0), Some(0)).unwrap();
        history.save(&real, Step::Incremental);
        let target = archive.join("restored");
        let command = drive(&history, &archive, 1, "restore", target.to_str().unwrap());
        let output = as_nobody(&command).env("TMPDIR", &archive).output().unwrap();
        let root = below(&target, &history.source);
        let compare = Compare {
            owners: false,
            ..Compare::default()
        };
        let differences = differences(&as_stored(&history.states[1].1), &as_stored(&picture(&root)), compare);
        assert!(differences.is_empty(), "{differences:?}\n{}", text(&output));
    }
}

#[test]
fn c8_what_cannot_be_read_is_not_deleted() {
    need!(can_be_nobody().then_some(()), "this user may not become another one");
    for program in each!() {
        let mut history = History::of_empty();
        let at = |name: &str| history.source.join(name);
        for name in ["closed", "open"] {
            fs::create_dir(at(name)).unwrap();
            fs::write(at(name).join("inside"), name).unwrap();
        }
        fs::write(at("secret"), "for now readable").unwrap();
        fs::write(at("plain"), "text").unwrap();
        fs::set_permissions(history.source.parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
        let archive = history.path("archive");
        fs::create_dir(&archive).unwrap();
        for path in [&history.source, &history.target, &archive] {
            hand_over(path);
        }
        let full = drive(&history, &archive, 1, "full", &FIRST.to_string());
        let output = as_nobody(&full).env("TMPDIR", &archive).output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
        let before = picture(&history.source);
        history.states.push((FIRST, before.clone()));

        fs::write(at("plain"), "changed").unwrap();
        fs::write(at("secret"), "changed and closed").unwrap();
        for name in ["closed", "secret"] {
            chown(at(name), Some(0), Some(0)).unwrap();
            fs::set_permissions(at(name), fs::Permissions::from_mode(0o600)).unwrap();
        }
        let increment = drive(&history, &archive, 1, "incremental", &(FIRST + DAY).to_string());
        let output = as_nobody(&increment).env("TMPDIR", &archive).output().unwrap();
        let printed = text(&output);
        assert!(!output.status.success(), "problems were to be reported: {printed}");
        assert!(printed.contains("closed") && printed.contains("secret"), "{printed}");

        let real = Duplicity::new(&program, &history.target);
        let ours = Holdfast::new(&history.target);
        for (number, side) in [&real as &dyn Side, &ours].into_iter().enumerate() {
            let root = side.restore(None, &history.source, &history.path(&format!("restored-{number}")));
            assert_eq!(fs::read(root.join("secret")).unwrap(), b"for now readable");
            assert_eq!(fs::read(root.join("closed/inside")).unwrap(), b"closed");
            assert_eq!(fs::read(root.join("plain")).unwrap(), b"changed");
        }
        let manifest = set_files(&history.target, ".manifest");
        let last = fs::read_to_string(
            manifest
                .iter()
                .find(|path| path.to_string_lossy().contains("duplicity-inc"))
                .unwrap(),
        )
        .unwrap();
        assert!(!last.contains("deleted"), "{last}");
    }
}

#[test]
fn c9_files_that_change_while_they_are_read() {
    let programs = each!();
    let mut history = History::of_empty();
    for name in ["grows", "shrinks", "changes", "quiet"] {
        fs::write(history.source.join(name), Random::new(1).noise(6_000_000)).unwrap();
    }
    for number in 0..50 {
        fs::write(history.source.join(format!("comes-and-goes-{number}")), "here").unwrap();
    }
    let ours = Holdfast::new(&history.target);
    let stop = AtomicBool::new(false);
    let mut last_time = FIRST;
    for turn in 0..4 {
        stop.store(false, Ordering::SeqCst);
        std::thread::scope(|scope| {
            scope.spawn(|| disturb(&history.source, &stop));
            let step = if turn == 0 { Step::Full } else { Step::Incremental };
            last_time = FIRST + turn * DAY;
            let outcome = ours.try_save(step, &history.source, last_time);
            stop.store(true, Ordering::SeqCst);
            outcome.unwrap_or_else(|error| panic!("{}", error.chain()));
        });
    }
    // Every signature is that of the bytes that were stored: the next delta is right.
    let target = history.path("restored");
    let root = ours.restore(None, &history.source, &target);
    assert_signatures(&history, &root);
    assert!(fs::read(root.join("quiet")).unwrap() == Random::new(1).noise(6_000_000));
    for (number, program) in programs.iter().enumerate() {
        let real = Duplicity::new(program, &history.target);
        let other = real.restore(None, &history.source, &history.path(&format!("by-real-{number}")));
        assert!(unequal(&picture(&root), &other).is_empty());
    }
    history.states.clear();
    ours.save(Step::Incremental, &history.source, last_time + DAY);
    history.states.push((last_time + DAY, picture(&history.source)));
    history.assert_restores_latest(&ours);
    history.assert_restores_latest(&Duplicity::new(&programs[0], &history.target));
    ours.check(&history.source);
}

fn disturb(source: &Path, stop: &AtomicBool) {
    let mut random = Random::new(9);
    let mut turn = 0;
    while !stop.load(Ordering::SeqCst) {
        turn += 1;
        let grows = fs::File::options().append(true).open(source.join("grows")).unwrap();
        std::io::Write::write_all(&mut &grows, &random.noise(10_000)).unwrap();
        let shrinks = fs::File::options().write(true).open(source.join("shrinks")).unwrap();
        shrinks.set_len(6_000_000 - (turn * 100_000) % 5_000_000).unwrap();
        let changes = fs::File::options().write(true).open(source.join("changes")).unwrap();
        let place = random.below(5_000_000);
        std::os::unix::fs::FileExt::write_all_at(&changes, &random.noise(5000), place).unwrap();
        let name = source.join(format!("comes-and-goes-{}", random.below(50)));
        if fs::remove_file(&name).is_err() {
            fs::write(name, random.noise(100)).unwrap();
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The newest signature of each file in the repository is that of the restored file.
fn assert_signatures(history: &History, root: &Path) {
    let mut newest = std::collections::BTreeMap::new();
    let mut paths = set_files(&history.target, ".sigtar");
    paths.sort_by_key(|path| !path.to_string_lossy().contains("full-signatures"));
    for path in paths {
        for entry in tar::entries(&tar::unwrapped(&path)) {
            newest.insert(path_in(&entry.name), entry);
        }
    }
    let mut compared = 0;
    for (path, entry) in newest {
        if !entry.name.starts_with(b"signature/") {
            continue;
        }
        let path = root.join(std::str::from_utf8(&path).unwrap());
        let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let layout = rdiff::Signature::parse(entry.data.clone()).unwrap().layout();
        let mut builder = rdiff::SignatureBuilder::new(layout);
        builder.push(&bytes);
        assert!(builder.finish() == entry.data, "{}", path.display());
        compared += 1;
    }
    assert!(compared > 3);
}
