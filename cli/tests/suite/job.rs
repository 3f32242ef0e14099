//! Configured backups: the commands that NethServer's administrators know.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::machine::{Machine, tree};

/// A NethServer machine with a backup made by `db`.
fn machine() -> Machine {
    let machine = Machine::nethserver();
    machine.write(
        "root/etc/backup-data.d/custom.include",
        &format!("{}\n", machine.text("data")),
    );
    machine.write("root/etc/backup-data.d/custom.exclude", "*.tmp\n");
    let repo = machine.text("repo");
    let set = [
        "db",
        "backups",
        "set",
        "b1",
        "restic",
        "status",
        "enabled",
        "VFSType",
        "local",
        "LocalDirectory",
        &repo,
        "CleanupOlderThan",
        "30D",
        "Prune",
        "always",
        "Notify",
        "error",
        "SMBHost",
        "",
    ];
    assert_eq!(machine.good(&set), "");
    machine
}

#[test]
fn a_run_prints_what_scripts_read_and_leaves_its_files() {
    let machine = machine();
    machine.write("data/x.tmp", "no");
    let out = machine.good(&["backup-data", "-b", "b1"]);
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines[0], "Backup: b1");
    assert!(
        lines[1].starts_with("Backup started at 20") && lines[1].len() == "Backup started at 2021-03-05 10:11:12".len()
    );
    for line in [
        "Action 'backup-data-restic b1': SUCCESS",
        "Backup status: SUCCESS",
        "Disk Usage:",
    ] {
        assert!(lines.contains(&line), "{line}: {out}");
    }
    let started = |prefix: &str| lines.iter().any(|line| line.starts_with(prefix));
    assert!(started("Backup ended at 20") && started("Time elapsed: 0 hours, 0 minutes, "));
    assert_eq!(lines[lines.len() - 2], "      Size       Used  Available     Use%");
    assert_eq!(machine.read("root/var/spool/backup/status-b1"), "0\n");
    assert!(
        machine
            .read("root/var/spool/backup/disk_usage-b1")
            .starts_with(r#"{"size":""#)
    );
    let log = fs::read_to_string(machine.only("root/var/log/backup", "backup-b1-20")).unwrap();
    assert_eq!(log, out, "the log has what is printed");
    let secret = machine.path("root/var/lib/nethserver/secrets/restic_b1");
    assert_eq!(fs::metadata(&secret).unwrap().mode() & 0o7777, 0o600);
    assert!(!out.contains(fs::read_to_string(secret).unwrap().trim()));
    assert!(!machine.good(&["backup-data-list", "-f", "-b", "b1"]).contains("x.tmp"));
}

#[test]
fn a_snapshot_carries_the_name_and_others_are_left_alone() {
    let machine = machine();
    machine.good(&["backup-data", "-b", "b1"]);
    let secret = machine.text("root/var/lib/nethserver/secrets/restic_b1");
    machine.good(&["backup", "data/empty", "--to", "repo", "-p", &secret, "--tag", "other"]);
    let own = machine.json(&["snapshots", "-b", "b1"], 0);
    assert_eq!(own.len(), 2, "one snapshot and the result");
    assert_eq!(own[0]["tags"][0], "b1");
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(own[0]["host"], host.trim());
    assert_eq!(machine.json(&["snapshots", "-b", "b1", "--everyone"], 0).len(), 3);
    let listed = machine.good(&["backup-data-list", "-f", "-b", "b1"]);
    assert!(
        listed.contains("letter.txt"),
        "the latest of this backup, not of the repository: {listed}"
    );
}

/// D12: 0 is success.
#[test]
fn the_list_is_of_the_latest_and_parsable() {
    let machine = machine();
    machine.good(&["backup-data", "-b", "b1"]);
    machine.write("data/later", "x");
    machine.good(&["backup-data", "-b", "b1"]);
    let plain = machine.good(&["backup-data-list", "-b", "b1"]);
    assert!(plain.starts_with("Snapshot "), "{plain}");
    let files = machine.good(&["backup-data-list", "-f", "-b", "b1"]);
    assert!(files.lines().all(|line| line.starts_with('/')), "{files}");
    assert!(files.contains(&machine.text("data/later")));
}

#[test]
fn everything_comes_back_in_place() {
    let machine = machine();
    machine.good(&["backup-data", "-b", "b1"]);
    let before = tree(&machine.path("data"));
    fs::remove_dir_all(machine.path("data")).unwrap();
    machine.good(&["db", "backups", "setprop", "b1", "status", "disabled"]);
    let out = machine.good(&["restore-data", "-b", "b1"]);
    assert!(
        out.starts_with("Restore started at 20") && out.contains("\nRestore ended at 20"),
        "{out}"
    );
    assert!(
        out.contains("Action '/etc/e-smith/events/actions/restore-data-restic -b b1': SUCCESS"),
        "{out}"
    );
    assert_eq!(tree(&machine.path("data")), before, "a disabled backup can be restored");
}

/// D13: the cause is said.
#[test]
fn a_restore_that_fails_says_why() {
    let machine = machine();
    let answer = machine.run(&["restore-data", "-b", "b1"]);
    assert_eq!(answer.code, Some(10));
    assert!(answer.out.contains("\nRestore: FAIL\n"), "{}", answer.out);
    assert!(
        answer.err.starts_with("restore-data: there is no repository in "),
        "{}",
        answer.err
    );
}

/// D14 and D48: no file is no wish, and names are no patterns.
#[test]
fn files_come_back_under_a_folder() {
    let machine = machine();
    machine.good(&["backup-data", "-b", "b1"]);
    let target = machine.text("back");
    let refused = machine.run(&["restore-file", "-b", "b1", &target]);
    assert_eq!(refused.code, Some(2));
    assert!(
        refused.err.contains("no path was named\nhint: name the files"),
        "{}",
        refused.err
    );
    let letter = machine.text("data/letter.txt");
    let relative = machine.text("data/empty");
    machine.good(&[
        "restore-file",
        "-b",
        "b1",
        &target,
        &letter,
        relative.trim_start_matches('/'),
    ]);
    let files = tree(&machine.path("back"));
    assert_eq!(files.len(), 2);
    let pattern = machine.run(&["restore-file", "-b", "b1", &target, &machine.text("data/*")]);
    assert_eq!(pattern.code, Some(2));
    assert!(pattern.err.contains("is not in snapshot"), "{}", pattern.err);
    machine.good(&["restore-file", "-b", "b1", &machine.text("all"), "--all"]);
    assert_eq!(tree(&machine.path("all")).len(), 3);
}

#[test]
fn files_come_back_as_they_were_then() {
    let machine = machine();
    machine.good(&["backup-data", "-b", "b1"]);
    let first = machine.json(&["snapshots", "-b", "b1"], 0)[0].clone();
    machine.write("data/letter.txt", "Dear Bob,\n");
    machine.good(&["backup-data", "-b", "b1"]);
    let letter = machine.text("data/letter.txt");
    let time = first["time"].as_str().unwrap();
    for when in [first["id"].as_str().unwrap(), first["short_id"].as_str().unwrap(), time] {
        let target = machine.text("then");
        machine.good(&["restore-file", "-t", when, "-b", "b1", &target, &letter]);
        assert_eq!(tree(&machine.path("then"))[0].1, b"Dear Ann,\n", "{when}");
        fs::remove_dir_all(target).unwrap();
    }
    let early = machine.run(&["restore-file", "-t", "15D", "-b", "b1", "/", &letter]);
    assert_eq!(early.code, Some(2));
    assert!(
        early.err.contains("there is no snapshot of ") && early.err.contains("hint: the oldest is of 20"),
        "{}",
        early.err
    );
    let wrong = machine.run(&["restore-file", "-t", "yesterday", "-b", "b1", "/", &letter]);
    assert!(
        wrong.err.contains("`yesterday` is neither a snapshot nor a time"),
        "{}",
        wrong.err
    );
}

#[test]
fn old_snapshots_expire_seen_from_the_newest() {
    let machine = machine();
    machine.good(&["db", "backups", "setprop", "b1", "CleanupOlderThan", "never"]);
    machine.good(&["backup-data", "-b", "b1"]);
    machine.good(&["backup-data", "-b", "b1"]);
    machine.good(&["db", "backups", "setprop", "b1", "CleanupOlderThan", "1h"]);
    let out = machine.good(&["backup-data", "-b", "b1"]);
    assert!(
        out.contains("Expired: 0 snapshots, 3 kept\n") && out.contains("Pruned: "),
        "{out}"
    );
    let out = machine.good(&["check", "-b", "b1"]);
    assert!(out.starts_with("No errors found: 3 snapshots"), "{out}");
}

/// A file that cannot be read is no reason to forget the rest, and no plain success.
#[test]
fn d43_a_run_with_unreadable_files_is_finished_with_errors() {
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        // Nothing is unreadable for root, save what the kernel refuses to everybody.
        let machine = machine();
        machine.write(
            "root/etc/backup-data/b1.include",
            &format!("{}\n/proc/self/mem\n", machine.text("data")),
        );
        let answer = machine.run(&["backup-data", "-b", "b1"]);
        assert_eq!(answer.code, Some(3), "{}{}", answer.out, answer.err);
        assert!(answer.err.contains("backup-data: cannot read /proc/"), "{}", answer.err);
        assert!(answer.out.contains("1 path could not be saved\n"), "{}", answer.out);
        assert!(
            answer
                .out
                .contains("Backup finished with errors: the snapshot holds all the rest\nBackup status: FAIL\n")
        );
        assert!(
            answer.out.contains("Expired: 0 snapshots, 1 kept"),
            "retention goes on: {}",
            answer.out
        );
        assert_eq!(machine.read("root/var/spool/backup/status-b1"), "3\n");
    } else {
        use std::os::unix::fs::PermissionsExt;
        let machine = machine();
        fs::set_permissions(machine.path("data/empty"), fs::Permissions::from_mode(0o000)).unwrap();
        let answer = machine.run(&["backup-data", "-b", "b1"]);
        assert_eq!(answer.code, Some(3), "{}{}", answer.out, answer.err);
        assert!(answer.out.contains("1 path could not be saved\n"), "{}", answer.out);
    }
}

#[test]
fn jobs_are_added_listed_shown_and_removed() {
    let machine = Machine::new();
    assert_eq!(machine.good(&["job", "list"]), "There is no backup configuration\n");
    let added = machine.good(&[
        "job",
        "add",
        "n1",
        "data",
        "--to",
        "repo",
        "--keep-within",
        "30D",
        "--prune",
        "0",
    ]);
    assert_eq!(added, "Added backup n1\nTo run it: holdfast backup -b n1\n");
    let repo = machine.text("repo");
    let shown = format!(
        "n1=restic\n    CleanupOlderThan=30D\n    LocalDirectory={repo}\n    Prune=0\n    VFSType=local\n    status=enabled\n"
    );
    assert_eq!(machine.good(&["job", "show", "n1"]), shown);
    let listed = machine.good(&["job", "list"]);
    assert!(
        listed.starts_with("n1               enabled   restic    local /"),
        "{listed}"
    );
    machine.good(&["backup", "-b", "n1"]);
    assert!(machine.good(&["ls", "-b", "n1"]).contains("letter.txt"));
    let twice = machine.run(&["job", "add", "n1", "data", "--to", "repo"]);
    assert_eq!(twice.code, Some(2));
    machine.good(&["job", "remove", "n1"]);
    assert_eq!(machine.run(&["backup", "-b", "n1"]).code, Some(2));
    assert!(machine.path("repo/config").exists(), "the repository stays");
    machine.good(&[
        "db",
        "backups",
        "set",
        "odd",
        "restic",
        "VFSType",
        "s3",
        "S3SecretKey",
        "geheim",
        "colour",
        "red",
    ]);
    let odd = machine.run(&["job", "show", "odd"]);
    assert_eq!(odd.code, Some(2));
    assert!(
        odd.out.contains("S3SecretKey=(hidden)") && !odd.out.contains("geheim"),
        "{}",
        odd.out
    );
    assert!(
        odd.err.contains("there is no property colour") && odd.err.contains("S3Host is missing"),
        "{}",
        odd.err
    );
}

#[test]
fn only_one_run_at_a_time() {
    let machine = machine();
    machine.good(&["backup-data", "-b", "b1"]);
    let lock = fs::File::open(machine.path("root/run/holdfast/backup-b1.lock")).unwrap();
    lock.lock().unwrap();
    let answer = machine.run(&["backup-data", "-b", "b1"]);
    assert_eq!(answer.code, Some(11));
    assert!(
        answer
            .err
            .starts_with("backup-data: backup b1 is running already: process "),
        "{}",
        answer.err
    );
    assert_eq!(
        machine.read("root/var/spool/backup/status-b1"),
        "0\n",
        "the status is of the run, not of who waits"
    );
}
