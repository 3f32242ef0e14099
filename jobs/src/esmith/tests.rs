use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use jiff::tz::TimeZone;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::command::{Answer, CommandError, run, usage};
use super::*;

struct Fixture {
    folder: tempfile::TempDir,
    file: DatabaseFile,
}

fn fixture(content: &str) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backups");
    fs::write(&path, content).unwrap();
    Fixture {
        file: DatabaseFile::new(path, TimeZone::UTC),
        folder,
    }
}

impl Fixture {
    fn try_run(&self, words: &[&str], input: &'static str) -> Result<Answer, CommandError> {
        let words = words.iter().map(OsString::from).collect();
        run(&self.file, "db backups", words, &|| {
            Box::new(input.as_bytes()) as Box<dyn Read>
        })
    }

    /// What the command prints, and whether it succeeds; a warning is an error here.
    fn run(&self, words: &[&str]) -> (String, bool) {
        let answer = self
            .try_run(words, "")
            .unwrap_or_else(|error| panic!("{words:?}: {error:?}"));
        assert!(answer.warnings.is_empty(), "{words:?}: {:?}", answer.warnings);
        (String::from_utf8(answer.output).unwrap(), answer.success)
    }

    fn silent(&self, words: &[&str]) -> bool {
        let (output, success) = self.run(words);
        assert_eq!(output, "", "{words:?}");
        success
    }

    /// The lines of the file that are no comments.
    fn lines(&self) -> String {
        let content = fs::read_to_string(self.file.path()).unwrap();
        content
            .lines()
            .filter(|line| !line.starts_with('#'))
            .collect::<Vec<_>>()
            .join("\n")
    }
}

const TWO: &str = "# a comment\n\n  # another\nb=restic|Prune|always|VFSType|local\na=rsync\nundefined\n";

#[test]
fn keys_lists_even_those_without_a_value() {
    assert_eq!(fixture(TWO).run(&["keys"]), ("a\nb\nundefined\n".into(), true));
    assert_eq!(fixture("# nothing\n").run(&["keys"]), (String::new(), false));
}

#[test]
fn print_shows_raw_values() {
    let two = fixture(TWO);
    assert_eq!(
        two.run(&["print"]),
        ("a=rsync\nb=restic|Prune|always|VFSType|local\n".into(), true)
    );
    assert_eq!(two.run(&["print", "a"]), ("a=rsync\n".into(), true));
    assert_eq!(
        two.run(&["print", "0"]).0.lines().count(),
        2,
        "a key of 0 counts as none"
    );
    for absent in ["c", "undefined"] {
        assert_eq!(two.run(&["print", absent]), (String::new(), false));
    }
    assert_eq!(fixture("").run(&["print"]), (String::new(), false));
    assert_eq!(fixture("a=t|p|one\\ntwo\n").run(&["print"]).0, "a=t|p|one\ntwo\n");
}

#[test]
fn show_indents_the_properties() {
    let two = fixture(TWO);
    let b = "b=restic\n    Prune=always\n    VFSType=local\n";
    assert_eq!(two.run(&["show"]), (format!("a=rsync\n{b}"), true));
    assert_eq!(two.run(&["show", "b"]), (b.into(), true));
    assert_eq!(two.run(&["show", "undefined"]), (String::new(), false));
    assert_eq!(fixture("").run(&["show"]), (String::new(), false));
}

#[test]
fn get_and_the_types() {
    let two = fixture(TWO);
    assert_eq!(
        two.run(&["get", "b"]),
        ("restic|Prune|always|VFSType|local\n".into(), true)
    );
    assert_eq!(two.run(&["get", "c"]), (String::new(), false));
    assert_eq!(two.run(&["get", "undefined"]), (String::new(), false));
    assert_eq!(two.run(&["printtype"]), ("a=rsync\nb=restic\n".into(), true));
    assert_eq!(two.run(&["printtype", "b"]), ("b=restic\n".into(), true));
    assert_eq!(two.run(&["printtype", "c"]), (String::new(), false));
    assert_eq!(fixture("").run(&["printtype"]), (String::new(), false));
    assert_eq!(two.run(&["gettype", "b"]), ("restic\n".into(), true));
    assert_eq!(two.run(&["gettype", "c"]), (String::new(), false));
}

#[test]
fn the_properties() {
    let two = fixture("b=restic|Empty||Prune|always\na=rsync\n");
    assert_eq!(two.run(&["printprop", "b"]), ("Empty=\nPrune=always\n".into(), true));
    assert_eq!(
        two.run(&["printprop", "b", "Prune", "None"]),
        ("Prune=always\n".into(), true)
    );
    assert_eq!(two.run(&["printprop", "b", "None"]), (String::new(), true));
    assert_eq!(two.run(&["printprop", "a"]), (String::new(), false));
    assert_eq!(two.run(&["printprop", "c"]), (String::new(), false));
    assert_eq!(two.run(&["getprop", "b", "Prune"]), ("always\n".into(), true));
    assert_eq!(two.run(&["getprop", "b", "Empty"]), ("\n".into(), true));
    assert_eq!(two.run(&["getprop", "b", "None"]), (String::new(), false));
    assert_eq!(two.run(&["getprop", "c", "Prune"]), (String::new(), false));
    assert_eq!(
        two.run(&["getprop", "b", "type"]),
        (String::new(), false),
        "the type is no property"
    );
}

#[test]
fn set_replaces_the_record() {
    let two = fixture(TWO);
    assert!(two.silent(&["set", "b", "restic", "Z", "1", "A", "-x"]));
    assert_eq!(two.lines(), "a=rsync\nb=restic|A|-x|Z|1\nundefined");
    assert!(two.silent(&["set", " c ", "t|p|v"]), "a raw value is taken as it is");
    assert_eq!(two.run(&["getprop", "c", "p"]).0, "v\n");
    assert!(two.silent(&["set", "c", "t|p|v", "q", "w"]));
    assert_eq!(two.run(&["get", "c"]).0, "t|p|v|q|w\n");
}

#[test]
fn setdefault_leaves_what_is_there() {
    let two = fixture(TWO);
    assert!(two.silent(&["setdefault", "b", "duplicity"]));
    assert!(two.silent(&["setdefault", "c", "new", "p", "v"]));
    assert_eq!(
        two.lines(),
        "a=rsync\nb=restic|Prune|always|VFSType|local\nc=new|p|v\nundefined"
    );
}

#[test]
fn delete_and_settype() {
    let two = fixture(TWO);
    assert!(two.silent(&["delete", "a"]));
    assert!(!two.silent(&["delete", "a"]));
    assert!(!two.silent(&["delete", "undefined"]));
    assert!(two.silent(&["settype", "b", "rsync"]));
    assert!(!two.silent(&["settype", "c", "rsync"]));
    assert_eq!(two.lines(), "b=rsync|Prune|always|VFSType|local\nundefined");
}

#[test]
fn setprop_and_delprop() {
    let two = fixture(TWO);
    assert!(two.silent(&["setprop", "b", "Prune", "0", "Notify", ""]));
    assert_eq!(two.run(&["get", "b"]).0, "restic|Notify||Prune|0|VFSType|local\n");
    assert!(two.silent(&["delprop", "b", "Prune", "None", "Notify"]));
    assert_eq!(two.run(&["get", "b"]).0, "restic|VFSType|local\n");
}

/// A property of a record that is not there is not written, and that is said.
#[test]
fn d7_setprop_on_a_missing_record_warns() {
    let two = fixture(TWO);
    for words in [vec!["setprop", "c", "p", "v"], vec!["delprop", "c", "p"]] {
        let answer = two.try_run(&words, "").unwrap();
        assert!(answer.success && answer.missed);
        assert!(
            answer.warnings[0].contains("there is no record `c`"),
            "{:?}",
            answer.warnings
        );
    }
    assert_eq!(fs::read_to_string(two.file.path()).unwrap(), TWO, "nothing was written");
}

#[test]
fn json_has_the_shape_that_callers_parse() {
    let two = fixture(TWO);
    let b = r#"{"name":"b","type":"restic","props":{"Prune":"always","VFSType":"local"}}"#;
    for command in ["printjson", "getjson"] {
        assert_eq!(two.run(&[command, "b"]), (b.into(), true));
        assert_eq!(
            two.run(&[command]),
            (format!(r#"[{{"name":"a","type":"rsync"}},{b}]"#), true)
        );
        assert_eq!(two.run(&[command, "c"]), ("1".into(), true));
        assert_eq!(fixture("").run(&[command]), ("[]".into(), true));
    }
    let shown = "{\n   \"name\" : \"a\",\n   \"type\" : \"rsync\"\n}\n\n";
    assert_eq!(two.run(&["showjson", "a"]), (shown.into(), true));
    assert_eq!(two.run(&["showjson", "c"]), ("1".into(), true));
    assert_eq!(fixture("").run(&["showjson"]), ("[]\n\n".into(), true));
    let latin = fixture("");
    fs::write(latin.file.path(), b"a=t|p|caf\xe9\n").unwrap();
    assert_eq!(
        latin.run(&["printjson", "a"]).0,
        "{\"name\":\"a\",\"type\":\"t\",\"props\":{\"p\":\"caf\u{fffd}\"}}"
    );
}

#[test]
fn setjson_replaces_whole_records() {
    let two = fixture(TWO);
    assert!(two.silent(&["setjson", r#"{"name":"b","type":"x"}"#]));
    assert_eq!(two.run(&["get", "b"]).0, "x\n");
    let input = r#"[{"name":"c","type":"t","props":{"n":5,"s":"a|b"}},{"name":"d","props":null}]"#;
    let answer = two.try_run(&["setjson", "-"], input).unwrap();
    assert!(answer.success && answer.output.is_empty());
    assert_eq!(two.lines(), "a=rsync\nb=x\nc=t|n|5|s|a\\|b\nd=\nundefined");
    for wrong in [
        "",
        "{",
        "[1]",
        r#"{"type":"x"}"#,
        r#"{"name":"x","props":[]}"#,
        r#"{"name":"x","props":{"p":true}}"#,
    ] {
        let failed = two.try_run(&["setjson", wrong], "");
        assert!(matches!(failed, Err(CommandError::Failed(_))), "{wrong}");
    }
}

#[test]
fn a_missing_argument_shows_the_usage() {
    let two = fixture(TWO);
    let calls: &[&[&str]] = &[
        &[],
        &["unknown"],
        &["get"],
        &["get", ""],
        &["get", "0"],
        &["set", "k"],
        &["set", "k", "t", "p"],
        &["setdefault", "k"],
        &["setdefault", "k", "t", "p"],
        &["setjson"],
        &["delete"],
        &["gettype"],
        &["settype", "k"],
        &["printprop"],
        &["getprop", "k"],
        &["getprop", "k", "0"],
        &["setprop", "k", "p"],
        &["setprop", "b", "p", "v", "q"],
        &["delprop", "k"],
    ];
    for words in calls {
        let Err(CommandError::Usage(text)) = two.try_run(words, "") else {
            panic!("{words:?} is accepted");
        };
        assert!(text.contains("usage:\n    db backups "), "{text}");
    }
    assert_eq!(fs::read_to_string(two.file.path()).unwrap(), TWO);
    assert_eq!(usage("config").lines().count(), 19, "a line for each command");
}

/// What a database can hold comes back as it was.
fn survive(values: &[&str]) {
    let empty = fixture("");
    for value in values {
        assert!(empty.silent(&["set", "k", "t", "p", value, "q", "after"]));
        assert_eq!(empty.run(&["getprop", "k", "p"]), (format!("{value}\n"), true));
        assert_eq!(empty.run(&["getprop", "k", "q"]), ("after\n".into(), true));
    }
}

#[test]
fn d1_pipes_in_values_survive() {
    survive(&[
        "a|b", "|", "||", "a\\|b", " blanks ", "tab\t", "ä€", "a\\b", "=#", "a'b\"c",
    ]);
}

#[test]
fn d3_line_breaks_come_back_and_a_backslash_with_n_never_becomes_one() {
    survive(&["one\ntwo", "\\\n", "\n"]);
    let empty = fixture("");
    let refused = empty.try_run(&["set", "k", "t", "p", "C:\\new"], "");
    assert!(matches!(refused, Err(CommandError::Failed(_))));
    assert!(!empty.file.path().exists() || empty.lines().is_empty());
}

/// What it cannot hold is refused, and the file stays as it was.
#[test]
fn d2_what_cannot_be_stored_is_refused() {
    let two = fixture(TWO);
    let calls: &[(&[&str], &str)] = &[
        (&["setprop", "b", "SMBPassword", "x\\"], "ends in a backslash"),
        (&["set", "k", "t", "p", "C:\\new"], "reads back as a line break"),
        (&["set", "k", "t\\"], "ends in a backslash"),
        (&["set", "k", "t|p"], "without a value"),
        (&["set", "k", "t|p", "q", "v"], "without a value"),
        (&["set", "k", "t", "", "v"], "name cannot be empty"),
        (&["set", "a\nb", "t"], "line break"),
        (&["set", "a=b", "t"], "cannot hold `=`"),
        (&["set", "#a", "t"], "cannot begin with `#`"),
        (&["set", "  ", "t"], "cannot be empty"),
        (&["settype", "b", "t|p|v"], "cannot hold `|`"),
    ];
    for (words, reason) in calls {
        let Err(CommandError::Failed(error)) = two.try_run(words, "") else {
            panic!("{words:?} is accepted");
        };
        let text = error.to_string();
        assert!(text.contains(reason) && !text.contains("new"), "{text}");
    }
    assert_eq!(fs::read_to_string(two.file.path()).unwrap(), TWO);
}

/// A record whose value swallowed a separator is not taken at its word.
#[test]
fn d2_a_damaged_record_is_said_and_never_written_back() {
    let damaged = fixture("k=t|a|x\\|b|y|c|z\nok=t\n");
    for words in [
        vec!["show"],
        vec!["get", "k"],
        vec!["getprop", "k", "a"],
        vec!["printjson", "k"],
    ] {
        let answer = damaged.try_run(&words, "").unwrap();
        assert!(answer.warnings[0].starts_with("`k` in "), "{:?}", answer.warnings);
    }
    assert!(damaged.run(&["show", "ok"]).1);
    assert!(matches!(
        damaged.try_run(&["setprop", "k", "d", "1"], ""),
        Err(CommandError::Failed(_))
    ));
}

#[test]
fn the_last_of_two_lines_wins_and_carriage_returns_stay() {
    let doubled = fixture("k=old\nk=new\r\n");
    assert_eq!(doubled.run(&["get", "k"]).0, "new\r\n");
}

#[test]
fn what_is_strange_in_a_file_is_found() {
    let strange = fixture("good=t|p|v\nk=old\nundefined\nk=t|a|1|b|2|a|3|a|4\nw=t|p|v\r\nn=t||v\n");
    let found = strange.file.oddities().unwrap();
    let texts = |key: &[u8]| -> Vec<String> { found[key].iter().map(ToString::to_string).collect() };
    assert_eq!(found.len(), 4, "{found:?}");
    assert_eq!(
        texts(b"k"),
        [
            "lines 2, 4 have this key; the last counts",
            "a stands twice in the record; the last counts"
        ]
    );
    assert_eq!(texts(b"undefined"), ["line 3 has no `=`: it is no record"]);
    assert!(texts(b"w")[0].contains("carriage return"));
    assert_eq!(texts(b"n"), ["a property has no name"]);
}

#[test]
fn a_write_sorts_and_makes_the_header_anew() {
    let two = fixture(TWO);
    two.silent(&["set", "c", "t"]);
    let content = fs::read_to_string(two.file.path()).unwrap();
    let comments: Vec<_> = content.lines().take_while(|line| line.starts_with('#')).collect();
    assert_eq!(comments.len(), 6);
    assert!(comments[5].starts_with("# updated: ") && comments[5].len() == "# updated: Tue Jan  5 10:11:12 2021".len());
    assert_eq!(
        two.lines(),
        "a=rsync\nb=restic|Prune|always|VFSType|local\nc=t\nundefined"
    );
}

#[test]
fn writing_the_same_writes_nothing() {
    let two = fixture(TWO);
    let before = fs::metadata(two.file.path()).unwrap();
    two.silent(&["set", "a", "rsync"]);
    two.silent(&["setprop", "b", "Prune", "always"]);
    let after = fs::metadata(two.file.path()).unwrap();
    assert_eq!((before.ino(), before.mtime_nsec()), (after.ino(), after.mtime_nsec()));
}

/// Whoever reads while records are written sees each of them whole: as it was before, or as it is after.
#[test]
fn d8_a_reader_never_sees_half_a_record() {
    let shared = fixture("k=t|a|0|b|0|c|0\n");
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 1..60 {
                let round = round.to_string();
                assert!(shared.silent(&["set", "k", "t", "a", &round, "b", &round, "c", &round]));
            }
            done.store(true, std::sync::atomic::Ordering::Release);
        });
        while !done.load(std::sync::atomic::Ordering::Acquire) {
            let record = shared
                .file
                .read()
                .unwrap()
                .record(b"k")
                .expect("there is always a record");
            assert_eq!(record.props.len(), 3, "{record:?}");
            let first = record.get("a");
            assert!(record.get("b") == first && record.get("c") == first, "{record:?}");
        }
    });
}

/// Mode and owner stay, and so does a symbolic link; nothing is left beside the file but its lock.
#[test]
fn d8_a_write_keeps_what_the_file_was() {
    let two = fixture(TWO);
    let link = two.folder.path().join("link");
    std::os::unix::fs::symlink(two.file.path(), &link).unwrap();
    fs::set_permissions(two.file.path(), fs::Permissions::from_mode(0o604)).unwrap();
    let linked = DatabaseFile::new(&link, TimeZone::UTC);
    let set = linked.update(|database| {
        database.set(b"z", &Record::of_kind("t")).unwrap();
        Ok(())
    });
    set.unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::metadata(two.file.path()).unwrap().mode() & 0o7777, 0o604);
    assert!(two.lines().ends_with("z=t"));
    let mut names: Vec<_> = fs::read_dir(two.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["backups", "link", "link.lock"]);
}

#[test]
fn a_missing_file_is_an_empty_database_and_made_by_the_first_write() {
    let folder = tempfile::tempdir().unwrap();
    let file = DatabaseFile::new(folder.path().join("deep/new"), TimeZone::UTC);
    assert!(file.read().unwrap().is_empty());
    assert!(!file.path().exists());
    file.update(|database| {
        database
            .set(b"k", &Record::of_kind("t"))
            .map_err(|misfit| file.unfit(misfit))
    })
    .unwrap();
    assert_eq!(file.read().unwrap().raw(b"k"), Some(b"t".as_slice()));
}

/// Many writers of one record, some of which remove the lock after use as the original tools do: no update is lost.
fn many_writers(removed: bool) {
    let shared = fixture("k=t\n");
    let writer = |thread: usize| {
        let file = shared.file.clone();
        move || {
            for round in 0..10 {
                let change = file.update(|database| {
                    let record = database.record(b"k").unwrap().with(format!("p{thread}-{round}"), "1");
                    database.set(b"k", &record).map_err(|misfit| file.unfit(misfit))
                });
                change.unwrap();
                if removed && thread == 0 {
                    let _ = fs::remove_file(format!("{}.lock", file.path().display()));
                }
            }
        }
    };
    std::thread::scope(|scope| (0..4).for_each(|thread| drop(scope.spawn(writer(thread)))));
    assert_eq!(shared.file.read().unwrap().record(b"k").unwrap().props.len(), 40);
}

#[test]
fn d5_a_lock_that_others_remove_still_keeps_writers_apart() {
    many_writers(true);
}

#[test]
fn d6_concurrent_changes_of_one_record_are_all_kept() {
    many_writers(false);
}

#[test]
fn computed_keys_follow_the_system() {
    let plain = fixture("SystemName=stale\nother=x\n");
    let file = plain
        .file
        .clone()
        .with_computed(vec![("SystemName", "real".into()), ("DomainName", "test".into())]);
    let computed = Fixture { file, ..plain };
    assert_eq!(computed.run(&["get", "SystemName"]).0, "real\n");
    assert_eq!(computed.run(&["keys"]).0, "DomainName\nSystemName\nother\n");
    let calls: [&[&str]; 4] = [
        &["set", "SystemName", "x"],
        &["setprop", "SystemName", "p", "v"],
        &["settype", "SystemName", "t"],
        &["setjson", r#"{"name":"SystemName","type":"x"}"#],
    ];
    for words in calls {
        let answer = computed.try_run(words, "").unwrap();
        assert!(answer.warnings[0].contains("nothing was written"), "{words:?}");
    }
    assert_eq!(computed.lines(), "SystemName=stale\nother=x");
    computed.silent(&["set", "other", "y"]);
    assert_eq!(
        computed.lines(),
        "SystemName=stale\nother=y",
        "what is computed is not stored"
    );
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        Just(b'\\'),
        Just(b'|'),
        Just(b'n'),
        Just(b'\n'),
        Just(b'='),
        any::<u8>()
    ];
    vec(byte, 0..12)
}

proptest! {
    /// Whatever a database takes is read back as it was, and by a second program that writes something else beside it.
    #[test]
    fn what_is_written_is_read_back(key in text(), kind in text(), props in btree_map(text(), text(), 0..6)) {
        let record = Record { kind, props, dangling: None };
        let mut database = Database::default();
        if database.set(&key, &record).is_ok() {
            database.set(b"another", &Record::of_kind("x")).unwrap();
            let read = Database::parse(&database.to_bytes("now"));
            prop_assert_eq!(&read, &database);
            let key = key.trim_ascii();
            if key != b"another" {
                prop_assert_eq!(read.record(key), Some(record));
            }
        }
    }

    /// Raw values that are taken keep their fields too.
    #[test]
    fn raw_values_are_read_back(raw in text()) {
        let mut database = Database::default();
        if database.set_raw(b"k", &raw).is_ok() {
            let read = Database::parse(&database.to_bytes("now"));
            let record = read.record(b"k").unwrap();
            prop_assert_eq!(&record, &Record::decode(&raw));
            prop_assert!(record.dangling.is_none());
        }
    }

    /// Any file is read, by every command, without a panic; and written back it stays the same database.
    #[test]
    fn hostile_files_are_read(content in vec(prop_oneof![Just(b'\n'), Just(b'|'), Just(b'='), Just(b'\\'), any::<u8>()], 0..200)) {
        let database = Database::parse(&content);
        prop_assert_eq!(&Database::parse(&database.to_bytes("now")), &database);
        let hostile = fixture("");
        fs::write(hostile.file.path(), &content).unwrap();
        let first = database.keys().next().unwrap_or(b"k").to_vec();
        for command in ["keys", "print", "show", "get", "printtype", "gettype", "printprop", "printjson", "showjson"] {
            let words = vec![OsString::from(command), OsString::from_vec(first.clone())];
            let _ = run(&hostile.file, "db", words, &|| Box::new(std::io::empty()));
        }
        let words = ["setprop", "k", "p", "v"].map(OsString::from).to_vec();
        let _ = run(&hostile.file, "db", words, &|| Box::new(std::io::empty()));
        prop_assert!(Path::new(hostile.file.path()).exists());
    }
}
