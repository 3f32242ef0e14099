//! `db` and `config`: every row of the table that scripts rely on.

use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use crate::machine::Machine;

const CONTENT: &str = "# old comment\nt2=restic|Prune|always|VFSType|local\nempty=\na=rsync|p|\nundefined\n";

fn machine() -> Machine {
    let machine = Machine::nethserver();
    machine.write("root/var/lib/nethserver/db/backups", CONTENT);
    machine.write("root/var/lib/nethserver/db/none", "");
    machine
}

/// Command, standard output, exit code.
type Row = (&'static [&'static str], &'static str, i32);

const READING: &[Row] = &[
    (&["backups", "keys"], "a\nempty\nt2\nundefined\n", 0),
    (&["none", "keys"], "", 1),
    (&["missing", "keys"], "", 1),
    (
        &["backups", "print"],
        "a=rsync|p|\nempty=\nt2=restic|Prune|always|VFSType|local\n",
        0,
    ),
    (&["backups", "print", "t2"], "t2=restic|Prune|always|VFSType|local\n", 0),
    (&["backups", "print", "x"], "", 1),
    (&["none", "print"], "", 1),
    (
        &["backups", "show"],
        "a=rsync\n    p=\nempty=\nt2=restic\n    Prune=always\n    VFSType=local\n",
        0,
    ),
    (
        &["backups", "show", "t2"],
        "t2=restic\n    Prune=always\n    VFSType=local\n",
        0,
    ),
    (&["backups", "show", "x"], "", 1),
    (&["none", "show"], "", 1),
    (&["backups", "get", "t2"], "restic|Prune|always|VFSType|local\n", 0),
    (&["backups", "get", "empty"], "\n", 0),
    (&["backups", "get", "undefined"], "", 1),
    (&["backups", "get", "x"], "", 1),
    (&["backups", "printtype"], "a=rsync\nempty=\nt2=restic\n", 0),
    (&["backups", "printtype", "a"], "a=rsync\n", 0),
    (&["backups", "printtype", "x"], "", 1),
    (&["none", "printtype"], "", 1),
    (&["backups", "gettype", "t2"], "restic\n", 0),
    (&["backups", "gettype", "x"], "", 1),
    (&["backups", "printprop", "t2"], "Prune=always\nVFSType=local\n", 0),
    (&["backups", "printprop", "t2", "VFSType", "x"], "VFSType=local\n", 0),
    (&["backups", "printprop", "t2", "x"], "", 0),
    (&["backups", "printprop", "empty"], "", 1),
    (&["backups", "printprop", "x"], "", 1),
    (&["backups", "getprop", "t2", "Prune"], "always\n", 0),
    (&["backups", "getprop", "a", "p"], "\n", 0),
    (&["backups", "getprop", "t2", "x"], "", 1),
    (&["backups", "getprop", "t2", "type"], "", 1),
    (&["backups", "getprop", "x", "p"], "", 1),
    (
        &["backups", "printjson", "a"],
        r#"{"name":"a","type":"rsync","props":{"p":""}}"#,
        0,
    ),
    (&["backups", "getjson", "empty"], r#"{"name":"empty","type":""}"#, 0),
    (&["backups", "printjson", "x"], "1", 0),
    (&["none", "printjson"], "[]", 0),
    (&["none", "getjson"], "[]", 0),
    (&["none", "showjson"], "[]\n\n", 0),
    (
        &["backups", "showjson", "a"],
        "{\n   \"name\" : \"a\",\n   \"type\" : \"rsync\",\n   \"props\" : {\n      \"p\" : \"\"\n   }\n}\n\n",
        0,
    ),
];

#[test]
fn what_the_reading_commands_print() {
    let machine = machine();
    for (words, output, code) in READING {
        let answer = machine.run(&[&["db"], *words].concat());
        assert_eq!((answer.out.as_str(), answer.code), (*output, Some(*code)), "{words:?}");
        assert_eq!(answer.err, "", "{words:?}");
    }
    assert_eq!(
        machine.read("root/var/lib/nethserver/db/backups"),
        CONTENT,
        "reading writes nothing"
    );
}

/// Command, exit code, the file's records afterwards.
const WRITING: &[(&[&str], i32, &str)] = &[
    (&["set", "k", "t", "b", "2", "a", "-1"], 0, "k=t|a|-1|b|2"),
    (&["set", "k", "t"], 0, "k=t"),
    (&["set", "k", "t|p|v"], 0, "k=t|p|v"),
    (&["setdefault", "k", "other", "p", "w"], 0, "k=t|p|v"),
    (&["setprop", "k", "p", "a|b", "q", "--x"], 0, "k=t|p|a\\|b|q|--x"),
    (&["setprop", "k", "r", "one\ntwo"], 0, "k=t|p|a\\|b|q|--x|r|one\\ntwo"),
    (&["delprop", "k", "p", "r", "none"], 0, "k=t|q|--x"),
    (&["settype", "k", "u"], 0, "k=u|q|--x"),
    (&["settype", "none", "u"], 1, "k=u|q|--x"),
    (&["set", "a\nb", "t"], 1, "k=u|q|--x"),
    (&["setprop", "k", "q", "ends\\"], 1, "k=u|q|--x"),
    (
        &[
            "setjson",
            r#"[{"name":"k","type":"j","props":{"n":"1"}},{"name":"l","type":"m"}]"#,
        ],
        0,
        "k=j|n|1\nl=m",
    ),
    (&["setjson", "nonsense"], 1, "k=j|n|1\nl=m"),
    (&["delete", "l"], 0, "k=j|n|1"),
    (&["delete", "l"], 1, "k=j|n|1"),
    (&["setdefault", "l", "new"], 0, "k=j|n|1\nl=new"),
];

#[test]
fn what_the_writing_commands_leave() {
    let machine = machine();
    for (words, code, records) in WRITING {
        let answer = machine.run(&[&["db", "fresh"], *words].concat());
        assert_eq!(
            (answer.out.as_str(), answer.code),
            ("", Some(*code)),
            "{words:?}: {}",
            answer.err
        );
        assert_eq!(answer.err.is_empty(), *code == 0 || answer.err.is_empty(), "{words:?}");
        let content = machine.read("root/var/lib/nethserver/db/fresh");
        let lines: Vec<_> = content.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(lines.join("\n"), *records, "{words:?}");
    }
}

/// Exit code 0 as ever, but it is said; and a script that wants to know is told.
#[test]
fn d7_a_property_of_no_record_is_a_warning() {
    let machine = machine();
    let answer = machine.run(&["db", "backups", "setprop", "typo", "p", "v"]);
    assert_eq!(answer.code, Some(0));
    assert!(
        answer.err.starts_with("db: warning: there is no record `typo` in "),
        "{}",
        answer.err
    );
    assert_eq!(machine.read("root/var/lib/nethserver/db/backups"), CONTENT);
    let strict = |words: &[&str]| {
        machine
            .command(words)
            .env("HOLDFAST_STRICT", "1")
            .status()
            .unwrap()
            .code()
    };
    assert_eq!(strict(&["db", "backups", "setprop", "typo", "p", "v"]), Some(1));
    assert_eq!(strict(&["db", "backups", "setprop", "t2", "p", "v"]), Some(0));
}

/// A password that is set, changed, refused and removed stands in the database, and nowhere else.
#[test]
fn d4_no_secret_is_logged_or_printed() {
    let machine = machine();
    let calls: [(&[&str], i32); 4] = [
        (&["setprop", "t2", "SMBPassword", "Geheim-1"], 0),
        (&["setprop", "t2", "SMBPassword", "Geheim-2\\"], 1),
        (&["set", "t3", "restic", "S3SecretKey", "Geheim-3\\n"], 1),
        (&["delete", "t2"], 0),
    ];
    for (words, code) in calls {
        let answer = machine.run(&[&["db", "backups"], words].concat());
        assert_eq!(answer.code, Some(code), "{words:?}");
        assert!(
            !answer.out.contains("Geheim") && !answer.err.contains("Geheim"),
            "{}",
            answer.err
        );
    }
    for (file, content) in crate::machine::tree(&machine.path("root")) {
        assert!(
            !String::from_utf8_lossy(&content).contains("Geheim"),
            "{}",
            file.display()
        );
    }
}

/// However often a writer is killed, the database holds every record whole.
#[test]
fn d8_a_killed_writer_leaves_a_whole_database() {
    let machine = machine();
    machine.good(&["db", "fresh", "set", "k", "t", "a", "0", "b", "0"]);
    for round in 1..12_u64 {
        let value = round.to_string().repeat(1000);
        let mut child = machine
            .command(["db", "fresh", "set", "k", "t", "a", &value, "b", &value])
            .spawn()
            .unwrap();
        // At another moment of its life each time; whether it had ended by then does not matter.
        std::thread::sleep(std::time::Duration::from_micros(round * 400));
        let _ = child.kill();
        child.wait().unwrap();
        let (a, b) = (
            machine.good(&["db", "fresh", "getprop", "k", "a"]),
            machine.good(&["db", "fresh", "getprop", "k", "b"]),
        );
        assert_eq!(a, b);
    }
}

#[test]
fn setjson_reads_standard_input() {
    let machine = machine();
    let mut command = machine.command(["db", "fresh", "setjson", "-"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(br#"{"name":"k","type":"t"}"#)
        .unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(machine.good(&["db", "fresh", "get", "k"]), "t\n");
}

#[test]
fn a_wrong_call_shows_the_usage_on_standard_error() {
    let machine = machine();
    let calls: [&[&str]; 6] = [
        &["db"],
        &["db", "backups"],
        &["db", "backups", "x"],
        &["db", "backups", "get"],
        &["config"],
        &["db", "--help"],
    ];
    for words in calls {
        let answer = machine.run(words);
        assert_eq!((answer.code, answer.out.as_str()), (Some(2), ""), "{words:?}");
        assert!(answer.err.contains("usage:\n    "), "{words:?}: {}", answer.err);
    }
    let odd = machine.run(&["db", "backups", "set", "k", "t", "p"]);
    assert_eq!(odd.code, Some(2));
    assert!(odd.err.starts_with("set: property `p` has no value"), "{}", odd.err);
}

#[test]
fn config_is_the_configuration_and_follows_the_system() {
    let machine = machine();
    machine.good(&[
        "config",
        "set",
        "backup-data",
        "configuration",
        "IncludeLogs",
        "enabled",
    ]);
    assert_eq!(
        machine.good(&["db", "configuration", "getprop", "backup-data", "IncludeLogs"]),
        "enabled\n"
    );
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let name = host.trim().split('.').next().unwrap();
    assert_eq!(machine.good(&["config", "get", "SystemName"]), format!("{name}\n"));
    let answer = machine.run(&["config", "set", "SystemName", "other"]);
    assert_eq!(answer.code, Some(0));
    assert!(answer.err.contains("follows the system"), "{}", answer.err);
    assert_eq!(machine.good(&["config", "get", "SystemName"]), format!("{name}\n"));
}

#[test]
fn a_database_is_found_by_path_prefix_and_place() {
    let machine = machine();
    machine.write("elsewhere/x", "k=abs\n");
    assert_eq!(machine.good(&["db", &machine.text("elsewhere/x"), "get", "k"]), "abs\n");
    let prefixed = machine
        .command(["db", "x", "get", "k"])
        .env("DBPATH", machine.path("elsewhere"))
        .output()
        .unwrap();
    assert_eq!(prefixed.stdout, b"abs\n");
    machine.write("root/home/e-smith/ancient", "k=old\n");
    let answer = machine.run(&["db", "ancient", "get", "k"]);
    assert_eq!((answer.out.as_str(), answer.code), ("old\n", Some(0)));
    assert!(answer.err.contains("old version"), "{}", answer.err);
}

#[test]
fn bytes_pass_through() {
    let machine = machine();
    let latin = std::ffi::OsStr::from_bytes(b"caf\xe9");
    let set = machine
        .command(["db", "fresh", "set", "k", "t", "p"])
        .arg(latin)
        .status()
        .unwrap();
    assert!(set.success());
    let got = machine.command(["db", "fresh", "getprop", "k", "p"]).output().unwrap();
    assert_eq!(got.stdout, b"caf\xe9\n");
}

#[test]
fn the_program_answers_to_the_old_names() {
    let machine = machine();
    let call = |name: &str, words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
        command
            .arg0(format!("/sbin/e-smith/{name}"))
            .args(words)
            .env("HOLDFAST_ROOT", machine.path("root"));
        let output = command.output().unwrap();
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
        )
    };
    assert_eq!(call("db", &["backups", "gettype", "t2"]), (Some(0), "restic\n".into()));
    assert_eq!(call("config", &["get", "x"]), (Some(1), String::new()));
    for name in ["backup-data", "backup-data-list", "restore-data", "restore-file"] {
        let (code, text) = call(name, &["-h"]);
        assert_eq!(code, Some(0));
        assert!(text.contains(&format!("Usage: holdfast {name}")), "{text}");
        assert!(text.contains(&format!("  {name} -b t2\n")), "{text}");
        let words: &[&str] = if name == "restore-file" {
            &["-b", "zz", "/", "/x"]
        } else {
            &["-b", "zz"]
        };
        let (code, text) = call(name, words);
        assert_eq!(code, Some(2));
        assert!(
            text.contains(&format!("{name}: No backup 'zz' found\nhint: ")),
            "{text}"
        );
    }
}
