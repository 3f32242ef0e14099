//! What is asked of somebody who sits at a terminal.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::machine::Machine;

/// Runs `holdfast` on a terminal of its own where these lines are typed; what the terminal shows, and the exit code.
fn typed(machine: &Machine, words: &str, lines: &[&str]) -> Option<(String, Option<i32>)> {
    let (shown, code) = typed_in("C.UTF-8", machine, words, lines)?;
    Some((String::from_utf8_lossy(&shown).into_owned(), code))
}

/// The same in a locale.
pub fn typed_in(locale: &str, machine: &Machine, words: &str, lines: &[&str]) -> Option<(Vec<u8>, Option<i32>)> {
    let call = format!("{} {words}", env!("CARGO_BIN_EXE_holdfast"));
    let mut script = Command::new("script");
    script.args(["-qec", &call, "/dev/null"]).current_dir(machine.path("."));
    script
        .env("HOLDFAST_ROOT", machine.path("root"))
        .env("TZ", "UTC")
        .env("LC_ALL", locale)
        .env("SHELL", "/bin/sh");
    let child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut child) = child else {
        skipped("there is no `script` to make a terminal with");
        return None;
    };
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all((lines.join("\n") + "\n").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    drop(stdin);
    Some((output.stdout, output.status.code()))
}

/// Counted by `./test` in the file that it names.
fn skipped(reason: &str) {
    eprintln!("skipped: {reason}");
    if let Some(path) = std::env::var_os("HOLDFAST_TEST_SKIPPED") {
        let mut file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
        writeln!(file, "terminal: {reason}").unwrap();
    }
}

#[test]
fn a_new_backup_is_asked_for_piece_by_piece() {
    let machine = Machine::new();
    let answers = [
        "no good name",
        "n",
        "ftp://x/y",
        "repo",
        "tar",
        "rsync",
        "nowhere",
        "data",
        "",
        "25:00",
        "2:30",
        "30D",
        "never",
    ];
    let Some((shown, code)) = typed(&machine, "job add", &answers) else {
        return;
    };
    assert_eq!(code, Some(0), "{shown}");
    for text in [
        "cannot be the name of a backup",
        "is no place: ",
        "Write restic, duplicity or rsync.",
        "There is nothing of that name.",
        "BackupTime is `25:00`",
    ] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    let repo = machine.text("repo");
    assert_eq!(
        machine.good(&["db", "backups", "get", "n"]),
        format!(
            "rsync|BackupTime|30 2 * * *|CleanupOlderThan|30D|LocalDirectory|{repo}|Notify|never|VFSType|local|status|enabled\n"
        )
    );
    assert_eq!(
        machine.read("root/etc/holdfast/backup-data/n.include"),
        format!("{}\n", machine.text("data"))
    );
}

/// What is said is not asked for.
#[test]
fn a_complete_command_asks_nothing() {
    let machine = Machine::new();
    let Some((shown, code)) = typed(&machine, "job add n data --to repo", &[]) else {
        return;
    };
    assert_eq!(code, Some(0), "{shown}");
    assert!(!shown.contains('?') && !shown.contains("[restic]"), "{shown}");
    let Some((shown, _)) = typed(&machine, "job add m data --to sftp://h/x --at 3:00", &["ann"]) else {
        return;
    };
    assert!(
        shown.contains("SftpUser (the name of an account there): ") && !shown.contains("When"),
        "{shown}"
    );
    assert_eq!(machine.good(&["db", "backups", "getprop", "m", "SftpUser"]), "ann\n");
}
