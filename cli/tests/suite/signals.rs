//! What a signal does: everything in order, and an end that tells the truth.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::machine::Machine;

/// A machine with data that takes a while to save.
fn machine() -> Machine {
    let machine = Machine::new();
    let mut noise = fs::File::open("/dev/urandom").unwrap().take(96 << 20);
    let mut file = fs::File::create(machine.path("data/noise")).unwrap();
    std::io::copy(&mut noise, &mut file).unwrap();
    machine
}

/// A backup that is in the midst of saving; the signals that it ignores are given as `env` takes them.
fn backup(machine: &Machine, ignored: &str) -> Child {
    let words = ["backup", "data", "--to", "repo", "--json"];
    let mut command = machine.command_by(&["env", "--default-signal=INT,TERM,HUP", ignored], words);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("\"backing_up\"") {
        line.clear();
        assert_ne!(lines.read_line(&mut line).unwrap(), 0, "the backup ended too soon");
    }
    // Read on, or the backup would wait for us.
    child.stdout = Some(lines.into_inner());
    child
}

fn send(child: &Child, signal: Signal) {
    let id = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(id, signal).unwrap();
}

#[test]
fn the_first_signal_ends_it_in_order_and_by_that_signal() {
    for (signal, number) in [(Signal::INT, 2), (Signal::TERM, 15)] {
        let machine = machine();
        let child = backup(&machine, "--ignore-signal=HUP");
        send(&child, signal);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.signal(), Some(number), "{number}");
        let out = String::from_utf8(output.stdout).unwrap();
        let last = out.lines().last().unwrap_or_default();
        assert!(
            last.starts_with(r#"{"type":"error","kind":"interrupted","code":130,"#),
            "{number}: {last}"
        );
        assert_eq!(
            fs::read_dir(machine.path("repo/locks")).unwrap().count(),
            0,
            "{number}: no lock is left"
        );
        assert!(
            machine
                .good(&["snapshots", "--repo", "repo"])
                .starts_with("0 snapshots")
        );
        machine.backup();
    }
}

#[test]
fn a_signal_that_was_ignored_from_the_start_stays_ignored() {
    let machine = machine();
    let child = backup(&machine, "--ignore-signal=HUP");
    send(&child, Signal::HUP);
    assert!(child.wait_with_output().unwrap().status.success());
}

#[test]
fn a_killed_backup_leaves_a_good_repository() {
    let machine = machine();
    let mut child = backup(&machine, "--ignore-signal=HUP");
    child.kill().unwrap();
    child.wait().unwrap();
    let next = machine.run(&["backup", "data", "--to", "repo"]);
    assert_eq!(next.code, Some(0), "{}", next.err);
    assert!(next.err.contains("stale lock"), "{}", next.err);
    machine.good(&["check", "--repo", "repo", "--read-data"]);
}

#[test]
fn a_listing_ends_when_nobody_reads_on() {
    let machine = Machine::new();
    for number in 0..3000 {
        machine.write(
            &format!("data/many/a-name-that-fills-the-pipe-soon-enough-{number}"),
            "",
        );
    }
    machine.backup();
    let mut child = machine
        .command(["ls", "--repo", "repo"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.signal(), Some(13), "by SIGPIPE");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn a_backup_goes_on_when_nobody_reads_on() {
    let machine = Machine::new();
    let mut child = machine
        .command(["backup", "data", "--to", "repo", "-v"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    child.wait().unwrap();
    assert!(machine.good(&["snapshots", "--repo", "repo"]).ends_with("1 snapshot\n"));
}
