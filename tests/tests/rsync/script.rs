//! The original script and Holdfast take turns in one destination.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use engine_api::{Engine, ForgetRequest, Silent, SnapshotFilter, SnapshotId};
use engine_rsync::{RsyncEngine, Strategy};
use holdfast_tests::corpus::{self, Random};
use holdfast_tests::need;
use holdfast_tests::rsync::{itemize, local, settings};
use holdfast_tests::tree::{Compare, Picture, assert_same, below, picture};
use proptest::prelude::*;

use crate::common::{Bench, inode, name_of};

const NO_RSYNC: &str = "rsync is not installed";

fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap())
        .map(|file| file.unwrap().path().strip_prefix(dir).unwrap().to_owned())
        .collect();
    files.sort();
    files
}

/// Which files of `tree` are one with those of the snapshot before, and which are not.
fn shared(bench: &Bench, before: &str, after: &str) -> (Vec<String>, Vec<String>) {
    let (before, after) = (bench.stored(before), bench.stored(after));
    let (mut same, mut other) = (Vec::new(), Vec::new());
    for file in files(&bench.tree) {
        let there = before.join(&file);
        let is_same = there.exists() && inode(&there) == inode(&after.join(&file));
        let list = if is_same { &mut same } else { &mut other };
        list.push(file.to_string_lossy().into_owned());
    }
    (same, other)
}

#[test]
fn they_take_turns() {
    let bench = Bench::with_plain_tree(1);
    let script = need!(bench.script(), NO_RSYNC);
    let tree = bench.tree.clone();
    fs::hard_link(tree.join("folder-000/file-00001"), tree.join("folder-001/linked")).unwrap();
    let mut before: Option<String> = None;
    for turn in 0..6 {
        let seals = bench.seals();
        let name = if turn % 2 == 0 {
            let name = bench.tick_name();
            script.run(&bench.destination, &name);
            name
        } else {
            bench.backup().0
        };
        assert_eq!(bench.latest(), name);
        assert_eq!(itemize(&tree, &bench.stored(&name)), "", "turn {turn}");
        bench.assert_sealed(&seals, &format!("turn {turn}"));
        let target = tempfile::tempdir_in(bench.path("")).unwrap();
        bench.open().restore(&SnapshotId(name.clone()), target.path());
        let restored = picture(&below(target.path(), &tree));
        if turn % 2 == 0 {
            // To rsync, times of folders within one second are the same.
            assert_same(&in_seconds(bench.picture()), &in_seconds(restored), Compare::default());
        } else {
            assert_same(&bench.picture(), &restored, Compare::default());
        }
        if let Some(before) = &before {
            let (same, other) = shared(&bench, before, &name);
            assert_eq!(
                other,
                [format!("folder-000/turn-{}", turn - 1)],
                "turn {turn}: only what is new is new"
            );
            assert!(same.len() > 55);
        }
        before = Some(name);
        fs::write(
            tree.join(format!("folder-000/turn-{turn}")),
            format!("new in turn {turn}"),
        )
        .unwrap();
    }
    assert_eq!(bench.open().snapshots().len(), 6);
    bench.open().check();
}

fn in_seconds(mut picture: Picture) -> Picture {
    picture.values_mut().for_each(|item| item.mtime.1 = 0);
    picture
}

/// What differs in mode, owner or time alone must not change the snapshot before, whoever made it.
#[test]
fn a_change_of_metadata_alone_is_a_new_file() {
    let bench = Bench::with_plain_tree(2);
    let script = need!(bench.script(), NO_RSYNC);
    let file = bench.tree.join("folder-000/file-00001");
    for first_by_script in [true, false] {
        let seals_before = bench.seals();
        if first_by_script {
            script.run(&bench.destination, &bench.tick_name());
        } else {
            bench.backup();
        }
        bench.assert_sealed(&seals_before, "first");
        let seals = bench.seals();
        fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
        std::os::unix::fs::chown(&file, None, Some(12)).unwrap();
        let id = bench.backup();
        bench.assert_sealed(&seals, "mode");
        bench.assert_is_tree(&id);
        fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }
}

/// Holdfast corrects what the script left half done, and copies again only what is missing.
#[test]
fn holdfast_goes_on_where_the_script_was_killed() {
    let bench = Bench::with_plain_tree(3);
    let script = need!(bench.script(), NO_RSYNC);
    let first = bench.backup();
    fs::create_dir(bench.tree.join("more")).unwrap();
    for number in 0..40 {
        fs::write(
            bench.tree.join(format!("more/{number:02}")),
            Random::new(number).noise(50_000),
        )
        .unwrap();
    }
    let seals = bench.seals();
    let name = bench.tick_name();
    let partial = bench.stored(&name);
    let mut child = script
        .command(&bench.destination, &name, "--bwlimit=1000")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    let begin = Instant::now();
    while !partial.join("more/05").exists() && begin.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(20));
    }
    kill_group(child.id());
    child.wait().unwrap();
    assert!(bench.destination.join("backup.inprogress").exists());
    let copied = inode(&partial.join("more/00"));
    // What is not finished is no snapshot.
    assert_eq!(bench.open().snapshots().len(), 1);
    bench.assert_sealed(&seals, "killed");
    let id = bench.backup();
    assert!(!bench.destination.join("backup.inprogress").exists());
    assert_eq!(
        inode(&bench.stored(&id.0).join("more/00")),
        copied,
        "what was copied is used again"
    );
    let names: Vec<String> = vec![first.0.clone(), id.0.clone()];
    assert_eq!(bench.names(), names);
    bench.assert_sealed(&seals, "resumed");
    bench.assert_is_tree(&id);
    let (same, _) = shared(&bench, &first.0, &id.0);
    assert!(same.len() >= 60, "unchanged files are still shared");
    bench.open().check();
}

fn kill_group(id: u32) {
    let status = Command::new("kill").args(["-9", "--", &format!("-{id}")]).status();
    assert!(status.unwrap().success());
}

/// The script knows nothing of what Holdfast left half done, and needs not.
#[test]
fn the_script_works_beside_what_holdfast_left() {
    let bench = Bench::with_plain_tree(4);
    let script = need!(bench.script(), NO_RSYNC);
    let first = bench.backup();
    fs::create_dir(bench.tree.join("more")).unwrap();
    for number in 0..300 {
        fs::write(
            bench.tree.join(format!("more/{number:03}")),
            Random::new(number).noise(100_000),
        )
        .unwrap();
    }
    let seals = bench.seals();
    let time = bench.tick();
    let mut killed = 0;
    for pause in [20, 50, 90, 140] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_holdfast-rsync-drive"))
            .arg(&bench.destination)
            .arg("backup")
            .arg(&bench.tree)
            .arg(time.seconds.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(pause));
        child.kill().unwrap();
        killed += u32::from(!child.wait().unwrap().success());
    }
    assert!(killed > 0);
    bench.assert_sealed(&seals, "killed");
    let second = bench.tick_name();
    script.run(&bench.destination, &second);
    assert_eq!(itemize(&bench.tree, &bench.stored(&second)), "");
    bench.assert_sealed(&seals, "after the script");
    let before = bench.names();
    let third = bench.backup();
    bench.assert_is_tree(&third);
    let (same, _) = shared(&bench, before.last().unwrap(), &third.0);
    assert!(same.len() > 300, "linked against the script's: {}", same.len());
    assert!(bench.names().contains(&first.0));
    bench.open().check();
}

/// A script's run is not waited for and not disturbed.
#[test]
fn nobody_works_beside_a_running_script() {
    let bench = Bench::with_plain_tree(5);
    let script = need!(bench.script(), NO_RSYNC);
    fs::write(bench.tree.join("folder-000/large"), Random::new(1).noise(3_000_000)).unwrap();
    let name = bench.tick_name();
    let mut child = script
        .command(&bench.destination, &name, "--bwlimit=2000")
        .stdout(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    let begin = Instant::now();
    while !bench.stored(&name).exists() && begin.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(10));
    }
    let error = bench.open().try_backup(&bench.tree, bench.tick()).unwrap_err();
    assert_eq!(error.kind(), engine_api::ErrorKind::Locked, "{}", error.chain());
    assert!(child.wait().unwrap().success());
    bench.backup();
    bench.open().check();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]
    /// Both keep the same of any history.
    #[test]
    fn both_expire_the_same(ages in prop::collection::btree_set(1_i64..800 * 24, 2..25), which in 0_usize..3) {
        let strategy = ["1:1 30:7 365:30", "1:1 10:3 100:0", "7:2"][which];
        let bench = Bench::new();
        if bench.script().is_none() {
            return Ok(());
        }
        fs::write(bench.tree.join("file"), "x").unwrap();
        let (ours, theirs) = (bench.destination.clone(), bench.path("theirs"));
        let now = engine_api::Timestamp { nanos: 0, ..engine_api::Timestamp::now() };
        for age in &ages {
            let time = engine_api::Timestamp { seconds: now.seconds - age * 3600, nanos: 0 };
            fs::create_dir_all(ours.join(name_of(time)).join("etc")).unwrap();
        }
        assert!(Command::new("cp").arg("-a").arg(&ours).arg(&theirs).status().unwrap().success());
        let name = name_of(now);
        let command = bench.script().unwrap().command(&theirs, &name, "");
        // The strategy comes before the other arguments.
        let mut with_strategy = Command::new(command.get_program());
        with_strategy.args(["--strategy", strategy]).args(command.get_args());
        for (key, value) in command.get_envs() {
            with_strategy.env(key, value.unwrap_or_default());
        }
        assert!(with_strategy.output().unwrap().status.success());
        let engine = RsyncEngine::open(local(&ours), settings(Some(Strategy::parse(strategy).unwrap())));
        engine.backup(&holdfast_tests::rsync::backup_of(&bench.tree, now), &Silent).unwrap();
        let list = |dir: &Path| {
            let mut names: Vec<String> = fs::read_dir(dir)
                .unwrap()
                .map(|item| item.unwrap().file_name().into_string().unwrap())
                .filter(|name| name.starts_with('2'))
                .collect();
            names.sort();
            names
        };
        // The script spares what it has just linked against until its next run.
        let spared = name_of(engine_api::Timestamp { seconds: now.seconds - ages.first().unwrap() * 3600, nanos: 0 });
        let but = |names: Vec<String>| names.into_iter().filter(|name| *name != spared).collect::<Vec<_>>();
        prop_assert!(list(&theirs).contains(&spared));
        prop_assert_eq!(but(list(&ours)), but(list(&theirs)));
    }
}

/// The script removes Holdfast's snapshots as its own, and Holdfast the script's; manifests do not stay behind.
#[test]
fn each_removes_what_the_other_made() {
    let bench = Bench::with_plain_tree(6);
    let script = need!(bench.script(), NO_RSYNC);
    let ours = [bench.backup(), bench.backup()];
    let theirs = bench.tick_name();
    script.run(&bench.destination, &theirs);
    let last = bench.backup();
    let forget = |id: &str| ForgetRequest {
        filter: SnapshotFilter::default(),
        group_by: engine_api::retention::GroupBy::default(),
        keep: engine_api::retention::Keep::default(),
        ids: vec![id.to_owned()],
        dry_run: false,
    };
    let report = bench.open().engine.forget(&forget(&theirs), &Silent).unwrap();
    assert_eq!(report.removed.len(), 1);
    // As the script does it.
    fs::remove_dir_all(bench.destination.join(&ours[1].0)).unwrap();
    assert_eq!(bench.names(), [ours[0].0.clone(), last.0.clone()]);
    bench.open().check();
    bench.open().engine.forget(&forget(&ours[0].0), &Silent).unwrap();
    let prune = engine_api::PruneRequest {
        max_unused: 0.0,
        max_repack: None,
        dry_run: false,
    };
    bench.open().engine.prune(&prune, &Silent).unwrap();
    let manifests: Vec<_> = fs::read_dir(bench.destination.join(".holdfast"))
        .unwrap()
        .map(|item| item.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("manifest"))
        .collect();
    assert_eq!(manifests, [format!("{}.manifest", last.0)]);
    bench.assert_is_tree(&last);
    corpus::edit_plain_tree(&bench.tree, 1, 3);
    let id = bench.backup();
    bench.assert_is_tree(&id);
}
