//! Include and exclude lists: one language for all engines, and why a path is in or out.

use std::collections::BTreeSet;
use std::path::Path;

use crate::machine::Machine;

const ENGINES: [&str; 3] = ["restic", "duplicity", "rsync"];

/// A machine with one job of each engine, all with the common lists.
fn machine(include: &str, exclude: &str) -> Machine {
    let machine = Machine::new();
    for file in [
        "data/film.iso",
        "data/sub/Download/x",
        "data/sub/#odd",
        "data/sub/tmp/cache/y",
        "data/tmp/other",
    ] {
        machine.write(file, "x");
    }
    let include = include.replace("DATA", &machine.text("data"));
    machine.write("root/etc/holdfast/backup-data.d/custom.include", &include);
    machine.write("root/etc/holdfast/backup-data.d/custom.exclude", exclude);
    for engine in ENGINES {
        machine.good(&[
            "job",
            "add",
            engine,
            "--to",
            &format!("repo-{engine}"),
            "--engine",
            engine,
        ]);
    }
    machine
}

/// The files that the latest snapshot has.
fn saved(machine: &Machine, job: &str) -> BTreeSet<String> {
    let listed = machine.good(&["backup-data-list", "-f", "-b", job]);
    let data = machine.text("data");
    let names = listed
        .lines()
        .filter(|line| line.starts_with(&data) && !Path::new(line).is_dir());
    names.map(str::to_owned).collect()
}

/// An include that is not there, or has vanished, is said, and the run is a success with every engine.
#[test]
fn d28_an_include_that_is_not_there_fails_no_run() {
    let machine = machine("DATA\n/does/not/exist\nDATA/no*thing\n", "");
    for engine in ENGINES {
        let answer = machine.run(&["backup-data", "-b", engine]);
        assert_eq!(answer.code, Some(0), "{engine}: {}{}", answer.out, answer.err);
        assert_eq!(saved(&machine, engine).len(), 8, "{engine}");
    }
}

/// Comments, blank lines and patterns that begin with no slash are good with every engine, duplicity's too.
#[test]
fn d50_no_line_of_a_list_kills_a_backup() {
    let machine = machine(
        "# what we keep\n\nDATA\n",
        "# films\n\n*.iso\nDownload\ntmp/cache\n[#]odd\n$HOME/x\n/a[b\n",
    );
    let letters = [
        "data/deep/er/numbers",
        "data/empty",
        "data/letter.txt",
        "data/tmp/other",
    ];
    let expected: BTreeSet<String> = letters.iter().map(|name| machine.text(name)).collect();
    for engine in ENGINES {
        machine.good(&["backup-data", "-b", engine]);
        assert_eq!(saved(&machine, engine), expected, "{engine}");
    }
}

/// The engine can be changed without changing what is saved; and what is shown is what is saved.
#[test]
fn d51_one_list_means_the_same_to_every_engine() {
    let machine = machine(
        "DATA/sub/**/y\nDATA/s?b/D*\nDATA/[a-l]*\nDATA/tmp/\n",
        "**ette**\n/nowhere/**\nempty/\n*.txt\n",
    );
    let shown = machine.good(&["job", "files", "-b", "restic"]);
    let data = machine.text("data");
    let shown: BTreeSet<String> = shown
        .lines()
        .filter(|line| line.starts_with(&data) && !Path::new(line).is_dir())
        .map(str::to_owned)
        .collect();
    assert_eq!(shown.len(), 6, "{shown:?}");
    for engine in ENGINES {
        machine.good(&["backup-data", "-b", engine]);
        assert_eq!(saved(&machine, engine), shown, "{engine}");
    }
}

#[test]
fn d52_an_empty_own_list_of_excludes_lets_no_password_in() {
    let machine = machine("DATA\n", "");
    machine.write(
        "root/etc/holdfast/backup-data/restic.include",
        &format!("{}\n", machine.text("root")),
    );
    machine.write("root/etc/holdfast/backup-data/restic.exclude", "");
    machine.good(&["backup-data", "-b", "restic"]);
    let listed = machine.good(&["backup-data-list", "-f", "-b", "restic"]);
    assert!(listed.contains("/root/etc/holdfast/db/backups"), "{listed}");
    assert!(
        !listed.contains("/secrets") && !listed.contains("/var/cache/holdfast/restic"),
        "{listed}"
    );
}

#[test]
fn a_path_is_explained_by_its_line() {
    let machine = machine("\nDATA\n", "# films\n*.iso\n");
    let explain = |path: &str| machine.good(&["job", "files", "-b", "restic", path]);
    let lists = machine.text("root/etc/holdfast/backup-data.d");
    let data = machine.text("data");
    assert_eq!(
        explain("data/letter.txt"),
        format!("{data}/letter.txt: saved: `{data}`, line 2 of {lists}/custom.include\n")
    );
    assert_eq!(
        explain("data/film.iso"),
        format!("{data}/film.iso: left out: `*.iso`, line 2 of {lists}/custom.exclude\n")
    );
    assert_eq!(explain("/proc"), "/proc: not saved: no include covers it\n");
    assert!(explain("data/none").contains("none (does not exist): saved: "));
    assert!(explain("data/..").contains(": saved, with nothing in it but what leads to "));
    let json = machine.json(&["job", "files", "-b", "restic", "data/film.iso"], 0);
    assert_eq!(
        (json[0]["type"].as_str(), json[0]["reason"].as_str()),
        (Some("explanation"), Some("excluded"))
    );
    assert_eq!(
        (json[0]["saved"].as_bool(), json[0]["line"].as_u64()),
        (Some(false), Some(2))
    );
    let all = machine.json(&["job", "files", "-b", "restic"], 0);
    let sums = all.last().unwrap();
    assert_eq!(
        (sums["files"].as_u64(), all[0]["type"].as_str()),
        (Some(7), Some("selected"))
    );
}
