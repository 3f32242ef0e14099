//! The commands on records of the duplicity and rsync engines.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use crate::machine::{Machine, tree};

/// Every engine, as records name it.
pub const ENGINES: [&str; 3] = ["duplicity", "restic", "rsync"];

/// Sets and folders are named by the second.
pub fn next_second() {
    sleep(Duration::from_millis(1100));
}

/// Waits until that engine has another name for its next snapshot.
pub fn next_name(engine: &str) {
    if engine != "restic" {
        next_second();
    }
}

/// A NethServer machine with a backup of `data` to `repo` by that engine.
pub fn machine(engine: &str, more: &[&str]) -> Machine {
    let machine = Machine::nethserver();
    machine.write(
        "root/etc/backup-data.d/custom.include",
        &format!("{}\n", machine.text("data")),
    );
    let repo = machine.text("repo");
    let set = [
        "db", "backups", "set", "b1", engine, "status", "enabled", "VFSType", "local",
    ];
    let place = ["LocalDirectory", &repo, "CleanupOlderThan", "30D"];
    machine.good(&[&set[..], &place, more].concat());
    machine
}

/// Every command that an administrator knows, on two snapshots between which a file changed.
fn every_command(machine: &Machine, engine: &str) {
    let out = machine.good(&["backup-data", "-b", "b1"]);
    let action = format!("Action 'backup-data-{engine} b1': SUCCESS");
    assert!(out.contains(&action) && out.contains("Backup status: SUCCESS"), "{out}");
    let before = tree(&machine.path("data"));
    next_second();
    machine.write("data/letter.txt", "Dear Bob,\n");
    machine.write("data/new", "n");
    let out = machine.good(&["backup-data", "-b", "b1"]);
    assert!(out.contains("(1 new, 1 changed, 2 unchanged)"), "{out}");
    let files = machine.good(&["backup-data-list", "-f", "-b", "b1"]);
    assert!(files.lines().any(|line| line == machine.text("data/new")), "{files}");

    let snapshots = machine.json(&["snapshots", "-b", "b1"], 0);
    let first = snapshots[0]["id"].as_str().unwrap();
    let out = machine.text("out");
    let data = machine.text("data");
    machine.good(&["restore-file", "-t", first, "-b", "b1", &out, &data]);
    assert_eq!(tree(&machine.path(&format!("out{data}"))), before);
    let letter = machine.text("data/letter.txt");
    machine.write("data/letter.txt", "spoiled");
    machine.good(&["restore-file", "-b", "b1", "/", &letter]);
    assert_eq!(machine.read("data/letter.txt"), "Dear Bob,\n");
    fs::remove_file(machine.path("data/new")).unwrap();
    let restored = machine.good(&["restore-data", "-b", "b1"]);
    assert!(
        restored.contains(&format!(
            "Action '/etc/e-smith/events/actions/restore-data-{engine} -b b1': SUCCESS"
        )),
        "{restored}"
    );
    assert_eq!(machine.read("data/new"), "n");
    assert_eq!(machine.good(&["cat", "-b", "b1", "latest", &letter]), "Dear Bob,\n");
    assert!(machine.good(&["find", "-b", "b1", "letter.*"]).contains("2 found"));
    let diff = machine.good(&["diff", "-b", "b1", first, "latest"]);
    assert!(diff.contains("data/new") && diff.contains("data/letter.txt"), "{diff}");
    let check = machine.good(&["check", "-b", "b1", "--read-data"]);
    assert!(check.starts_with("No errors found: 2 snapshots"), "{check}");
    machine.good(&["prune", "-b", "b1"]);
    let keys = machine.run(&["key", "list", "-b", "b1"]);
    assert_eq!(keys.code, Some(2), "{}", keys.err);
}

#[test]
fn the_commands_on_a_record_of_duplicity() {
    let machine = machine("duplicity", &["Type", "incremental", "FullDay", "9"]);
    let refused = machine.run(&["backup-data", "-b", "b1"]);
    assert!(refused.err.contains("FullDay is `9`"), "{}", refused.err);
    // So that the second set is an increment.
    machine.good(&["db", "backups", "setprop", "b1", "FullDay", &another_day()]);
    every_command(&machine, "duplicity");
    let names: Vec<_> = fs::read_dir(machine.path("repo"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let count = |part: &str| names.iter().filter(|name| name.starts_with(part)).count();
    assert_eq!((count("duplicity-full."), count("duplicity-inc.")), (2, 2), "{names:?}");
    let archive = machine.path("root/var/lib/nethserver/backup/duplicity/b1");
    assert_eq!(fs::read_dir(archive).unwrap().count(), 1);
}

#[test]
fn a_full_backup_made_of_increments() {
    let machine = machine("duplicity", &["Type", "incremental", "FullDay", &another_day()]);
    machine.good(&["backup-data", "-b", "b1"]);
    let nothing = machine.good(&["synthetic-full", "-b", "b1"]);
    assert!(nothing.contains("nothing to do"), "{nothing}");
    machine.write("data/letter.txt", "Dear Bob,\n");
    machine.good(&["backup-data", "-b", "b1"]);
    let before = machine.json(&["snapshots", "-b", "b1"], 0);
    let trial = machine.good(&["synthetic-full", "-b", "b1", "-n"]);
    assert!(
        trial.starts_with("A full backup can be made of 2 sets, with the state of "),
        "{trial}"
    );
    let lines = machine.json(&["synthetic-full", "-b", "b1"], 0);
    let result = lines.last().unwrap();
    let members = "type command status code dry_run snapshot state_of sets files dirs others bytes bytes_read \
                   bytes_stored seconds";
    for member in members.split_whitespace() {
        assert!(result.get(member).is_some(), "{member} is missing in {result}");
    }
    assert_eq!((&result["sets"], &result["state_of"]), (&2.into(), &before[1]["id"]));
    let out = machine.good(&["backup-data", "-b", "b1"]);
    assert!(out.contains("(0 new, 0 changed, "), "{out}");
    let after = machine.json(&["snapshots", "-b", "b1"], 0);
    let ids: Vec<_> = after.iter().filter_map(|line| line["id"].as_str()).collect();
    assert_eq!(ids.len(), 4, "{ids:?}");
    assert_eq!(ids[2], result["snapshot"].as_str().unwrap());
    machine.good(&["forget", "-b", "b1", ids[0], ids[1]]);
    machine.good(&["restore", "-b", "b1", "--target", "out"]);
    let letter = format!("out{}", machine.text("data/letter.txt"));
    assert_eq!(machine.read(&letter), "Dear Bob,\n");
    machine.good(&["check", "-b", "b1", "--read-data"]);
    let refused = self::machine("restic", &[]);
    refused.good(&["backup-data", "-b", "b1"]);
    let answer = refused.run(&["synthetic-full", "-b", "b1"]);
    assert_eq!(answer.code, Some(2), "{}", answer.err);
    assert!(answer.err.contains("stands alone"), "{}", answer.err);
}

#[test]
fn full_backups_that_are_due_are_made_of_the_chain() {
    let day = another_day();
    let more = ["Type", "incremental", "FullDay", &day, "FullFrom", "chain"];
    let machine = machine("duplicity", &more);
    let sets = || {
        let names = fs::read_dir(machine.path("repo")).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let manifests: Vec<String> = names.filter(|name| name.ends_with(".manifest")).collect();
        let full = manifests.iter().filter(|name| name.contains("-full.")).count();
        (full, manifests.len() - full)
    };
    machine.good(&["backup-data", "-b", "b1"]);
    machine.good(&["backup-data", "-b", "b1"]);
    assert_eq!(sets(), (1, 1));
    // Every run's day.
    machine.good(&["db", "backups", "setprop", "b1", "Type", "full"]);
    machine.write("data/letter.txt", "Dear Bob,\n");
    let lines = machine.json(&["backup-data", "-b", "b1"], 0);
    let made = lines.iter().find(|line| line["type"] == "made_full").unwrap();
    assert_eq!((&made["sets"], sets()), (&3.into(), (2, 2)));
    let out = machine.good(&["backup-data", "-b", "b1"]);
    assert!(
        out.contains("(0 new, 0 changed, ") && out.contains("Full backup "),
        "{out}"
    );
    assert_eq!(sets(), (3, 3));
}

/// A day of the week, 0 being Sunday: not this one, nor the next should midnight come.
fn another_day() -> String {
    let day = jiff::Zoned::now().weekday().to_sunday_zero_offset();
    ((day + 3) % 7).to_string()
}

#[test]
fn every_run_is_full_when_the_record_says_so() {
    let machine = machine("duplicity", &["Type", "full"]);
    machine.good(&["backup-data", "-b", "b1"]);
    next_second();
    machine.good(&["backup-data", "-b", "b1"]);
    let names = machine.good(&["snapshots", "-b", "b1"]);
    assert!(names.contains("2 snapshots"), "{names}");
    let increments = fs::read_dir(machine.path("repo")).unwrap().flatten();
    assert!(
        increments
            .into_iter()
            .all(|entry| !entry.file_name().to_string_lossy().contains("-inc."))
    );
}

#[test]
fn an_encrypted_chain_keeps_its_passphrase() {
    let machine = machine("duplicity", &["Type", "full", "Encrypt", "enabled"]);
    let out = machine.good(&["backup-data", "-b", "b1"]);
    let secret = "root/var/lib/nethserver/secrets/duplicity_b1";
    assert!(
        out.contains("Its password is kept in") && out.contains("duplicity_b1"),
        "{out}"
    );
    assert_eq!(fs::metadata(machine.path(secret)).unwrap().mode() & 0o777, 0o600);
    let stored = fs::read_dir(machine.path("repo")).unwrap().flatten();
    assert!(
        stored
            .into_iter()
            .all(|entry| entry.file_name().to_string_lossy().ends_with(".gpg"))
    );
    let out = machine.text("out");
    machine.good(&["restore", "-b", "b1", "--target", &out]);
    let data = machine.text("data");
    assert_eq!(tree(&machine.path(&format!("out{data}"))), tree(&machine.path("data")));
    fs::write(machine.path(secret), "something else\n").unwrap();
    let wrong = machine.run(&["restore", "-b", "b1", "--target", &machine.text("out2")]);
    assert_eq!(wrong.code, Some(12), "{}", wrong.err);
    assert!(!machine.path("out2").exists() || tree(&machine.path("out2")).is_empty());
}

#[test]
fn the_commands_on_a_record_of_rsync() {
    let machine = machine("rsync", &[]);
    every_command(&machine, "rsync");
    let latest = machine.path(&format!("repo/latest{}", machine.text("data")));
    assert_eq!(fs::read_to_string(latest.join("letter.txt")).unwrap(), "Dear Bob,\n");
    // The unchanged file is the same file in both snapshots.
    assert_eq!(fs::metadata(latest.join("deep/er/numbers")).unwrap().nlink(), 2);
}

#[test]
fn a_disk_that_is_not_there_is_never_begun_anew() {
    for engine in ["duplicity", "rsync"] {
        let machine = machine(engine, &[]);
        machine.good(&["backup-data", "-b", "b1"]);
        fs::rename(machine.path("repo"), machine.path("away")).unwrap();
        for empty in [false, true] {
            if empty {
                fs::create_dir(machine.path("repo")).unwrap();
            }
            let answer = machine.run(&["backup-data", "-b", "b1"]);
            assert_eq!(answer.code, Some(10), "{engine}: {}{}", answer.out, answer.err);
            let left = fs::read_dir(machine.path("repo")).map_or(0, Iterator::count);
            assert_eq!(left, 0, "{engine}");
        }
    }
}

#[test]
fn what_duplicity_made_is_gone_on_with() {
    let machine = machine("duplicity", &["Type", "incremental", "FullDay", &another_day()]);
    let (repo, data) = (machine.text("repo"), machine.text("data"));
    fs::create_dir(machine.path("repo")).unwrap();
    let archive = machine.text("root/var/lib/nethserver/backup/duplicity/b1");
    fs::create_dir_all(&archive).unwrap();
    // NethServer's own call.
    let made = Command::new("duplicity")
        .args(["--allow-source-mismatch", "full", "--include", &data, "--exclude", "**"])
        .args([
            "--volsize",
            "25",
            "--no-encryption",
            "--archive-dir",
            &archive,
            "-v2",
            "/",
        ])
        .arg(format!("file://{repo}"))
        .output();
    let Ok(made) = made else {
        eprintln!("skipped: there is no duplicity here");
        return;
    };
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    next_second();
    machine.write("data/letter.txt", "Dear Bob,\n");
    let out = machine.good(&["backup-data", "-b", "b1"]);
    assert!(out.contains("(0 new, 1 changed, 2 unchanged)"), "{out}");
    // It went on in the archive folder that was there.
    assert_eq!(fs::read_dir(&archive).unwrap().count(), 1);
    let restored = Command::new("duplicity")
        .args(["restore", "--no-encryption", "--archive-dir", &archive])
        .args([
            "--file-to-restore",
            data.trim_start_matches('/'),
            &format!("file://{repo}"),
        ])
        .arg(machine.path("out"))
        .output()
        .unwrap();
    assert!(
        restored.status.success(),
        "{}",
        String::from_utf8_lossy(&restored.stderr)
    );
    assert_eq!(tree(&machine.path("out")), tree(&machine.path("data")));
}
