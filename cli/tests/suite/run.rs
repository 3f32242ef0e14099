//! A run with its events, hooks and locks, as cron and administrators start it.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::machine::Machine;

/// A NethServer machine with backups of these names, each to a repository of its own.
fn machine(names: &[&str]) -> Machine {
    let machine = Machine::nethserver();
    machine.write(
        "root/etc/backup-data.d/custom.include",
        &format!("{}\n", machine.text("data")),
    );
    for name in names {
        add(&machine, name, &format!("repo-{name}"));
    }
    machine
}

fn add(machine: &Machine, name: &str, repo: &str) {
    let repo = machine.text(repo);
    let set = [
        "db",
        "backups",
        "set",
        name,
        "rsync",
        "status",
        "enabled",
        "VFSType",
        "local",
        "LocalDirectory",
    ];
    machine.good(&[&set[..], &[&repo, "BackupTime", "0 3 * * *"]].concat());
}

/// A program with this text, in the shell's language.
fn script(machine: &Machine, below: &str, text: &str) {
    machine.write(below, &format!("#!/bin/sh\n{text}\n"));
    fs::set_permissions(machine.path(below), fs::Permissions::from_mode(0o755)).unwrap();
}

fn action(machine: &Machine, event: &str, name: &str, text: &str) {
    script(machine, &format!("root/etc/e-smith/events/{event}/{name}"), text);
}

fn hook(machine: &Machine, name: &str, text: &str) {
    script(machine, &format!("root/etc/backup-data.hooks/{name}"), text);
}

/// An action that writes down each call in a file, and waits until another file is there when `hold` says so.
fn note(machine: &Machine, event: &str, hold: bool) {
    let (notes, release) = (machine.text("notes"), machine.text("release"));
    let wait = if hold {
        format!("while [ ! -e '{release}' ]; do sleep 0.02; done")
    } else {
        String::new()
    };
    action(machine, event, "S50note", &format!("echo \"$*\" >> '{notes}'\n{wait}"));
}

fn notes(machine: &Machine) -> Vec<String> {
    let text = fs::read_to_string(machine.path("notes")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

pub fn start(machine: &Machine, words: &[&str]) -> Child {
    // Whoever runs the tests may have it otherwise.
    let mut command = machine.command_by(&["env", "--default-signal=INT,TERM,HUP"], words);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(60), "waited for: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub fn ended(child: Child) -> (Option<i32>, String) {
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.code(), text)
}

/// Reads the child's output up to a line that begins so.
fn read_to(child: &mut Child, line: &str) -> String {
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let mut read = String::new();
    while !read.lines().last().is_some_and(|last| last.starts_with(line)) {
        assert_ne!(
            reader.read_line(&mut read).unwrap(),
            0,
            "it ended without `{line}`: {read}"
        );
    }
    child.stdout = Some(reader.into_inner());
    read
}

#[test]
fn events_surround_the_engine_and_their_lines_are_in_the_log() {
    let machine = machine(&["b1"]);
    action(&machine, "pre-backup-data", "S20dump", "echo \"dumped $2\"");
    action(&machine, "post-backup-data", "S50tidy", "echo \"Backup status: FAIL\"");
    let out = machine.good(&["backup-data", "-b", "b1"]);
    let order = [
        "\nEvent: pre-backup-data b1\n  dumped b1\nAction: ",
        "\nPre backup scripts status: SUCCESS\n",
        "\nAction 'backup-data-rsync b1': SUCCESS\n",
        "\nEvent: post-backup-data b1\n  Backup status: FAIL\nAction: ",
        "\nPost backup scripts status: SUCCESS\n",
        "\nBackup status: SUCCESS\n",
    ];
    let places: Vec<_> = order.iter().map(|text| out.find(text)).collect();
    assert!(
        places.iter().all(Option::is_some) && places.is_sorted(),
        "{places:?}: {out}"
    );
    let statuses: Vec<_> = out.lines().filter(|line| line.starts_with("Backup status:")).collect();
    assert_eq!(
        statuses,
        ["Backup status: SUCCESS"],
        "no action can say how the backup ended"
    );
    let log = fs::read_to_string(machine.only("root/var/log/backup", "backup-b1-")).unwrap();
    assert_eq!(log, out);
}

/// D10: what is done before is done once for all that run at the same time, and stays until the last has used it.
#[test]
fn d10_concurrent_runs_share_the_dumps_and_the_last_one_tidies_up() {
    let machine = machine(&["b1", "b2"]);
    action(
        &machine,
        "pre-backup-data",
        "S20dump",
        &format!("echo dump > '{}'", machine.text("data/dump")),
    );
    note(&machine, "pre-backup-data", true);
    action(
        &machine,
        "post-backup-data",
        "S20tidy",
        &format!("rm '{}'", machine.text("data/dump")),
    );
    note(&machine, "post-backup-data", false);
    let first = start(&machine, &["backup-data", "-b", "b1"]);
    until("the first event", || notes(&machine).len() == 1);
    let second = start(&machine, &["backup-data", "-b", "b2"]);
    until("the second holds its lock", || running(&machine, "b2"));
    machine.write("release", "");
    let outputs = [ended(first), ended(second)];
    assert!(outputs.iter().all(|(code, _)| *code == Some(0)), "{outputs:?}");
    let notes = notes(&machine);
    // When the first was done before the second looked, there was nothing to share, and each has its own pair.
    let pairs = notes.iter().filter(|note| note.starts_with("post-")).count();
    assert_eq!(notes.len(), 2 * pairs, "{notes:?}");
    for name in ["b1", "b2"] {
        let files = machine.good(&["backup-data-list", "-f", "-b", name]);
        assert!(files.contains("data/dump"), "{name} has the dump: {files}");
    }
    assert!(!machine.path("data/dump").exists());
}

fn running(machine: &Machine, name: &str) -> bool {
    let lines = machine.json(&["schedule"], 0);
    lines.iter().any(|line| line["name"] == name && line["running"] == true)
}

/// D10, and the order of the locks: the second comes while the first saves.
#[test]
fn d10_a_run_that_joins_says_whose_dumps_it_uses() {
    let machine = machine(&["b1", "b2"]);
    note(&machine, "pre-backup-data", false);
    note(&machine, "post-backup-data", false);
    machine.good(&["db", "backups", "settype", "b1", "restic"]);
    // The first would take minutes.
    let mut noise = vec![0; 300_000];
    fs::File::open("/dev/urandom").unwrap().read_exact(&mut noise).unwrap();
    fs::write(machine.path("data/noise"), noise).unwrap();
    machine.good(&["db", "backups", "setprop", "b1", "Bandwidth", "1K"]);
    let mut first = start(&machine, &["backup-data", "-b", "b1"]);
    read_to(&mut first, "Pre backup scripts status: SUCCESS");
    let (code, out) = ended(start(&machine, &["backup-data", "-b", "b2"]));
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("\nPre backup scripts status: SHARED (done at 2"), "{out}");
    assert!(out.contains(" for backup b1, which runs)\n"), "{out}");
    assert!(out.contains("\nPost backup scripts status: LEFT "), "{out}");
    assert_eq!(notes(&machine), ["pre-backup-data b1"]);
    let begin = Instant::now();
    stop(&first, Signal::TERM);
    let (_, out) = ended(first);
    assert!(
        begin.elapsed() < Duration::from_secs(60),
        "a limit of bandwidth does not keep it from ending"
    );
    assert!(out.contains("\nPost backup scripts status: SUCCESS\n"), "{out}");
    assert_eq!(notes(&machine), ["pre-backup-data b1", "post-backup-data b1"]);
}

fn stop(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// D11: the files are saved all the same, and the run says what is missing.
#[test]
fn d11_a_failing_action_before_does_not_stop_the_backup() {
    let machine = machine(&["b1"]);
    action(
        &machine,
        "pre-backup-data",
        "S50mysql",
        "echo 'table is marked as crashed' >&2; exit 2",
    );
    action(&machine, "pre-backup-data", "S60other", "echo other");
    let answer = machine.run(&["backup-data", "-b", "b1"]);
    assert_eq!(answer.code, Some(3), "{}", answer.out);
    for text in [
        "\n  table is marked as crashed\n",
        "\n  other\n",
        "\nWarning: before the backup: S50mysql of pre-backup-data: exit code 2\n",
        "\nEvent pre-backup-data: FAIL\n",
        "\nAction 'backup-data-rsync b1': SUCCESS\n",
        "\nBackup finished with errors: what the failed actions make may be missing or old in the snapshot\n",
        "\nBackup status: FAIL\n",
    ] {
        assert!(answer.out.contains(text), "{text}: {}", answer.out);
    }
    assert_eq!(machine.read("root/var/spool/backup/status-b1"), "3\n");
    assert!(
        machine
            .good(&["backup-data-list", "-f", "-b", "b1"])
            .contains("letter.txt")
    );
}

/// D11: and what fails after it does not make it a failure.
#[test]
fn d11_a_failing_action_after_leaves_a_saved_backup_a_success() {
    let machine = machine(&["b1"]);
    action(&machine, "post-backup-data", "S50tidy", "exit 1");
    let out = machine.good(&["backup-data", "-b", "b1"]);
    assert!(
        out.contains("\nWarning: after the backup: S50tidy of post-backup-data: exit code 1\n"),
        "{out}"
    );
    assert!(
        out.contains("\nEvent post-backup-data: FAIL\n") && out.contains("\nBackup status: SUCCESS\n"),
        "{out}"
    );
}

#[test]
fn an_action_that_hangs_is_stopped_and_named() {
    let machine = machine(&["b1"]);
    machine.good(&["db", "backups", "setprop", "b1", "ActionTimeout", "1s"]);
    action(&machine, "pre-backup-data", "S50hangs", "exec sleep 1000");
    hook(&machine, "hangs", "exec sleep 1000");
    let answer = machine.run(&["backup-data", "-b", "b1"]);
    assert_eq!(answer.code, Some(3));
    assert!(
        answer
            .out
            .contains("S50hangs of pre-backup-data: stopped after 1 seconds"),
        "{}",
        answer.out
    );
    assert!(
        answer
            .out
            .contains("backup-data.hooks/hangs: FAIL (stopped after 1 seconds)"),
        "{}",
        answer.out
    );
}

/// D17: whatever comes, the actions after are run and the destination is let go.
#[test]
fn d17_a_failed_run_tidies_up() {
    let machine = machine(&["b1"]);
    note(&machine, "pre-backup-data", false);
    note(&machine, "post-backup-data", false);
    machine.write("repo-b1", "a file where the folder should be");
    let answer = machine.run(&["backup-data", "-b", "b1"]);
    assert_ne!(answer.code, Some(0));
    assert!(
        answer.out.contains("\nAction 'backup-data-rsync b1': FAIL\n"),
        "{}",
        answer.out
    );
    assert_eq!(notes(&machine), ["pre-backup-data b1", "post-backup-data b1"]);
    fs::remove_file(machine.path("repo-b1")).unwrap();
    machine.good(&["backup-data", "-b", "b1"]);
}

#[test]
fn d17_an_interrupted_run_tidies_up_and_says_so() {
    for signal in [Signal::INT, Signal::TERM] {
        let machine = machine(&["b1"]);
        note(&machine, "pre-backup-data", true);
        note(&machine, "post-backup-data", false);
        hook(
            &machine,
            "hook",
            &format!("echo \"$1 $3\" >> '{}'", machine.text("notes")),
        );
        let child = start(&machine, &["backup-data", "-b", "b1"]);
        until("the event before", || notes(&machine).len() == 1);
        stop(&child, signal);
        let output = child.wait_with_output().unwrap();
        let out = String::from_utf8(output.stdout).unwrap();
        assert!(
            !output.status.success() && output.status.code().is_none(),
            "it ended by the signal: {out}"
        );
        assert_eq!(
            notes(&machine),
            ["pre-backup-data b1", "post-backup-data b1", "b1 130"],
            "{out}"
        );
        assert_eq!(machine.read("root/var/spool/backup/status-b1"), "130\n");
        machine.write("release", "");
        machine.good(&["backup-data", "-b", "b1"]);
    }
}

/// D16: the second run of a job is refused and told who has it; it leaves the first one's files alone.
#[test]
fn d16_a_second_run_of_a_job_is_refused() {
    let machine = machine(&["b1"]);
    note(&machine, "pre-backup-data", true);
    let first = start(&machine, &["backup-data", "-b", "b1"]);
    until("the event before", || notes(&machine).len() == 1);
    let second = machine.run(&["backup-data", "-b", "b1"]);
    assert_eq!(second.code, Some(11));
    let holder = format!("backup b1 is running already: process {} on ", first.id());
    assert!(second.err.contains(&holder), "{}", second.err);
    let third = machine.run(&["backup-data-wrapper", "b1"]);
    assert_eq!((third.code, third.out.as_str(), third.err.as_str()), (Some(11), "", ""));
    machine.write("release", "");
    assert_eq!(ended(first).0, Some(0));
    assert_eq!(machine.read("root/var/spool/backup/status-b1"), "0\n");
}

/// D16: two jobs on one destination go one after the other, whichever engines they have.
#[test]
fn d16_a_destination_in_use_is_waited_for_within_a_limit() {
    let machine = machine(&["b1"]);
    add(&machine, "b2", "repo-b1/../repo-b1");
    machine.good(&["db", "backups", "setprop", "b2", "LockWait", "0s"]);
    note(&machine, "pre-backup-data", true);
    let first = start(&machine, &["backup-data", "-b", "b1"]);
    until("the event before", || notes(&machine).len() == 1);
    fs::create_dir_all(machine.path("repo-b1")).unwrap();
    let refused = machine.run(&["backup-data", "-b", "b2"]);
    assert_eq!(refused.code, Some(11), "{}", refused.out);
    assert!(
        refused.out.contains(" is in use: process ") || refused.err.contains(" is in use: process "),
        "{}{}",
        refused.out,
        refused.err
    );
    assert!(refused.err.contains(", for backup b1"), "{}", refused.err);
    machine.good(&["db", "backups", "setprop", "b2", "LockWait", "1h"]);
    let mut second = start(&machine, &["backup-data", "-b", "b2"]);
    let read = read_to(&mut second, "Waiting for ");
    assert!(
        read.contains(&format!("in use by process {} on ", first.id())),
        "{read}"
    );
    machine.write("release", "");
    assert_eq!(ended(first).0, Some(0));
    let (code, out) = ended(second);
    assert_eq!(code, Some(0), "{out}");
}

/// D24: two runs in one minute have a log each.
#[test]
fn d24_every_run_has_a_log_of_its_own() {
    let machine = machine(&["b1"]);
    let logs: Vec<_> = (0..3)
        .map(|_| machine.json(&["backup-data", "-b", "b1"], 0).last().unwrap()["log"].to_string())
        .collect();
    let names = fs::read_dir(machine.path("root/var/log/backup")).unwrap().count();
    assert_eq!(names, 3, "{logs:?}");
    assert!(logs[0] != logs[1] && logs[1] != logs[2], "{logs:?}");
}

/// D26: what an earlier run has found is not shown as this one's.
#[test]
fn d26_disk_usage_has_its_time_and_a_stale_one_is_not_shown() {
    let machine = machine(&["b1"]);
    machine.good(&["backup-data", "-b", "b1"]);
    let file = machine.read("root/var/spool/backup/disk_usage-b1");
    let usage: serde_json::Value = serde_json::from_str(&file).unwrap();
    assert!(usage["time"].as_i64().unwrap() > 1_600_000_000, "{file}");
    fs::remove_dir_all(machine.path("repo-b1")).unwrap();
    let answer = machine.run(&["backup-data", "-b", "b1"]);
    assert_eq!(answer.code, Some(10));
    assert!(!answer.out.contains("Disk Usage"), "{}", answer.out);
    assert_eq!(machine.read("root/var/spool/backup/disk_usage-b1"), file);
}

/// D27: what became of each hook stands in the log.
#[test]
fn d27_hooks_have_four_words_and_their_results_are_kept() {
    let machine = machine(&["b1"]);
    hook(
        &machine,
        "10-words",
        &format!("printf '%s|' \"$@\" > '{}'", machine.text("words")),
    );
    hook(&machine, "20-fails", "echo no mailer; exit 4");
    hook(&machine, "30-loud", "yes loud | head -c 5000000");
    machine.write("root/etc/backup-data.hooks/40-plain", "not a program");
    let before = jiff::Timestamp::now().as_second();
    let lines = machine.json(&["backup-data", "-b", "b1"], 0);
    let log = lines.last().unwrap()["log"].as_str().unwrap().to_owned();
    let words = machine.read("words");
    let words: Vec<_> = words.split('|').collect();
    assert_eq!(words[..3], ["b1", &log, "0"]);
    assert!((before..before + 60).contains(&words[3].parse().unwrap()), "{words:?}");
    let text = fs::read_to_string(&log).unwrap();
    assert!(
        text.contains("\n  no mailer\nHook ") && text.contains("20-fails: FAIL (exit code 4)\n"),
        "{text}"
    );
    assert!(text.contains("40-plain: not executable, left out\n"), "{text}");
    assert!(
        text.len() < 200_000 && text.contains(" of output left out)\n"),
        "{}",
        text.len()
    );
    let hooks: Vec<_> = lines.iter().filter(|line| line["type"] == "hook").collect();
    let exits: Vec<_> = hooks.iter().map(|hook| hook["exit"].as_i64().unwrap()).collect();
    assert_eq!(exits, [0, 4, 0, 0]);
    assert_eq!(hooks[1]["failure"], "exit code 4");
}

#[test]
fn the_wrapper_speaks_by_its_log_only() {
    let machine = machine(&["b1", "bad"]);
    machine.good(&["db", "backups", "setprop", "bad", "VFSType", "nonsense"]);
    hook(
        &machine,
        "hook",
        &format!("echo \"$1 $3\" >> '{}'", machine.text("notes")),
    );
    let good = machine.run(&["backup-data-wrapper", "b1"]);
    assert_eq!((good.code, good.out.as_str(), good.err.as_str()), (Some(0), "", ""));
    let bad = machine.run(&["backup-data-wrapper", "bad"]);
    assert_eq!((bad.code, bad.out.as_str(), bad.err.as_str()), (Some(2), "", ""));
    let log = fs::read_to_string(machine.only("root/var/log/backup", "backup-bad-")).unwrap();
    assert!(
        log.contains("VFSType is `nonsense`") && log.contains("\nBackup status: FAIL\n"),
        "{log}"
    );
    assert_eq!(machine.read("root/var/spool/backup/status-bad"), "2\n");
    assert_eq!(notes(&machine), ["b1 0", "bad 2"]);
    let none = machine.run(&["backup-data-wrapper", "none"]);
    assert_eq!((none.code, none.out.as_str()), (Some(2), ""));
    assert!(none.err.contains("No backup 'none' found"), "{}", none.err);
}

#[test]
fn without_a_log_the_run_goes_on_and_the_wrapper_speaks_up() {
    let machine = machine(&["b1"]);
    machine.write("root/var/log/backup", "a file where the folder should be");
    let good = machine.run(&["backup-data-wrapper", "b1"]);
    assert_eq!(good.code, Some(0), "{}", good.err);
    fs::remove_dir_all(machine.path("repo-b1")).unwrap();
    let bad = machine.run(&["backup-data-wrapper", "b1"]);
    assert_eq!(bad.code, Some(10));
    assert!(bad.err.contains(" is gone: "), "{}", bad.err);
}

#[test]
fn a_job_removed_while_it_runs_ends_well() {
    let machine = machine(&["b1"]);
    note(&machine, "pre-backup-data", true);
    let child = start(&machine, &["backup-data", "-b", "b1"]);
    until("the event before", || notes(&machine).len() == 1);
    machine.good(&["db", "backups", "delete", "b1"]);
    machine.write("release", "");
    let (code, out) = ended(child);
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("\nBackup status: SUCCESS\n"), "{out}");
}

#[test]
fn ten_jobs_at_once_on_one_destination_and_on_ten() {
    let machine = machine(&[]);
    let names: Vec<String> = (0..20).map(|number| format!("job{number}")).collect();
    for (number, name) in names.iter().enumerate() {
        // One folder of rsync's snapshots for ten backups: what they save is the same.
        let repo = if number < 10 {
            "repo-shared".to_owned()
        } else {
            format!("repo-{name}")
        };
        add(&machine, name, &repo);
    }
    note(&machine, "pre-backup-data", false);
    note(&machine, "post-backup-data", false);
    let children: Vec<_> = names
        .iter()
        .map(|name| (name, start(&machine, &["backup-data", "-b", name])))
        .collect();
    for (name, child) in children {
        let (code, out) = ended(child);
        assert_eq!(code, Some(0), "{name}: {out}");
        assert!(out.contains("\nBackup status: SUCCESS\n"), "{name}: {out}");
        assert_eq!(machine.read(&format!("root/var/spool/backup/status-{name}")), "0\n");
        machine.only("root/var/log/backup", &format!("backup-{name}-"));
    }
    let notes = notes(&machine);
    let count = |event: &str| notes.iter().filter(|note| note.starts_with(event)).count();
    assert_eq!(count("pre-"), count("post-"), "{notes:?}");
    assert!(
        notes
            .iter()
            .enumerate()
            .all(|(index, note)| note.starts_with(["pre-", "post-"][index % 2])),
        "{notes:?}"
    );
}
