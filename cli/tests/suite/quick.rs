//! Backups with nothing configured.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

use crate::machine::{Machine, tree};

#[test]
fn the_first_backup_needs_nothing_and_says_how_to_go_on() {
    let machine = Machine::new();
    let out = machine.backup();
    let repo = machine.text("repo");
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines[0], format!("New repository in {repo}"));
    let secret = lines[1].strip_prefix("Its password is kept in ").unwrap();
    assert_eq!(
        lines[2],
        "Keep a copy of that file in another place: without it nothing can be restored"
    );
    assert!(
        lines[3].starts_with("Snapshot ") && lines[3].contains(" saved: 3 files (3 new, 0 changed, 0 unchanged), ")
    );
    assert_eq!(lines[5], format!("To list it:    holdfast ls --repo {repo}"));
    assert_eq!(
        lines[6],
        format!("To restore it: holdfast restore --repo {repo} --target FOLDER")
    );
    assert_eq!(lines.len(), 7);
    let metadata = fs::metadata(secret).unwrap();
    assert_eq!(metadata.mode() & 0o7777, 0o600);
    let password = fs::read_to_string(secret).unwrap();
    assert_eq!(password.trim().len(), 16);
    assert!(!out.contains(password.trim()), "the password is not shown");
}

#[test]
fn what_was_saved_comes_back() {
    let machine = Machine::new();
    machine.backup();
    let out = machine.good(&["restore", "--repo", "repo", "--target", "out"]);
    assert!(out.starts_with("Restored 3 files ("), "{out}");
    let back = machine
        .path("out")
        .join(machine.path("data").strip_prefix("/").unwrap());
    assert_eq!(tree(&back), tree(&machine.path("data")));
    let again = machine.good(&["restore", "--repo", "repo", "--target", "out"]);
    assert!(again.contains("; 3 left as they were"), "{again}");
}

#[test]
fn a_part_comes_back_alone_as_it_was_then() {
    let machine = Machine::new();
    machine.backup();
    machine.write("data/letter.txt", "Dear Bob,\n");
    machine.good(&["backup", "data", "--to", "repo", "--tag", "second"]);
    let letter = machine.text("data/letter.txt");
    let first = machine.json(&["snapshots", "--repo", "repo"], 0)[0]["short_id"]
        .as_str()
        .unwrap()
        .to_owned();
    machine.good(&["restore", "--repo", "repo", &first, &letter, "--target", "one"]);
    let files = tree(&machine.path("one"));
    assert_eq!(files.len(), 1);
    assert_eq!(files[0].1, b"Dear Ann,\n");
    assert_eq!(machine.good(&["cat", "--repo", "repo", &letter]), "Dear Bob,\n");
    assert_eq!(machine.good(&["cat", "--repo", "repo", &first, &letter]), "Dear Ann,\n");
    machine.good(&["restore", "--repo", "repo", &first, &letter, "--in-place"]);
    assert_eq!(machine.read("data/letter.txt"), "Dear Ann,\n");
}

#[test]
fn listings() {
    let machine = Machine::new();
    machine.backup();
    let table = machine.good(&["snapshots", "--repo", "repo"]);
    let lines: Vec<_> = table.lines().collect();
    assert!(lines[0].starts_with("ID        Time                 Host"), "{table}");
    assert!(lines[1].ends_with(&machine.text("data")), "{table}");
    assert_eq!(lines[2], "1 snapshot");
    let names = machine.good(&["ls", "--repo", "repo", "latest", &machine.text("data/deep")]);
    let expected = ["data/deep", "data/deep/er", "data/deep/er/numbers"]
        .map(|path| machine.text(path) + "\n")
        .concat();
    assert_eq!(names, expected);
    let long = machine.good(&["ls", "-l", "--repo", "repo", &machine.text("data/deep/er/numbers")]);
    assert!(long.starts_with("-rw-") && long.contains(" 200000 "), "{long}");
    let nul = machine.good(&["ls", "-0", "--repo", "repo", &machine.text("data/empty")]);
    assert_eq!(nul, machine.text("data/empty") + "\0");
    let found = machine.good(&["find", "--repo", "repo", "LETTER*", "-i"]);
    assert!(
        found.ends_with(&format!(" {}\n1 found\n", machine.text("data/letter.txt"))),
        "{found}"
    );
    assert_eq!(machine.good(&["find", "--repo", "repo", "nowhere", "-q"]), "");
}

#[test]
fn differences() {
    let machine = Machine::new();
    machine.backup();
    machine.write("data/letter.txt", "Dear Bob,\n");
    machine.write("data/new", "x");
    fs::remove_file(machine.path("data/empty")).unwrap();
    machine.backup();
    let ids: Vec<_> = machine.json(&["snapshots", "--repo", "repo"], 0);
    let (first, second) = (ids[0]["id"].as_str().unwrap(), ids[1]["id"].as_str().unwrap());
    let out = machine.good(&["diff", "--repo", "repo", first, second]);
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines[0], format!("-    {}", machine.text("data/empty")));
    assert_eq!(lines[1], format!("M    {}", machine.text("data/letter.txt")));
    assert_eq!(lines[2], format!("+    {}", machine.text("data/new")));
    assert!(
        lines[3].contains(": 1 added, 1 removed, 1 with other content, "),
        "{out}"
    );
}

#[test]
fn names_are_bytes_and_patterns_are_not_names() {
    let machine = Machine::new();
    let odd: [&[u8]; 3] = [b"caf\xe9", b"new\nline", b"[a]*?"];
    for name in odd {
        fs::write(machine.path("data").join(std::ffi::OsStr::from_bytes(name)), name).unwrap();
    }
    machine.write("data/a", "not the one in brackets");
    let out = machine.good(&["backup", "data/[a]*?", "data/new\nline", "--to", "repo"]);
    assert!(out.contains("saved: 2 files"), "the names are taken as they are: {out}");
    machine.good(&["backup", "data", "--to", "repo"]);
    let listed = machine.command(["ls", "--repo", "repo"]).output().unwrap();
    let has = |name: &[u8]| listed.stdout.windows(name.len()).any(|window| window == name);
    assert!(odd.iter().all(|name| has(name)), "a program gets the bytes");
    machine.good(&["restore", "--repo", "repo", "--target", "out"]);
    let back = machine
        .path("out")
        .join(machine.path("data").strip_prefix("/").unwrap());
    assert_eq!(tree(&back), tree(&machine.path("data")));
}

#[test]
fn excludes_and_what_is_never_saved() {
    let machine = Machine::new();
    machine.write("data/film.iso", "big");
    machine.write("data/skip/me", "x");
    machine.write("patterns", "# a comment\nskip/\n");
    machine.good(&[
        "backup",
        ".",
        "--to",
        "repo",
        "-e",
        "*.iso",
        "--exclude-file",
        "patterns",
    ]);
    let listed = machine.good(&["ls", "--repo", "repo"]);
    assert!(listed.contains("data/letter.txt"));
    for absent in ["film.iso", "skip", "secrets/", "/repo/"] {
        assert!(!listed.contains(absent), "{absent}: {listed}");
    }
}

#[test]
fn a_dry_run_writes_nothing() {
    let machine = Machine::new();
    machine.backup();
    let before = tree(&machine.path("repo"));
    machine.write("data/new", "x");
    let out = machine.good(&["backup", "data", "--to", "repo", "--dry-run"]);
    assert!(
        out.starts_with("Nothing was written (dry run): 4 files (1 new, "),
        "{out}"
    );
    assert_eq!(tree(&machine.path("repo")), before);
}

#[test]
fn quiet_says_nothing_and_verbose_names_the_files() {
    let machine = Machine::new();
    assert_eq!(machine.good(&["backup", "data", "--to", "repo", "-q"]), "");
    machine.write("data/letter.txt", "Dear Bob, dear Ann,\n");
    machine.write("data/new", "x");
    let out = machine.good(&["backup", "data", "--to", "repo", "-v"]);
    assert!(
        out.contains(&format!("M {}\n", machine.text("data/letter.txt"))),
        "{out}"
    );
    assert!(out.contains(&format!("+ {}\n", machine.text("data/new"))), "{out}");
    assert!(!out.contains("numbers"), "{out}");
}

#[test]
fn a_password_of_ones_own() {
    let machine = Machine::new();
    machine.write("mine", "my own words\n");
    let out = machine.good(&["backup", "data", "--to", "repo", "--password-file", "mine"]);
    assert!(out.contains("--password-file mine --target"), "{out}");
    assert!(
        !machine.path("root/var/lib/holdfast/secrets").exists(),
        "no copy is kept"
    );
    machine.good(&["snapshots", "--repo", "repo", "-p", "mine"]);
}

#[test]
fn keys_come_and_go_and_the_kept_password_follows() {
    let machine = Machine::new();
    machine.backup();
    machine.write("second", "another password\n");
    let added = machine.good(&["key", "add", "--repo", "repo", "--new-password-file", "second"]);
    let id = added.trim().strip_prefix("Added key ").unwrap().to_owned();
    machine.good(&["snapshots", "--repo", "repo", "-p", "second"]);
    let kept = machine.only("root/var/lib/holdfast/secrets", "repository_");
    let before = fs::read_to_string(&kept).unwrap();
    machine.good(&["key", "passwd", "--repo", "repo"]);
    let after = fs::read_to_string(&kept).unwrap();
    assert_ne!(before, after);
    machine.write("old", &before);
    assert_eq!(
        machine.run(&["snapshots", "--repo", "repo", "-p", "old"]).code,
        Some(12)
    );
    assert_eq!(machine.good(&["key", "list", "--repo", "repo"]).lines().count(), 2);
    machine.good(&["key", "remove", "--repo", "repo", id.get(..8).unwrap()]);
    assert_eq!(
        machine.run(&["snapshots", "--repo", "repo", "-p", "second"]).code,
        Some(12)
    );
    machine.good(&["snapshots", "--repo", "repo"]);
}

#[test]
fn forget_needs_a_rule_and_keeps_what_it_says() {
    let machine = Machine::new();
    for _ in 0..3 {
        machine.backup();
    }
    let refused = machine.run(&["forget", "--repo", "repo"]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.err.contains("would forget everything"), "{}", refused.err);
    let dry = machine.good(&["forget", "--repo", "repo", "--keep-last", "1", "-n"]);
    assert!(dry.ends_with("Would forget 2 snapshots, 1 kept\n"), "{dry}");
    let out = machine.good(&["forget", "--repo", "repo", "--keep-last", "2", "--prune"]);
    assert!(out.contains("Forgot 1 snapshot, 2 kept\n"), "{out}");
    let id = machine.json(&["snapshots", "--repo", "repo"], 0)[0]["short_id"]
        .as_str()
        .unwrap()
        .to_owned();
    machine.good(&["forget", "--repo", "repo", &id]);
    assert!(machine.good(&["snapshots", "--repo", "repo"]).ends_with("1 snapshot\n"));
    machine.good(&["prune", "--repo", "repo"]);
    let out = machine.good(&["check", "--repo", "repo", "--read-data"]);
    assert!(out.starts_with("No errors found: 1 snapshot, "), "{out}");
    assert_eq!(machine.good(&["unlock", "--repo", "repo"]), "Removed 0 locks\n");
}
