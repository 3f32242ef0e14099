//! What is told of runs, and how backups are said to be.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rustix::process::{Pid, Signal, kill_process};

use crate::machine::Machine;
use crate::run::{ended, start, until};

/// A backup that tells of every run by a program in place of sendmail.
fn machine(notify: &str) -> Machine {
    let machine = Machine::new();
    let script = format!("#!/bin/sh\ncat >> {}\n", machine.text("mails"));
    machine.write("sendmail", &script);
    fs::set_permissions(machine.path("sendmail"), fs::Permissions::from_mode(0o755)).unwrap();
    let sendmail = machine.text("sendmail");
    machine.good(&["config", "set", "backup-data", "configuration", "Sendmail", &sendmail]);
    let (repo, data) = (machine.text("repo"), machine.text("data"));
    let set = format!("Notify={notify}");
    machine.good(&["job", "add", "b1", &data, "--to", &repo, "--set", &set]);
    machine
}

#[test]
fn a_run_is_told_and_kept_in_the_journal() {
    let machine = machine("always");
    machine.good(&["backup", "-b", "b1"]);
    let mail = machine.read("mails");
    for text in [
        "Backup b1 [",
        "]: SUCCESS",
        "was successful.",
        "3 files",
        "Backup status: SUCCESS",
        "Log file: ",
    ] {
        assert!(mail.contains(text), "{text}: {mail}");
    }
    machine.good(&["backup", "-b", "b1"]);
    let lines = machine.json(&["runs", "-b", "b1"], 0);
    assert_eq!(lines.len(), 3);
    let (newest, oldest) = (&lines[0], &lines[1]);
    assert_eq!(
        (&newest["type"], &newest["backup"], &newest["status"]),
        (&"run".into(), &"b1".into(), &"success".into())
    );
    assert_ne!(newest["run"], oldest["run"]);
    assert_ne!(newest["snapshot"], oldest["snapshot"]);
    assert_eq!(
        newest["files"],
        serde_json::json!({"new": 0, "changed": 0, "unchanged": 3})
    );
    assert_eq!(newest["notified"][0]["way"], "mail");
    let state: serde_json::Value =
        serde_json::from_str(&machine.read("root/var/lib/holdfast/status/status-b1.json")).unwrap();
    assert_eq!((&state["last"]["run"], &state["failures"]), (&newest["run"], &0.into()));
    let text = machine.good(&["runs", "-b", "b1", "--last", "1"]);
    assert!(text.lines().count() == 1 && text.contains("success"), "{text}");
}

#[test]
fn a_mail_that_cannot_be_sent_is_a_warning_and_no_failure() {
    let machine = machine("always");
    machine.write("sendmail", "#!/bin/sh\necho no queue >&2\nexit 75\n");
    let answer = machine.run(&["backup", "-b", "b1"]);
    assert_eq!(answer.code, Some(0), "{}", answer.err);
    assert!(
        answer.err.contains("warning: no mail to root@localhost: ") && answer.err.contains("no queue"),
        "{}",
        answer.err
    );
    let run = &machine.json(&["runs", "-b", "b1"], 0)[0];
    assert_eq!(
        (&run["status"], &run["notified"][0]["success"]),
        (&"success".into(), &false.into())
    );
    assert!(run["warnings"][0].as_str().unwrap().contains("no queue"));
    let lines = machine.json(&["notify", "test", "-b", "b1"], 1);
    assert_eq!(
        (&lines[0]["type"], &lines[0]["success"]),
        (&"told".into(), &false.into())
    );
}

#[test]
fn status_says_how_each_backup_is_and_ends_with_a_code_for_monitoring() {
    let machine = machine("error");
    assert_eq!(machine.json(&["status"], 0)[0]["verdict"], "new");
    machine.good(&["backup", "-b", "b1"]);
    let good = machine.json(&["status"], 0);
    assert_eq!(
        (&good[0]["verdict"], &good[0]["last_good"]["run"]),
        (&"good".into(), &good[0]["last"]["run"])
    );
    assert!(good[0]["space"]["total"].as_u64().unwrap() > 0);
    assert!(!machine.path("mails").exists(), "a success is not told");
    let text = machine.good(&["status"]);
    let lines: Vec<_> = text.lines().collect();
    assert!(
        lines[0].starts_with("BACKUP") && lines[1].starts_with("b1") && lines[1].contains("just now"),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "no colours but on a terminal");
    fs::rename(machine.path("repo"), machine.path("elsewhere")).unwrap();
    assert_eq!(machine.run(&["backup", "-b", "b1"]).code, Some(10));
    let failed = machine.json(&["status"], 1);
    assert_eq!(
        (&failed[0]["verdict"], &failed[0]["failures"]),
        (&"failed".into(), &1.into())
    );
    assert_eq!(failed[0]["last_good"], good[0]["last_good"]);
    let text = machine.run(&["status", "-b", "b1"]).out;
    assert!(text.contains("is gone: it was used from here before"), "{text}");
    assert!(machine.read("mails").contains("The last good backup is of "));
    assert_eq!(machine.run(&["status", "-b", "b2"]).code, Some(2));
}

/// The room of an older run was shown as if it were that of the last one.
#[test]
fn d26_the_room_at_the_destination_is_that_of_the_run_or_none() {
    let machine = machine("error");
    machine.good(&["backup", "-b", "b1"]);
    fs::rename(machine.path("repo"), machine.path("elsewhere")).unwrap();
    let answer = machine.run(&["backup", "-b", "b1"]);
    assert!(
        answer.code == Some(10) && !answer.out.contains("Disk Usage:"),
        "{}",
        answer.out
    );
    assert!(!machine.read("mails").contains("Free there"));
    let runs = machine.json(&["runs", "-b", "b1"], 0);
    assert!(runs[0]["usage"].is_null());
    let status = machine.json(&["status"], 1);
    assert_eq!(status[0]["space"], runs[1]["usage"], "the older one, with its time");
    assert!(
        machine
            .run(&["status"])
            .out
            .contains(runs[1]["usage"]["time"].as_str().unwrap().get(..10).unwrap())
    );
}

/// A hook that failed was nobody's business.
#[test]
fn d27_a_hook_that_failed_stands_in_the_journal_and_in_the_mail() {
    let machine = machine("always");
    for (name, script) in [("10-good", "#!/bin/sh\n"), ("20-bad", "#!/bin/sh\nexit 7\n")] {
        let hook = format!("root/etc/holdfast/backup-data.hooks/{name}");
        machine.write(&hook, script);
        fs::set_permissions(machine.path(&hook), fs::Permissions::from_mode(0o755)).unwrap();
    }
    machine.good(&["backup", "-b", "b1"]);
    let run = &machine.json(&["runs", "-b", "b1"], 0)[0];
    let parts = [
        serde_json::json!({"kind": "hook", "name": "10-good", "success": true, "message": "success"}),
        serde_json::json!({"kind": "hook", "name": "20-bad", "success": false, "message": "exit code 7"}),
    ];
    assert_eq!(run["parts"].as_array().unwrap().as_slice(), parts);
    assert!(
        machine.read("mails").contains("  hook 20-bad: exit code 7"),
        "{}",
        machine.read("mails")
    );
    assert!(machine.good(&["status"]).contains("b1"));
}

#[test]
fn what_is_wrong_with_the_settings_is_said() {
    let machine = machine("error");
    machine.good(&[
        "db",
        "backups",
        "setprop",
        "b1",
        "NotifyTo",
        "not an address",
        "WebhookUrl",
        "ftp://T0KEN",
    ]);
    let answer = machine.run(&["backup", "-b", "b1"]);
    assert_eq!(answer.code, Some(0), "{}", answer.err);
    assert!(
        answer.err.contains("NotifyTo is `not an address`") && answer.err.contains("WebhookUrl is `(hidden)`"),
        "{}",
        answer.err
    );
    assert!(!answer.err.contains("T0KEN") && !machine.run(&["job", "show", "b1"]).out.contains("T0KEN"));
    assert_eq!(machine.run(&["notify", "test", "-b", "b1"]).code, Some(2));
}

/// An event before the backup that lasts until it is let go.
fn hold(machine: &Machine) {
    let action = "root/etc/holdfast/events/pre-backup-data/S50holds";
    let (entered, release) = (machine.text("entered"), machine.text("release"));
    let script = format!("#!/bin/sh\ntouch '{entered}'\nwhile [ ! -e '{release}' ]; do sleep 0.02; done\n");
    machine.write(action, &script);
    fs::set_permissions(machine.path(action), fs::Permissions::from_mode(0o755)).unwrap();
}

/// A run of cron's that comes while another one goes on was nobody's business.
#[test]
fn a_run_that_is_refused_is_told_and_says_why() {
    let machine = machine("error");
    hold(&machine);
    let first = start(&machine, &["backup", "-b", "b1"]);
    until("the event before", || machine.path("entered").exists());
    assert_eq!(machine.run(&["backup-data-wrapper", "b1"]).code, Some(11));
    let mail = machine.read("mails");
    let held = format!("backup b1 is running already: process {} on ", first.id());
    for text in [
        "]: ERROR\n",
        "was not made: another one is in its way.",
        &held,
        "What to do\n",
    ] {
        assert!(mail.contains(text), "{text}: {mail}");
    }
    // Another backup with the same destination does not wait for ever.
    let (repo, data) = (machine.text("repo"), machine.text("data"));
    let set = ["--set", "Notify=error", "--set", "LockWait=0s"];
    machine.good(&[&["job", "add", "b2", &data, "--to", &repo][..], &set].concat());
    assert_eq!(machine.run(&["backup-data-wrapper", "b2"]).code, Some(11));
    let mail = machine.read("mails");
    assert!(
        mail.contains("Subject: Backup b2 [") && mail.contains(" is in use: process "),
        "{mail}"
    );
    machine.write("release", "");
    assert_eq!(ended(first).0, Some(0));
    let status = machine.json(&["status", "-b", "b1"], 0);
    assert_eq!(
        status[0]["verdict"], "good",
        "how the backup is says the run that was made"
    );
    let runs = machine.json(&["runs", "-b", "b1"], 0);
    assert_eq!(
        (&runs[0]["status"], &runs[1]["status"]),
        (&"success".into(), &"locked".into())
    );
    assert_eq!(machine.read("mails").matches("Subject: ").count(), 2);
}

/// Whom the kernel kills says nothing; so the next one does, or the look in the morning.
#[test]
fn a_run_that_broke_off_is_told_once() {
    for by_the_next in [true, false] {
        let machine = machine("error");
        hold(&machine);
        let child = start(&machine, &["backup", "-b", "b1"]);
        until("the event before", || machine.path("entered").exists());
        kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
        assert_eq!(ended(child).0, None);
        machine.write("release", "");
        assert!(!machine.path("mails").exists());
        let status = machine.json(&["status"], 1);
        assert_eq!(status[0]["verdict"], "failed");
        assert!(
            status[0]["reasons"][0]
                .as_str()
                .unwrap()
                .contains("did not come to its end"),
            "{status:?}"
        );
        if by_the_next {
            machine.good(&["backup", "-b", "b1"]);
        } else {
            machine.good(&["notify", "overdue"]);
            machine.json(&["status"], 1);
        }
        machine.good(&["notify", "overdue"]);
        machine.good(&["backup", "-b", "b1"]);
        let mail = machine.read("mails");
        assert_eq!(mail.matches("Subject: ").count(), 1, "{mail}");
        for text in [
            "]: ERROR\n",
            "broke off in the middle",
            "Log file: ",
            "Backup started at ",
            "There is no good backup yet.",
        ] {
            assert!(mail.contains(text), "{text}: {mail}");
        }
        let runs = machine.json(&["runs", "-b", "b1"], 0);
        let broken: Vec<_> = runs.iter().filter(|run| run["broken_off"] == true).collect();
        assert_eq!(broken.len(), 1, "{runs:?}");
        assert_eq!(broken[0]["notified"][0]["success"], true);
        assert_eq!(machine.json(&["status"], 0)[0]["failures"], 0);
    }
}
