//! JSON lines: shapes that programs parse. docs/commands.md describes each.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;

use serde_json::Value;

use crate::machine::Machine;

fn members(line: &Value) -> BTreeSet<&str> {
    line.as_object().unwrap().keys().map(String::as_str).collect()
}

fn has(line: &Value, names: &str) {
    assert_eq!(members(line), names.split(' ').collect(), "{line}");
}

/// The lines of that type.
fn of<'a>(lines: &'a [Value], kind: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["type"] == kind).collect()
}

#[test]
fn a_quick_backup() {
    let machine = Machine::new();
    let lines = machine.json(&["backup", "data", "--to", "repo"], 0);
    has(
        of(&lines, "repository_created")[0],
        "type location engine password_file",
    );
    let result = lines.last().unwrap();
    has(
        result,
        "type command status code location snapshot parent dry_run files dirs others bytes_processed bytes_added \
         bytes_stored problems seconds",
    );
    assert_eq!(result["files"]["new"], 3);
    assert_eq!(result["status"], "success");
    let progress = of(&lines, "progress");
    // On a busy machine the first line comes before the first phase.
    let phases: Vec<_> = progress.iter().filter_map(|line| line["phase"].as_str()).collect();
    assert!(phases.contains(&"backing_up"), "{phases:?}");
    for line in progress {
        let mut names = members(line);
        names.remove("path");
        let expected = "type phase files total_files bytes total_bytes items total problems seconds_left";
        assert_eq!(names, expected.split(' ').collect());
    }
}

#[test]
fn a_run_of_a_job() {
    let machine = Machine::new();
    machine.good(&[
        "job",
        "add",
        "b",
        "data",
        "--to",
        "repo",
        "--keep-within",
        "1D",
        "--prune",
        "always",
    ]);
    let lines = machine.json(&["backup", "-b", "b"], 0);
    has(of(&lines, "started")[0], "type backup time");
    has(
        of(&lines, "saved")[0],
        "type snapshot parent dry_run files dirs others bytes_processed bytes_added bytes_stored problems seconds",
    );
    has(of(&lines, "expired")[0], "type removed kept");
    assert!(of(&lines, "pruned")[0]["bytes_freed"].is_u64());
    has(of(&lines, "usage")[0], "type total used available");
    has(
        lines.last().unwrap(),
        "type command status code backup snapshot log seconds",
    );
}

#[test]
fn listings() {
    let machine = Machine::new();
    let odd = machine.path("data").join(std::ffi::OsStr::from_bytes(b"caf\xe9"));
    std::fs::write(odd, "x").unwrap();
    machine.backup();
    machine.write("data/letter.txt", "Dear Bob,\n");
    machine.backup();
    let snapshots = machine.json(&["snapshots", "--repo", "repo"], 0);
    has(
        &snapshots[0],
        "type id short_id time host user paths tags program files bytes bytes_added",
    );
    has(snapshots.last().unwrap(), "type command status code snapshots");
    let entries = machine.json(&["ls", "--repo", "repo"], 0);
    let entry = of(&entries, "entry")
        .into_iter()
        .find(|line| line["path"] == machine.text("data/letter.txt"))
        .unwrap();
    has(entry, "type path kind mode uid gid user group size mtime");
    assert_eq!((&entry["kind"], &entry["size"]), (&"file".into(), &10.into()));
    let latin = of(&entries, "entry")
        .into_iter()
        .find(|line| line["path_base64"].is_string())
        .unwrap();
    assert!(latin["path"].as_str().unwrap().ends_with("caf\u{fffd}"), "{latin}");
    has(entries.last().unwrap(), "type command status code snapshot entries");
    let found = machine.json(&["find", "--repo", "repo", "letter.txt"], 0);
    has(
        &found[0],
        "type snapshot backup path kind mode uid gid user group size mtime",
    );
    assert_eq!(found.last().unwrap()["found"], 2);
    has(found.last().unwrap(), "type command status code found more unanswered");
    let (first, second) = (
        snapshots[0]["id"].as_str().unwrap(),
        snapshots[1]["id"].as_str().unwrap(),
    );
    let differences = machine.json(&["diff", "--repo", "repo", first, second], 0);
    has(&differences[0], "type change path kind size_before size_after");
    assert_eq!(differences[0]["change"], "content");
    has(
        differences.last().unwrap(),
        "type command status code added removed content metadata other_type",
    );
}

#[test]
fn answers_to_questions() {
    let machine = Machine::new();
    machine.backup();
    let letter = machine.text("data/letter.txt");
    let versions = machine.json(&["history", "--repo", "repo", &letter], 0);
    has(
        &versions[0],
        "type backup snapshot time change snapshots last_snapshot last_time entry",
    );
    has(versions.last().unwrap(), "type command status code versions unanswered");
    let sizes = machine.json(&["du", "--repo", "repo"], 0);
    has(&sizes[0], "type path bytes files folders");
    has(
        sizes.last().unwrap(),
        "type command status code snapshot bytes files folders",
    );
    let placed = machine.json(&["restore", "--repo", "repo", "--beside", &letter], 0);
    has(of(&placed, "restored")[0], "type path restored");
    machine.write("data/letter.txt", "longer than before");
    let verified = machine.json(&["verify", "--repo", "repo"], 1);
    has(
        of(&verified, "difference")[0],
        "type change path kind properties size_before size_after",
    );
    has(
        verified.last().unwrap(),
        "type command status code snapshot compared files_read added removed content metadata other_type problems",
    );
}

#[test]
fn the_rest() {
    let machine = Machine::new();
    machine.backup();
    let restored = machine.json(&["restore", "--repo", "repo", "--target", "out"], 0);
    has(
        restored.last().unwrap(),
        "type command status code snapshot target dry_run files_restored files_skipped others_restored deleted \
         bytes_restored files_verified problems seconds",
    );
    let kept = machine.json(&["forget", "--repo", "repo", "--keep-last", "1"], 0);
    has(
        of(&kept, "kept")[0],
        "type id short_id time host user paths tags program files bytes bytes_added reasons",
    );
    has(kept.last().unwrap(), "type command status code dry_run removed kept");
    let checked = machine.json(&["check", "--repo", "repo"], 0);
    has(
        checked.last().unwrap(),
        "type command status code snapshots packs packs_read bytes_read errors",
    );
    let pruned = machine.json(&["prune", "--repo", "repo"], 0);
    assert!(pruned.last().unwrap()["packs_before"].is_u64());
    let repaired = machine.json(&["repair", "index", "--repo", "repo"], 0);
    has(
        repaired.last().unwrap(),
        "type command status code dry_run actions snapshots_rewritten left",
    );
    has(
        machine.json(&["unlock", "--repo", "repo"], 0).last().unwrap(),
        "type command status code removed",
    );
    let keys = machine.json(&["key", "list", "--repo", "repo"], 0);
    has(&keys[0], "type id user host created current");
    has(
        machine.json(&["init", "--repo", "other"], 0).last().unwrap(),
        "type command status code location engine password_file",
    );
    machine.good(&["job", "add", "b", "--to", "repo2"]);
    has(
        &machine.json(&["job", "list"], 0)[0],
        "type name engine enabled location schedule properties problems notes",
    );
}

#[test]
fn errors_are_the_last_line() {
    let machine = Machine::new();
    let cases: [(&[&str], i32, &str); 5] = [
        (&["snapshots", "--repo", "nowhere"], 10, "no_repository"),
        (&["backup", "nowhere", "--to", "repo"], 2, "usage"),
        (&["backup", "-b", "none"], 2, "usage"),
        (&["frobnicate"], 2, "usage"),
        (&["snapshots"], 2, "usage"),
    ];
    for (words, code, kind) in cases {
        let lines = machine.json(words, code);
        let error = lines.last().unwrap();
        has(error, "type kind code message hint");
        assert_eq!((&error["type"], &error["kind"]), (&"error".into(), &kind.into()));
    }
    machine.good(&["job", "add", "b", "--to", "repo"]);
    let failed = machine.json(&["backup", "-b", "b"], 2);
    assert_eq!(failed.last().unwrap()["type"], "error");
    assert!(of(&failed, "result").is_empty());
}

#[test]
fn a_files_content_stays_alone_on_standard_output() {
    let machine = Machine::new();
    machine.backup();
    let letter = machine.run(&["cat", "--repo", "repo", &machine.text("data/letter.txt"), "--json"]);
    assert_eq!(
        (letter.code, letter.out.as_str(), letter.err.as_str()),
        (Some(0), "Dear Ann,\n", "")
    );
    let missing = machine.run(&["cat", "--repo", "repo", "/none", "--json"]);
    assert_eq!((missing.code, missing.out.as_str()), (Some(2), ""));
    assert!(
        missing.err.starts_with(r#"{"type":"error","kind":"usage","code":2,"#),
        "{}",
        missing.err
    );
}
