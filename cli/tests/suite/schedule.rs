//! Events by hand, and who starts backups when.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use crate::machine::Machine;

fn machine() -> Machine {
    let machine = Machine::nethserver();
    machine.write(
        "root/etc/backup-data.d/custom.include",
        &format!("{}\n", machine.text("data")),
    );
    let repo = machine.text("repo");
    let set = [
        "db",
        "backups",
        "set",
        "b1",
        "rsync",
        "status",
        "enabled",
        "VFSType",
        "local",
        "LocalDirectory",
    ];
    machine.good(&[&set[..], &[&repo, "BackupTime", "15 7 * * *"]].concat());
    machine
}

fn action(machine: &Machine, below: &str, text: &str) {
    let below = format!("root/etc/e-smith/events/{below}");
    machine.write(&below, &format!("#!/bin/sh\n{text}\n"));
    fs::set_permissions(machine.path(&below), fs::Permissions::from_mode(0o554)).unwrap();
}

#[test]
fn an_event_says_nothing_and_its_code_says_it_all() {
    let machine = machine();
    action(&machine, "test/S10a", "echo \"$*\" > notes");
    assert_eq!(machine.good(&["signal-event", "test", "-j", "two words"]), "");
    assert_eq!(machine.read("notes"), "test -j two words\n");
    action(&machine, "test/S20b", "exit 5");
    action(&machine, "test/S30c", "echo after >> notes");
    let failed = machine.run(&["signal-event", "test"]);
    assert_eq!((failed.code, failed.out.as_str()), (Some(1), ""));
    assert_eq!(failed.err, "signal-event: S20b of test: exit code 5\n");
    assert!(machine.read("notes").ends_with("after\n"));
    let missing = machine.run(&["signal-event", "none"]);
    assert_eq!(missing.code, Some(1));
    assert!(missing.err.contains("cannot open the directory"), "{}", missing.err);
    assert_eq!(machine.run(&["signal-event", "actions"]).code, Some(2));
}

#[test]
fn json_lines_are_those_that_interfaces_read() {
    let machine = machine();
    action(&machine, "test/S10a", "echo out");
    action(&machine, "test/S20b", "exit 5");
    action(&machine, "test/S30c", "exec sleep 1000");
    let words = ["signal-event", "-j", "--timeout", "1s", "test", "x"];
    let answer = machine.run(&words);
    assert_eq!(answer.code, Some(1), "{}", answer.err);
    let lines: Vec<serde_json::Value> = answer
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!((&lines[0]["event"], &lines[0]["steps"]), (&"test".into(), &3.into()));
    assert_eq!(lines[0]["args"], serde_json::json!(["x"]));
    let done: Vec<_> = lines.iter().filter(|line| line["state"] == "done").collect();
    let exits: Vec<_> = done.iter().map(|line| line["exit"].as_i64().unwrap()).collect();
    assert_eq!(exits, [0, 5, 124]);
    assert_eq!(
        (&done[0]["progress"], &done[2]["progress"]),
        (&"0.33".into(), &"1.00".into())
    );
    assert!(done[0]["action"].as_str().unwrap().ends_with("/events/test/S10a"));
    let last = lines.last().unwrap();
    assert_eq!(
        (&last["event"], &last["status"], &last["code"]),
        (&"test".into(), &"failed".into(), &1.into())
    );
}

#[test]
fn saving_a_backup_writes_the_crontab_and_looks_at_the_destination() {
    let machine = machine();
    machine.good(&[
        "db",
        "backups",
        "set",
        "bad",
        "rsync",
        "status",
        "enabled",
        "VFSType",
        "local",
        "LocalDirectory",
        "/x",
        "BackupTime",
        "0 3 * * *",
    ]);
    // Past every check, as an editor may have left it.
    let database = machine
        .read("root/var/lib/nethserver/db/backups")
        .replace("0 3 * * *", "0 33 * * *");
    machine.write("root/var/lib/nethserver/db/backups", &database);
    let out = machine.good(&["signal-event", "-v", "nethserver-backup-data-save", "b1"]);
    let crontab = machine.read("root/etc/cron.d/backup-data");
    assert!(
        crontab.contains("\n15 7 * * * root ") && crontab.contains(" backup-data-wrapper b1\n"),
        "{crontab}"
    );
    assert!(!crontab.contains("bad"), "{crontab}");
    assert!(
        out.contains("  backup bad never runs by itself: BackupTime is `0 33 * * *`"),
        "{out}"
    );
    assert!(
        out.contains("can be reached; the folder will be made") || out.contains(" is there"),
        "{out}"
    );
    // The line does what it says.
    let line = crontab.lines().find(|line| line.ends_with(" b1")).unwrap();
    let command = line.split_once(" root ").unwrap().1;
    let status = std::process::Command::new("sh")
        .args(["-c", command])
        .env("HOLDFAST_ROOT", machine.path("root"))
        .status()
        .unwrap();
    assert!(status.success());
    assert_eq!(machine.read("root/var/spool/backup/status-b1"), "0\n");
}

/// D55: the password is read and gone, from a file or from standard input.
#[test]
fn d55_a_password_file_never_stays() {
    let machine = machine();
    machine.write("password", "secret\n");
    machine.good(&[
        "signal-event",
        "nethserver-backup-data-save",
        "b1",
        &machine.text("password"),
    ]);
    assert!(!machine.path("password").exists());
    machine.write("password", "secret\n");
    let answer = machine.run(&[
        "signal-event",
        "nethserver-backup-data-save",
        "no such job!",
        &machine.text("password"),
    ]);
    assert_eq!(answer.code, Some(2));
    assert!(!machine.path("password").exists(), "also when the rest is wrong");
    let mut command = machine.command(["signal-event", "nethserver-backup-data-save", "b1", "-"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"secret\n").unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn the_schedule_is_shown_and_a_missed_run_is_made_up_once() {
    let machine = machine();
    machine.good(&["schedule", "write"]);
    let shown = machine.json(&["schedule"], 0);
    assert_eq!(
        (&shown[0]["type"], &shown[0]["name"]),
        (&"planned".into(), &"b1".into())
    );
    let next = shown[0]["next"].as_str().unwrap();
    assert!(next.ends_with("T07:15:00Z"), "{next}");
    assert!(shown[0]["missed"].is_null());
    assert_eq!(machine.good(&["schedule", "catch-up"]), "");
    // Installed two days ago: the runs of two days are missing.
    let state = machine.read("root/var/spool/backup/schedule-b1");
    let mut state: serde_json::Value = serde_json::from_str(&state).unwrap();
    state["since"] = (state["since"].as_i64().unwrap() - 2 * 86_400).into();
    machine.write("root/var/spool/backup/schedule-b1", &state.to_string());
    assert!(machine.good(&["schedule"]).contains(", missed since 20"));
    assert!(
        machine
            .good(&["schedule", "catch-up", "--dry-run"])
            .contains("would be run")
    );
    assert!(!machine.path("repo").exists());
    let lines = machine.json(&["schedule", "catch-up"], 0);
    assert_eq!(lines.last().unwrap()["runs"][0]["status"], "success");
    assert!(
        machine
            .good(&["backup-data-list", "-f", "-b", "b1"])
            .contains("letter.txt")
    );
    assert_eq!(machine.good(&["schedule", "catch-up"]), "", "once is enough");
}

/// A record that is nonsense concerns its own backup only, and is not tried again each hour.
#[test]
fn a_bad_record_does_not_keep_the_others_from_being_made_up() {
    let machine = machine();
    machine.good(&[
        "db",
        "backups",
        "set",
        "a-bad",
        "rsync",
        "status",
        "enabled",
        "BackupTime",
        "15 7 * * *",
    ]);
    machine.good(&["schedule", "write"]);
    for name in ["a-bad", "b1"] {
        let file = format!("root/var/spool/backup/schedule-{name}");
        let mut state: serde_json::Value = serde_json::from_str(&machine.read(&file)).unwrap();
        state["since"] = (state["since"].as_i64().unwrap() - 2 * 86_400).into();
        machine.write(&file, &state.to_string());
    }
    let lines = machine.json(&["schedule", "catch-up"], 2);
    let runs = lines.last().unwrap()["runs"].as_array().unwrap().clone();
    let statuses: Vec<_> = runs
        .iter()
        .map(|run| (run["name"].as_str().unwrap(), run["status"].as_str().unwrap()))
        .collect();
    assert_eq!(statuses, [("a-bad", "usage"), ("b1", "success")]);
    let again = machine.json(&["schedule", "catch-up"], 0);
    assert!(again.last().unwrap()["runs"].as_array().unwrap().is_empty());
}

#[test]
fn priority_and_names_of_programs() {
    let machine = machine();
    for (property, value) in [("Nice", "15"), ("IONice", "idle")] {
        machine.good(&["db", "backups", "setprop", "b1", property, value]);
    }
    action(
        &machine,
        "pre-backup-data/S10",
        "nice > nice; ionice > ionice 2>/dev/null || :",
    );
    let link = machine.path("backup-data-wrapper");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_holdfast"), &link).unwrap();
    let mut by_name = std::process::Command::new(&link);
    by_name
        .arg("b1")
        .current_dir(machine.path(""))
        .env("HOLDFAST_ROOT", machine.path("root"));
    assert!(by_name.status().unwrap().success());
    assert_eq!(machine.read("nice"), "15\n");
    let io = machine.read("ionice");
    assert!(io.is_empty() || io.starts_with("idle"), "{io}");
}
