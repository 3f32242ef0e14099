//! Questions to backups: history, find, du, verify, on all three engines.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::Value;

use crate::engines::{ENGINES, machine, next_name};
use crate::machine::Machine;

/// Three snapshots: in the second nothing is different, in the third `letter.txt` is, `empty` is gone and `new` is there.
fn three_snapshots(engine: &str) -> Machine {
    let machine = machine(engine, &[]);
    machine.good(&["backup-data", "-b", "b1"]);
    next_name(engine);
    machine.good(&["backup-data", "-b", "b1"]);
    next_name(engine);
    machine.write("data/letter.txt", "Dear Bob,\n");
    fs::remove_file(machine.path("data/empty")).unwrap();
    machine.write("data/new", "n");
    machine.good(&["backup-data", "-b", "b1"]);
    machine
}

fn of_type<'a>(lines: &'a [Value], r#type: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["type"] == r#type).collect()
}

#[test]
fn a_file_has_a_history() {
    for engine in ENGINES {
        let machine = three_snapshots(engine);
        let letter = machine.text("data/letter.txt");
        let lines = machine.json(&["history", &letter], 0);
        let versions = of_type(&lines, "version");
        let seen: Vec<_> = versions
            .iter()
            .map(|line| {
                let entry = &line["entry"];
                (
                    line["change"].as_str().unwrap(),
                    line["snapshots"].as_u64().unwrap(),
                    entry["size"].as_u64(),
                )
            })
            .collect();
        assert_eq!(
            seen,
            [("new", 2, Some(10)), ("content", 1, Some(10))],
            "{engine}: {lines:?}"
        );
        assert_eq!(versions[0]["backup"], "b1");
        assert_eq!(
            of_type(&machine.json(&["history", "-b", "b1", "--all", &letter], 0), "version").len(),
            3
        );
        let gone = machine.json(&["history", "-b", "b1", &machine.text("data/empty")], 0);
        let changes: Vec<_> = of_type(&gone, "version")
            .iter()
            .map(|line| line["change"].clone())
            .collect();
        assert_eq!(changes, ["new", "gone"], "{engine}");
        let folder = machine.json(&["history", "-b", "b1", &machine.text("data")], 0);
        let changes: Vec<_> = of_type(&folder, "version")
            .iter()
            .map(|line| line["change"].clone())
            .collect();
        assert_eq!(changes, ["new", "content"], "{engine}");
        let deep = machine.json(&["history", "-b", "b1", &machine.text("data/deep")], 0);
        assert_eq!(of_type(&deep, "version").len(), 1, "{engine}: {deep:?}");
        let nowhere = machine.run(&["history", &machine.text("data/nothing")]);
        assert_eq!(nowhere.code, Some(2));
        assert!(nowhere.err.contains("is in no snapshot of b1"), "{}", nowhere.err);
    }
}

#[test]
fn a_history_ends_in_a_command_that_brings_it_back() {
    let machine = three_snapshots("restic");
    let letter = machine.text("data/letter.txt");
    let out = machine.good(&["history", &letter]);
    let hint = out.lines().last().unwrap();
    let command = hint.split_once(": holdfast ").unwrap().1;
    let words: Vec<_> = command.split(' ').collect();
    machine.good(&words);
    let copy = machine.only("data", "letter.txt_20");
    assert_eq!(fs::read_to_string(copy).unwrap(), "Dear Bob,\n");
}

/// Metadata alone is told from content, by every engine.
#[test]
fn a_change_of_the_mode_is_one_of_metadata() {
    for engine in ENGINES {
        let machine = machine(engine, &[]);
        machine.good(&["backup-data", "-b", "b1"]);
        next_name(engine);
        let letter = machine.path("data/letter.txt");
        fs::set_permissions(&letter, fs::Permissions::from_mode(0o600)).unwrap();
        machine.good(&["backup-data", "-b", "b1"]);
        let lines = machine.json(&["history", &machine.text("data/letter.txt")], 0);
        let changes: Vec<_> = of_type(&lines, "version")
            .iter()
            .map(|line| line["change"].clone())
            .collect();
        assert_eq!(changes, ["new", "metadata"], "{engine}");
    }
}

/// All jobs are asked, and one that cannot be reached is named while the others answer. D75: its lists are not lost by
/// that: they are what its repository has.
#[test]
fn d75_a_missing_disk_is_said_and_loses_nothing() {
    let machine = three_snapshots("restic");
    let other = machine.text("other");
    let set = [
        "db", "backups", "set", "b2", "rsync", "status", "disabled", "VFSType", "local",
    ];
    machine.good(&[&set[..], &["LocalDirectory", &other]].concat());
    machine.good(&["db", "backups", "setprop", "b2", "status", "enabled"]);
    // A job that never ran has nothing to say.
    machine.json(&["find", "letter.txt"], 0);
    machine.good(&["backup-data", "-b", "b2"]);
    let letter = machine.text("data/letter.txt");
    let backups = |lines: &[Value]| -> Vec<String> {
        let mut names: Vec<_> = lines
            .iter()
            .filter_map(|line| line["backup"].as_str().map(str::to_owned))
            .collect();
        names.dedup();
        names
    };
    let all = machine.json(&["find", "letter.txt"], 0);
    assert_eq!(backups(&all), ["b1", "b2"]);
    fs::rename(machine.path("other"), machine.path("away")).unwrap();
    for words in [&["find", "letter.txt"][..], &["history", &letter]] {
        let some = machine.json(words, 3);
        assert_eq!(backups(&some), ["b1", "b2"]);
        let silent = of_type(&some, "unanswered");
        assert_eq!(
            (silent.len(), silent[0]["backup"].as_str()),
            (1, Some("b2")),
            "{some:?}"
        );
        assert!(silent[0]["message"].as_str().unwrap().contains("is gone"), "{some:?}");
    }
    let text = machine.run(&["history", &letter]);
    assert!(text.err.contains("backup b2 gives no answer: "), "{}", text.err);
    fs::rename(machine.path("away"), machine.path("other")).unwrap();
    assert_eq!(machine.json(&["find", "letter.txt"], 0), all);
}

/// D79: thousands of hits, page by page; D74: names and patterns with everything that a shell would take amiss.
#[test]
fn d74_d79_thousands_of_odd_names_are_found_page_by_page() {
    let machine = machine("restic", &[]);
    let odd: [&[u8]; 6] = [
        b"a\nb.mail",
        b"caf\xe9.mail",
        b"it's \"quoted\".mail",
        b"$(touch pwned).mail",
        b"`touch pwned`;touch pwned.mail",
        b"-rf.mail",
    ];
    fs::create_dir(machine.path("data/mail")).unwrap();
    for name in odd {
        fs::write(machine.path("data/mail").join(OsStr::from_bytes(name)), "").unwrap();
    }
    for number in 0..1500 {
        fs::write(machine.path(&format!("data/mail/{number}.mail")), "").unwrap();
    }
    machine.good(&["backup-data", "-b", "b1"]);
    let mut found = Vec::new();
    for page in 0..4 {
        let skip = (page * 500).to_string();
        let words = ["find", "--in", "latest", "--limit", "500", "--skip", &skip, "*.mail"];
        let lines = machine.json(&words, 0);
        let result = lines.last().unwrap();
        assert_eq!(result["more"], page < 3, "{result}");
        found.extend(of_type(&lines, "found").into_iter().cloned());
    }
    assert_eq!(found.len(), 1506);
    let bytes: Vec<_> = found.iter().filter_map(|line| line["path_base64"].as_str()).collect();
    assert_eq!(bytes.len(), 1, "one name is no UTF-8");
    for pattern in [
        "$(touch pwned).mail",
        "`touch pwned`;touch pwned.mail",
        "it's \"quoted\".mail",
    ] {
        let lines = machine.json(&["find", pattern], 0);
        assert_eq!(lines.last().unwrap()["found"], 1, "{pattern}");
    }
    assert!(!machine.path("pwned").exists());
    let out = machine.text("out");
    let mail = machine.path("data/mail");
    let mut words: Vec<PathBuf> = ["restore-file", "-b", "b1", &out, "--"]
        .iter()
        .map(PathBuf::from)
        .collect();
    words.extend(odd.iter().map(|name| mail.join(OsStr::from_bytes(name))));
    let done = machine.command(&words).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let restored = fs::read_dir(machine.path(&format!("out{}", mail.display()))).unwrap();
    assert_eq!(restored.count(), odd.len());
}

#[test]
fn sizes_are_summed_by_folder() {
    for engine in ENGINES {
        let machine = machine(engine, &[]);
        machine.good(&["backup-data", "-b", "b1"]);
        let lines = machine.json(&["du", "-b", "b1"], 0);
        let sizes: Vec<_> = of_type(&lines, "size")
            .iter()
            .map(|line| {
                (
                    line["path"].as_str().unwrap().to_owned(),
                    line["bytes"].as_u64().unwrap(),
                )
            })
            .collect();
        let expected = [("data/deep", 200_000), ("data", 200_010)].map(|(path, bytes)| (machine.text(path), bytes));
        assert_eq!(sizes, expected, "{engine}: {lines:?}");
        let result = lines.last().unwrap();
        assert_eq!(
            (&result["bytes"], &result["files"]),
            (&200_010.into(), &3.into()),
            "{engine}"
        );
        let top = machine.good(&[
            "du",
            "-b",
            "b1",
            "--depth",
            "9",
            "--top",
            "1",
            "latest",
            &machine.text("data/deep"),
        ]);
        assert!(top.starts_with(" 195.3 KiB         1 /"), "{top}");
        assert!(top.lines().next().unwrap().ends_with("data/deep"), "{top}");
        let missing = machine.run(&["du", "-b", "b1", "/nowhere"]);
        assert_eq!(missing.code, Some(2), "{engine}: {}", missing.err);
    }
}

#[test]
fn a_snapshot_is_compared_with_what_is_there() {
    for engine in ENGINES {
        let machine = machine(engine, &[]);
        machine.write("root/etc/backup-data.d/custom.exclude", "*.tmp\n");
        machine.good(&["backup-data", "-b", "b1"]);
        compare_the_same(&machine, engine);
        compare_the_changed(&machine, engine);
        let part = machine.run(&["verify", "-b", "b1", "latest", &machine.text("data/deep/er")]);
        assert_eq!(part.code, Some(0), "{engine}: {}{}", part.out, part.err);
        let wrong = machine.run(&["verify", "-b", "b1", "latest", "/nowhere"]);
        assert_eq!(wrong.code, Some(2), "{engine}: {}", wrong.err);
        let text = machine.run(&["verify", "-b", "b1"]).out;
        assert!(
            text.contains(&format!("-    {}\n", machine.text("data/empty"))),
            "{text}"
        );
    }
}

fn compare_the_same(machine: &Machine, engine: &str) {
    for words in [&["verify", "-b", "b1"][..], &["verify", "-b", "b1", "--read-data"]] {
        let out = machine.good(words);
        assert!(
            out.contains("0 added, 0 removed, 0 with other content, 0 with other metadata"),
            "{engine}: {out}"
        );
    }
    let quiet = machine.json(&["verify", "-b", "b1", "--read-data"], 0);
    assert_eq!(quiet.last().unwrap()["files_read"], 3, "{engine}");
}

fn compare_the_changed(machine: &Machine, engine: &str) {
    // The same length and the same time, and yet another content.
    let letter = machine.path("data/letter.txt");
    let before = fs::metadata(&letter).unwrap().modified().unwrap();
    machine.write("data/letter.txt", "Dear Eve,\n");
    fs::File::options()
        .write(true)
        .open(&letter)
        .unwrap()
        .set_modified(before)
        .unwrap();
    fs::set_permissions(machine.path("data/deep"), fs::Permissions::from_mode(0o700)).unwrap();
    fs::remove_file(machine.path("data/empty")).unwrap();
    machine.write("data/deep/more", "m");
    machine.write("data/left out.tmp", "m");
    let differences = |words: &[&str]| -> Vec<(String, String)> {
        let lines = machine.json(words, 1);
        of_type(&lines, "difference")
            .iter()
            .map(|line| {
                (
                    line["change"].as_str().unwrap().to_owned(),
                    line["path"].as_str().unwrap().to_owned(),
                )
            })
            .collect()
    };
    let row = |change: &str, path: &str| (change.to_owned(), machine.text(path));
    let seen = differences(&["verify", "-b", "b1", "--metadata"]);
    let mut expected = vec![
        row("metadata", "data/deep"),
        row("added", "data/deep/more"),
        row("removed", "data/empty"),
    ];
    assert_eq!(seen, expected, "{engine}");
    expected.push(row("content", "data/letter.txt"));
    assert_eq!(
        differences(&["verify", "-b", "b1", "--metadata", "--read-data"]),
        expected,
        "{engine}"
    );
}

#[test]
fn a_restored_copy_can_be_verified() {
    for engine in ENGINES {
        let machine = machine(engine, &[]);
        machine.good(&["backup-data", "-b", "b1"]);
        let out = machine.text("out");
        machine.good(&["restore", "-b", "b1", "--target", &out, "--verify"]);
        machine.good(&["verify", "-b", "b1", "--target", &out, "--read-data"]);
        fs::remove_dir_all(&out).unwrap();
        let gone = machine.run(&["verify", "-b", "b1", "--target", &out]);
        assert_eq!(gone.code, Some(1), "{}", gone.err);
        assert!(gone.err.contains("cannot open the folder"), "{}", gone.err);
    }
}
