//! Getting things back: what NethServer's commands did wrong, on all three engines.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use crate::engines::{ENGINES, machine, next_second};
use crate::machine::{Machine, tree};

/// What is stored, with times: nothing may change it by looking.
fn stored(machine: &Machine) -> Vec<(std::path::PathBuf, u64, i64)> {
    let mut all = Vec::new();
    let mut folders = vec![machine.path("repo")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let stat = fs::symlink_metadata(&path).unwrap();
            if stat.is_dir() {
                folders.push(path.clone());
            }
            all.push((path, stat.len(), stat.mtime_nsec()));
        }
    }
    all.sort();
    all
}

/// A machine with two snapshots; `letter.txt` is of Ann in the first and of Bob in the second.
fn two_snapshots(engine: &str) -> (Machine, [String; 2]) {
    let machine = machine(engine, &[]);
    machine.good(&["backup-data", "-b", "b1"]);
    // Each is of a second of its own, whatever its engine makes of names.
    next_second();
    machine.write("data/letter.txt", "Dear Bob,\n");
    machine.good(&["backup-data", "-b", "b1"]);
    let lines = machine.json(&["snapshots", "-b", "b1"], 0);
    let id = |index: usize| lines[index]["id"].as_str().unwrap().to_owned();
    let ids = [id(0), id(1)];
    (machine, ids)
}

#[test]
fn d12_a_list_that_fails_says_so_and_one_that_succeeds_too() {
    for engine in ENGINES {
        let machine = machine(engine, &[]);
        let failed = machine.run(&["backup-data-list", "-b", "b1", "-f"]);
        assert_eq!((failed.code, failed.out.as_str()), (Some(10), ""), "{engine}");
        assert!(!failed.err.is_empty());
        machine.good(&["backup-data", "-b", "b1"]);
        let listed = machine.good(&["backup-data-list", "-b", "b1", "-f"]);
        assert!(listed.contains(&machine.text("data/letter.txt")), "{engine}: {listed}");
    }
}

#[test]
fn d13_a_failed_restore_names_its_cause() {
    for engine in ENGINES {
        let machine = machine(engine, &[]);
        let answer = machine.run(&["restore-data", "-b", "b1"]);
        assert_eq!(answer.code, Some(10), "{engine}");
        assert!(answer.out.contains("\nRestore: FAIL\n"), "{engine}: {}", answer.out);
        assert!(
            answer.err.contains("there is no repository in "),
            "{engine}: {}",
            answer.err
        );
        assert!(
            !answer.out.contains("\n\n"),
            "no empty line in place of a message: {}",
            answer.out
        );
    }
}

#[test]
fn d14_no_file_is_no_wish_for_all() {
    for engine in ENGINES {
        let machine = machine(engine, &[]);
        machine.good(&["backup-data", "-b", "b1"]);
        machine.write("data/letter.txt", "mine");
        for words in [&["restore-file", "-b", "b1", "/"][..], &["restore-file", "-b", "b1"]] {
            let answer = machine.run(words);
            assert_eq!(answer.code, Some(2), "{engine}: {}", answer.err);
        }
        assert_eq!(machine.read("data/letter.txt"), "mine");
    }
}

#[test]
fn d15_help_needs_no_name() {
    let machine = machine("restic", &[]);
    for command in ["backup-data", "backup-data-list", "restore-data", "restore-file"] {
        let help = machine.good(&[command, "-h"]);
        assert!(
            help.contains("Usage:") && help.contains(&format!("  {command} -b b1")),
            "{help}"
        );
        assert_eq!(machine.run(&[command]).code, Some(2));
    }
}

#[test]
fn d18_a_disabled_backup_gives_everything_back() {
    for engine in ENGINES {
        let machine = machine(engine, &[]);
        machine.good(&["backup-data", "-b", "b1"]);
        machine.good(&["db", "backups", "setprop", "b1", "status", "disabled"]);
        let before = tree(&machine.path("data"));
        fs::remove_dir_all(machine.path("data")).unwrap();
        machine.good(&["backup-data-list", "-b", "b1"]);
        let letter = machine.text("data/letter.txt");
        machine.good(&["restore-file", "-b", "b1", "/", &letter]);
        assert_eq!(machine.read("data/letter.txt"), "Dear Ann,\n", "{engine}");
        machine.good(&["restore-data", "-b", "b1"]);
        assert_eq!(tree(&machine.path("data")), before, "{engine}");
    }
}

/// In a repository that machines share, only this machine's snapshots of this backup are listed and restored.
#[test]
fn d45_the_latest_is_the_latest_of_this_backup() {
    let machine = machine("restic", &[]);
    machine.good(&["backup-data", "-b", "b1"]);
    let repo = machine.text("repo");
    let set = [
        "db", "backups", "set", "b2", "restic", "status", "enabled", "VFSType", "local",
    ];
    machine.good(&[&set[..], &["LocalDirectory", &repo]].concat());
    let secrets = machine.path("root/var/lib/nethserver/secrets");
    fs::copy(secrets.join("restic_b1"), secrets.join("restic_b2")).unwrap();
    machine.write(
        "root/etc/backup-data/b2.include",
        &format!("{}\n", machine.text("data/deep")),
    );
    machine.write("data/deep/later", "x");
    machine.good(&["backup-data", "-b", "b2"]);
    let list = |name: &str| machine.good(&["backup-data-list", "-f", "-b", name]);
    assert!(list("b1").contains("letter.txt") && !list("b1").contains("later"));
    assert!(!list("b2").contains("letter.txt") && list("b2").contains("later"));
    let letter = machine.text("data/letter.txt");
    machine.good(&["restore-file", "-b", "b1", &machine.text("out"), &letter]);
    let refused = machine.run(&["restore-file", "-b", "b2", &machine.text("out2"), &letter]);
    assert_eq!(refused.code, Some(2), "{}", refused.err);
}

/// Owners and attributes come back, and a file that cannot be restored is no success.
#[test]
fn d46_what_could_not_be_restored_is_no_success() {
    for engine in ENGINES {
        let machine = machine(engine, &[]);
        fs::set_permissions(machine.path("data/letter.txt"), fs::Permissions::from_mode(0o4711)).unwrap();
        machine.good(&["backup-data", "-b", "b1"]);
        fs::remove_file(machine.path("data/letter.txt")).unwrap();
        // A folder with something in it stands where the file belongs.
        machine.write("data/letter.txt/in the way", "x");
        let answer = machine.run(&["restore-data", "-b", "b1"]);
        if answer.code == Some(0) {
            assert_eq!(
                machine.read("data/letter.txt"),
                "Dear Ann,\n",
                "{engine}: {}",
                answer.out
            );
        } else {
            assert_eq!(answer.code, Some(3), "{engine}: {}{}", answer.out, answer.err);
            assert!(answer.out.contains("\nRestore: FAIL\n"), "{}", answer.out);
            fs::remove_dir_all(machine.path("data/letter.txt")).unwrap();
            machine.good(&["restore-data", "-b", "b1"]);
        }
        let mode = fs::metadata(machine.path("data/letter.txt")).unwrap().mode() & 0o7777;
        assert_eq!(mode, 0o4711, "{engine}");
    }
}

#[test]
fn d48_names_are_no_patterns_and_what_is_not_there_is_an_error() {
    for engine in ENGINES {
        let machine = machine(engine, &[]);
        machine.write("data/[a]*", "odd");
        machine.write("data/a", "plain");
        machine.write("data/sub/data/a", "a tail of another path");
        machine.good(&["backup-data", "-b", "b1"]);
        let out = machine.text("out");
        let lines = machine.json(&["restore-file", "-b", "b1", &out, &machine.text("data/[a]*")], 0);
        assert_eq!(lines.iter().filter(|line| line["type"] == "restored").count(), 1);
        let files = tree(&machine.path("out"));
        assert_eq!(
            (files.len(), files[0].1.as_slice()),
            (1, &b"odd"[..]),
            "{engine}: {files:?}"
        );
        for name in ["data/*", "data/nothing", "data/a/below"] {
            let answer = machine.run(&["restore-file", "-b", "b1", &machine.text("out2"), &machine.text(name)]);
            assert_eq!(answer.code, Some(2), "{engine} {name}: {}{}", answer.out, answer.err);
            assert!(answer.err.contains("is not in"), "{engine}: {}", answer.err);
            assert!(
                !machine.path("out2").exists() || tree(&machine.path("out2")).is_empty(),
                "{engine} {name}"
            );
        }
    }
}

#[test]
fn d57_listing_leaves_nothing_behind() {
    for engine in ENGINES {
        let machine = machine(engine, &[]);
        machine.good(&["backup-data", "-b", "b1"]);
        let before = stored(&machine);
        machine.good(&["backup-data-list", "-b", "b1", "-f"]);
        machine.good(&["find", "-b", "b1", "letter.txt"]);
        let mut after = stored(&machine);
        // A lock comes and goes.
        let locks = machine.path("repo/locks");
        after.retain(|(path, ..)| *path != locks);
        let before: Vec<_> = before.into_iter().filter(|(path, ..)| *path != locks).collect();
        assert_eq!(after, before, "{engine}");
        fs::rename(machine.path("repo"), machine.path("away")).unwrap();
        let gone = machine.run(&["backup-data-list", "-b", "b1", "-f"]);
        assert_eq!(
            (gone.code, gone.out.as_str()),
            (Some(10), ""),
            "{engine}: nothing else is listed"
        );
        assert!(!machine.path("repo").exists(), "{engine}");
    }
}

/// One grammar of ages for restores and retention, months and years too.
#[test]
fn d76_ages_of_all_units_are_understood() {
    for engine in ENGINES {
        let (machine, _) = two_snapshots(engine);
        let letter = machine.text("data/letter.txt");
        for age in ["2h", "15D", "3W", "6M", "1Y", "1Y6M"] {
            let answer = machine.run(&["restore-file", "-t", age, "-b", "b1", "/", &letter]);
            assert_eq!(answer.code, Some(2), "{engine} {age}: {}", answer.err);
            assert!(
                answer.err.contains("there is no snapshot of "),
                "{engine} {age}: {}",
                answer.err
            );
            machine.good(&["db", "backups", "setprop", "b1", "CleanupOlderThan", age]);
            machine.good(&["job", "show", "b1"]);
        }
        assert_eq!(machine.read("data/letter.txt"), "Dear Bob,\n", "{engine}");
    }
}

#[test]
fn d77_beside_the_original_and_never_over_anything() {
    for engine in ENGINES {
        let (machine, [first, second]) = two_snapshots(engine);
        let day = machine.json(&["snapshots", "-b", "b1"], 0)[0]["time"]
            .as_str()
            .unwrap()
            .chars()
            .take(10)
            .collect::<String>();
        fs::set_permissions(machine.path("data/deep"), fs::Permissions::from_mode(0o500)).unwrap();
        let (letter, deep) = (machine.text("data/letter.txt"), machine.text("data/deep"));
        let copy = |path: &str, suffix: &str| format!("{path}_{day}{suffix}");
        let lines = machine.json(
            &["restore", "-b", "b1", "--beside", "--verify", &first, &letter, &deep],
            0,
        );
        let placed: Vec<_> = lines.iter().filter(|line| line["type"] == "restored").collect();
        let names = |index: usize| {
            (
                placed[index]["path"].as_str().unwrap(),
                placed[index]["restored"].as_str().unwrap(),
            )
        };
        assert_eq!(names(0), (deep.as_str(), copy(&deep, "").as_str()), "{engine}");
        assert_eq!(names(1), (letter.as_str(), copy(&letter, "").as_str()), "{engine}");
        assert_eq!(
            fs::read_to_string(copy(&letter, "")).unwrap(),
            "Dear Ann,\n",
            "{engine}"
        );
        assert_eq!(machine.read("data/letter.txt"), "Dear Bob,\n", "{engine}");
        assert_eq!(tree(copy(&deep, "").as_ref()), tree(deep.as_ref()), "{engine}");
        // The names are taken: the next count up, in NethServer's command too.
        machine.good(&["restore-file", "--beside", "-t", &second, "-b", "b1", "/", &letter]);
        machine.good(&["restore", "-b", "b1", "--beside", &second, &letter]);
        for (suffix, content) in [("", "Dear Ann,\n"), ("_2", "Dear Bob,\n"), ("_3", "Dear Bob,\n")] {
            assert_eq!(fs::read_to_string(copy(&letter, suffix)).unwrap(), content, "{engine}");
        }
        let told = machine.good(&["restore", "-n", "-b", "b1", "--beside", &second, &letter]);
        assert!(
            told.contains(&format!("{letter} is restored as {}\n", copy(&letter, "_4"))),
            "{told}"
        );
        assert!(!fs::exists(copy(&letter, "_4")).unwrap());
        // Nothing of the way there is left.
        let left = fs::read_dir(machine.path("data")).unwrap().flatten();
        let hidden: Vec<_> = left
            .filter(|entry| entry.file_name().to_string_lossy().starts_with('.'))
            .collect();
        assert!(hidden.is_empty(), "{engine}: {hidden:?}");
        let missing = machine.run(&["restore", "-b", "b1", "--beside", &machine.text("data/nothing")]);
        assert_eq!(missing.code, Some(2), "{engine}: {}", missing.err);
        assert_eq!(
            machine.run(&["restore", "-b", "b1", "--beside"]).code,
            Some(2),
            "{engine}"
        );
    }
}

/// A folder that is gone comes back with its own mode and what was asked for in it, and with nothing else.
#[test]
fn d77_beside_what_is_gone_with_its_folder() {
    for engine in ENGINES {
        let machine = machine(engine, &[]);
        fs::set_permissions(machine.path("data/deep/er"), fs::Permissions::from_mode(0o750)).unwrap();
        machine.good(&["backup-data", "-b", "b1"]);
        let before = fs::metadata(machine.path("data/deep/er")).unwrap();
        fs::remove_dir_all(machine.path("data/deep")).unwrap();
        machine.good(&["restore", "-b", "b1", "--beside", &machine.text("data/deep/er/numbers")]);
        let files = tree(&machine.path("data/deep"));
        assert_eq!(files.len(), 1, "{engine}");
        assert!(
            files[0].0.to_str().unwrap().starts_with("er/numbers_20"),
            "{engine}: {files:?}"
        );
        let after = fs::metadata(machine.path("data/deep/er")).unwrap();
        assert_eq!(
            (after.mode(), after.mtime()),
            (before.mode(), before.mtime()),
            "{engine}"
        );
    }
}

#[test]
fn d78_an_unknown_snapshot_is_an_error_and_never_the_latest() {
    for engine in ENGINES {
        let (machine, ids) = two_snapshots(engine);
        let letter = machine.text("data/letter.txt");
        for when in [
            "deadbeefdeadbeef",
            "2001-02-03",
            "2001-02-03-040506",
            "20010203T040506Z",
            "next week",
            "1000000000",
        ] {
            for words in [
                &["restore-file", "-t", when, "-b", "b1", "/", &letter][..],
                &["restore", "-b", "b1", "--in-place", when, &letter],
                &["verify", "-b", "b1", when],
                &["du", "-b", "b1", when],
                &["find", "-b", "b1", "--in", when, "letter.txt"],
            ] {
                let answer = machine.run(words);
                assert_eq!(answer.code, Some(2), "{engine} {words:?}: {}{}", answer.out, answer.err);
            }
        }
        assert_eq!(machine.read("data/letter.txt"), "Dear Bob,\n", "{engine}");
        // Each snapshot by its name, its time, and as seconds.
        let lines = machine.json(&["snapshots", "-b", "b1"], 0);
        let expected = ["Dear Ann,\n", "Dear Bob,\n"];
        for (index, (id, content)) in ids.iter().zip(expected).enumerate() {
            let time: jiff::Timestamp = lines[index]["time"].as_str().unwrap().parse().unwrap();
            // What has fractions of a second is of the second after.
            let seconds = time.as_second() + i64::from(time.subsec_nanosecond() > 0);
            for when in [id.clone(), time.to_string(), seconds.to_string()] {
                machine.write("data/letter.txt", "another");
                machine.good(&["restore-file", "-t", &when, "-b", "b1", "/", &letter]);
                assert_eq!(machine.read("data/letter.txt"), content, "{engine} {when}");
            }
        }
    }
}

/// Whose name is unknown here keeps the number; with the option the number counts always.
#[test]
fn owners_come_back_by_name_or_by_number() {
    for engine in ENGINES {
        let machine = machine(engine, &[]);
        if std::os::unix::fs::chown(machine.path("data/letter.txt"), Some(12_345), Some(54_321)).is_err() {
            eprintln!("skipped: only root gives files away");
            return;
        }
        machine.good(&["backup-data", "-b", "b1"]);
        for option in [&[][..], &["--numeric-owners"]] {
            let out = machine.text("out");
            let letter = machine.text("data/letter.txt");
            machine.good(&[&["restore-file", "-b", "b1", &out, &letter][..], option].concat());
            let stat = fs::metadata(machine.path(&format!("out{letter}"))).unwrap();
            assert_eq!((stat.uid(), stat.gid()), (12_345, 54_321), "{engine}");
            fs::remove_dir_all(out).unwrap();
        }
    }
}

fn action(machine: &Machine, name: &str, script: &str) {
    let path = format!("root/etc/e-smith/events/{name}");
    machine.write(&path, &format!("#!/bin/sh\n{script}\n"));
    fs::set_permissions(machine.path(&path), fs::Permissions::from_mode(0o755)).unwrap();
}

/// The events around a whole restore, with the backup's name; a failing one is said, and the first keeps it from being made.
#[test]
fn a_whole_restore_has_its_events() {
    let machine = machine("restic", &[]);
    machine.good(&["backup-data", "-b", "b1"]);
    let (log, letter) = (machine.text("log"), machine.text("data/letter.txt"));
    fs::remove_file(&letter).unwrap();
    let note = format!("echo $1 $2 $(test -e {letter} && echo there) >> {log}");
    action(&machine, "pre-restore-data/S10note", &note);
    action(&machine, "post-restore-data/S10note", &note);
    let out = machine.good(&["restore-data", "-b", "b1"]);
    assert_eq!(machine.read("log"), "pre-restore-data b1\npost-restore-data b1 there\n");
    let at = |line: &str| out.find(line).unwrap_or_else(|| panic!("{line}: {out}"));
    let lines = [
        "Restore started at ",
        "\nEvent pre-restore-data: SUCCESS\n",
        "\nAction '/etc/e-smith/events/actions/restore-data-restic -b b1': SUCCESS\n",
        "\nEvent post-restore-data: SUCCESS\n",
        "\nRestore ended at ",
        "\nTime elapsed: ",
    ];
    assert!(lines.map(at).is_sorted(), "{out}");

    action(&machine, "post-restore-data/S20fails", "exit 3");
    let incomplete = machine.run(&["restore-data", "-b", "b1"]);
    assert_eq!(incomplete.code, Some(3), "{}", incomplete.out);
    assert!(
        incomplete
            .out
            .contains("S20fails of post-restore-data: exit code 3\nEvent post-restore-data: FAIL\nRestore: FAIL\n"),
        "{}",
        incomplete.out
    );
    action(&machine, "pre-restore-data/S20fails", "exit 3");
    fs::remove_file(&letter).unwrap();
    let kept = machine.run(&["restore-data", "-b", "b1"]);
    assert_eq!(kept.code, Some(1), "{}", kept.out);
    assert!(
        kept.out
            .contains("Event pre-restore-data: FAIL\nEvent post-restore-data: SKIPPED"),
        "{}",
        kept.out
    );
    assert!(!fs::exists(&letter).unwrap(), "nothing was restored");
}
