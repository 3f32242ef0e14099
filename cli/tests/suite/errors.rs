//! What bad input gets: an exit code, what is wrong with what, and what to do.

use std::fs;

use crate::machine::Machine;

/// Runs it, and looks at exit code, message and hint.
fn refused(machine: &Machine, words: &[&str], code: i32, message: &str, hint: &str) {
    let answer = machine.run(words);
    assert_eq!(answer.code, Some(code), "{words:?}: {}{}", answer.out, answer.err);
    let mut lines = answer.err.lines();
    let (first, second) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    assert!(
        first.starts_with("holdfast: ") && first.contains(message),
        "{words:?}: {first}"
    );
    if hint.is_empty() {
        assert_eq!(second, "", "{words:?}");
    } else {
        assert!(
            second.starts_with("hint: ") && second.contains(hint),
            "{words:?}: {second}"
        );
    }
}

#[test]
fn paths_that_cannot_be_saved() {
    let machine = Machine::new();
    refused(
        &machine,
        &["backup", "--to", "repo"],
        2,
        "Nothing to backup: no path was named",
        "",
    );
    let missing = machine.text("nowhere") + " does not exist";
    refused(
        &machine,
        &["backup", "data", "nowhere", "--to", "repo"],
        2,
        &missing,
        "",
    );
    assert!(!machine.path("repo").exists(), "no repository is made for it");
    machine.backup();
    for inside in ["repo", "repo/data", "data/../repo"] {
        refused(
            &machine,
            &["backup", inside, "--to", "repo"],
            2,
            "lies in the destination",
            "outside of what is saved",
        );
    }
    std::os::unix::fs::symlink(machine.path("repo"), machine.path("data/link")).unwrap();
    refused(
        &machine,
        &["backup", "data/link/data", "--to", "repo"],
        2,
        "lies in the destination",
        "outside",
    );
}

#[test]
fn places_that_cannot_be_a_repository() {
    let machine = Machine::new();
    machine.write("file", "x");
    refused(&machine, &["backup", "data", "--to", "file"], 1, "Not a directory", "");
    refused(
        &machine,
        &["backup", "data", "--to", "/proc/nowhere"],
        1,
        "No such file or directory",
        "",
    );
    refused(
        &machine,
        &["snapshots", "--repo", "nowhere"],
        10,
        "there is no repository in ",
        "the first backup makes",
    );
    fs::create_dir(machine.path("hollow")).unwrap();
    refused(
        &machine,
        &["check", "--repo", "hollow"],
        10,
        "there is no repository in ",
        "check the place",
    );
    refused(
        &machine,
        &["backup", "data", "--to", "hollow", "-n"],
        10,
        "there is no repository in ",
        "check the place",
    );
}

/// D42: a repository that was here is never silently made anew.
#[test]
fn a_repository_that_has_gone() {
    let machine = Machine::new();
    machine.backup();
    fs::rename(machine.path("repo"), machine.path("away")).unwrap();
    let hint = format!(
        "look whether the disk is mounted; if it is gone for good, `holdfast init --repo {}`",
        machine.text("repo")
    );
    refused(
        &machine,
        &["backup", "data", "--to", "repo"],
        10,
        "is gone: it was used from here before",
        &hint,
    );
    assert!(!machine.path("repo").exists());
    // An empty mount point in its place.
    fs::create_dir(machine.path("repo")).unwrap();
    refused(&machine, &["backup", "data", "--to", "repo"], 10, "is gone", &hint);
    refused(&machine, &["snapshots", "--repo", "repo"], 10, "is gone", &hint);
    assert_eq!(fs::read_dir(machine.path("repo")).unwrap().count(), 0);
    machine.good(&["init", "--repo", "repo"]);
    machine.backup();
}

#[test]
fn passwords_that_do_not_fit() {
    let machine = Machine::new();
    machine.backup();
    machine.write("wrong", "not it\n");
    machine.write("hollow", "\n");
    refused(
        &machine,
        &["snapshots", "--repo", "repo", "-p", "wrong"],
        12,
        "the password opens none of",
        "check the password",
    );
    refused(
        &machine,
        &["snapshots", "--repo", "repo", "-p", "nowhere"],
        2,
        "there is no password file ",
        "",
    );
    refused(
        &machine,
        &["snapshots", "--repo", "repo", "-p", "hollow"],
        2,
        "holds no password",
        "first line",
    );
    refused(
        &machine,
        &["backup", "data", "--to", "new", "-p", "nowhere"],
        2,
        "there is no password file ",
        "",
    );
    assert!(!machine.path("nowhere").exists(), "a mistyped name makes no file");
    // The same repository seen from a machine that has not its password.
    fs::remove_dir_all(machine.path("root")).unwrap();
    refused(
        &machine,
        &["snapshots", "--repo", "repo"],
        2,
        "no password is known for the repository in ",
        "--password-file",
    );
    refused(
        &machine,
        &["backup", "data", "--to", "repo"],
        12,
        "its password is not in ",
        "put its password into",
    );
    assert!(
        !machine.path("root/var/lib/holdfast/secrets").exists(),
        "no password is made for it"
    );
}

/// A record that could run, but for what a test changes of it.
fn record(machine: &Machine) {
    let repo = machine.text("repo");
    let words = ["VFSType", "local", "LocalDirectory", &repo, "status", "enabled"];
    machine.good(&[&["db", "backups", "set", "b", "restic"], words.as_slice()].concat());
}

#[test]
fn backups_that_are_not_there_or_not_enabled() {
    let machine = Machine::new();
    let run = ["backup", "-b", "b"];
    refused(&machine, &run, 2, "No backup 'b' found", "has no backup yet");
    refused(
        &machine,
        &["backup", "-b", "a/b"],
        2,
        "`a/b` cannot be the name of a backup",
        "use letters",
    );
    record(&machine);
    refused(&machine, &["backup", "-b", "c"], 2, "No backup 'c' found", "has: b");
    machine.good(&["db", "backups", "delprop", "b", "status"]);
    refused(&machine, &run, 2, "Backup b is disabled", "setprop b status enabled");
}

#[test]
fn records_that_cannot_run() {
    let machine = Machine::new();
    let run = ["backup", "-b", "b"];
    let cases = [
        ("status", "on", "status is `on`, and must be enabled or disabled"),
        (
            "CleanupOlderThan",
            "soon",
            "CleanupOlderThan is `soon`, and must be never, or an age",
        ),
        ("Prune", "9", "Prune is `9`, and must be always, or a day of the week"),
        ("VFSType", "floppy", "VFSType is `floppy`, and must be local, usb, cifs"),
        (
            "LocalDirectory",
            "srv",
            "LocalDirectory is `srv`, and must be the absolute path of a folder",
        ),
    ];
    for (property, value, message) in cases {
        record(&machine);
        machine.good(&["db", "backups", "setprop", "b", property, value]);
        let hint = format!("db backups setprop b {property}");
        refused(&machine, &run, 2, &format!("backup b: {message}"), &hint);
    }
    machine.good(&["db", "backups", "settype", "b", "tar"]);
    refused(
        &machine,
        &run,
        2,
        "type is `tar`, and must be duplicity, restic or rsync",
        "settype b restic",
    );
    machine.write(
        "root/etc/holdfast/db/backups",
        "b=restic|LocalDirectory|/x\\|VFSType|local\n",
    );
    refused(&machine, &run, 2, "the record is damaged", "db backups get b");
    refused(
        &machine,
        &["job", "add", "new", "--to", "x", "--prune", "9"],
        2,
        "Prune is `9`",
        "",
    );
    assert!(!machine.read("root/etc/holdfast/db/backups").contains("new"));
}

#[test]
fn lists_that_say_nothing() {
    let machine = Machine::new();
    machine.good(&["job", "add", "b", "--to", "repo"]);
    let run = |content: Option<&str>| {
        if let Some(content) = content {
            machine.write("root/etc/holdfast/backup-data/b.include", content);
        }
        let answer = machine.run(&["backup", "-b", "b"]);
        assert_eq!(answer.code, Some(2), "{}", answer.err);
        assert!(answer.out.contains("Backup status: FAIL\n"), "{}", answer.out);
        assert_eq!(machine.read("root/var/lib/holdfast/status/status-b"), "2\n");
        answer.err
    };
    assert!(run(None).contains("Nothing to backup: ") && run(None).contains("*.include names no path"));
    assert!(run(Some("\n# only this\n")).contains("b.include names no path"));
    assert!(run(Some("/nowhere/at/all\n")).contains("no path of "));
    assert!(run(Some("\nhome\n")).contains("line 2 of "));
    assert!(run(Some(&machine.text("repo/x"))).contains("no path of "));
    assert!(!machine.path("repo").exists(), "no repository is made for nothing");
}

#[test]
fn command_lines_that_make_no_sense() {
    let machine = Machine::new();
    let calls: &[&[&str]] = &[
        &[],
        &["frobnicate"],
        &["snapshots"],
        &["snapshots", "-b", "x", "--repo", "y"],
        &["backup", "-b", "x", "data"],
        &["restore", "--repo", "repo"],
        &["restore", "--repo", "repo", "--target", "x", "--in-place"],
        &["check", "--repo", "repo", "--read-data-share", "8/7"],
        &["prune", "--repo", "repo", "--max-unused", "lots"],
        &["forget", "--repo", "repo", "--keep-last", "0"],
        &["forget", "--repo", "repo", "--keep-within", "soon"],
        &["snapshots", "--repo", "repo", "--retry-lock", "5d"],
        &["snapshots", "--repo", "repo", "-q", "-v"],
        &["repair", "everything", "--repo", "repo"],
    ];
    for words in calls {
        let answer = machine.run(words);
        assert_eq!(answer.code, Some(2), "{words:?}: {}", answer.err);
        assert!(
            answer.out.is_empty() && answer.err.contains("Usage: ") || answer.err.contains("--help"),
            "{words:?}: {}",
            answer.err
        );
    }
    machine.backup();
    let slash = machine.run(&["ls", "--repo", "repo", "latest", "etc"]);
    assert!(slash.err.contains("`etc` is no path in a snapshot"), "{}", slash.err);
    let delete = machine.run(&["restore", "--repo", "repo", "--in-place", "--delete"]);
    assert_eq!(delete.code, Some(2));
    assert!(
        delete.err.contains("needs the paths that it may touch"),
        "{}",
        delete.err
    );
}

#[test]
fn damage_is_found_and_named() {
    let machine = Machine::new();
    machine.backup();
    let pack = crate::machine::tree(&machine.path("repo/data")).remove(0).0;
    let path = machine.path("repo/data").join(&pack);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let mut permissions = fs::metadata(&path).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o600);
    fs::set_permissions(&path, permissions).unwrap();
    fs::write(&path, bytes).unwrap();
    let answer = machine.run(&["check", "--repo", "repo", "--read-data"]);
    assert_eq!(answer.code, Some(1), "{}{}", answer.out, answer.err);
    let name = pack.file_name().unwrap().to_str().unwrap();
    assert!(answer.out.contains(name.get(..8).unwrap()), "{}", answer.out);
    assert!(
        answer.err.starts_with("holdfast: the repository is damaged: "),
        "{}",
        answer.err
    );
}

#[test]
fn every_help_has_examples() {
    let machine = Machine::new();
    let commands = [
        "backup",
        "restore",
        "snapshots",
        "ls",
        "find",
        "diff",
        "cat",
        "forget",
        "prune",
        "check",
        "repair",
        "synthetic-full",
        "unlock",
        "key list",
        "key add",
        "key remove",
        "key passwd",
        "init",
        "job list",
        "job show",
        "job add",
        "job edit",
        "job enable",
        "job disable",
        "job check",
        "job files",
        "job migrate",
        "job remove",
        "backup-data",
        "backup-data-list",
        "restore-data",
        "restore-file",
    ];
    for command in commands {
        let words: Vec<_> = command.split(' ').chain(["--help"]).collect();
        let help = machine.good(&words);
        assert!(help.contains("\nExamples:\n  "), "{command}: {help}");
        assert!(
            help.lines()
                .all(|line| line.starts_with("Usage: ") || line.chars().count() <= 100),
            "{command}: {help}"
        );
    }
}
