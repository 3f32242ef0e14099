//! `holdfast job`: records added, changed, checked, migrated and removed.

use std::fs;

use crate::machine::Machine;

fn record(machine: &Machine, name: &str) -> String {
    machine.good(&["db", "backups", "get", name]).trim_end().to_owned()
}

#[test]
fn friendly_options_write_the_record() {
    let machine = Machine::new();
    machine.good(&[
        "job",
        "add",
        "off",
        "data",
        "--to",
        "sftp://u@h.example.org:2222/srv/backup",
        "--engine",
        "rsync",
        "--at",
        "3:05",
        "--keep-within",
        "6M",
        "--prune",
        "always",
        "--notify",
        "error",
        "--notify-to",
        "a@b",
        "--notify-to",
        "root",
        "--set",
        "Strategy=1:1",
        "--disabled",
    ]);
    assert_eq!(
        record(&machine, "off"),
        "rsync|BackupTime|5 3 * * *|CleanupOlderThan|6M|Notify|error|NotifyTo|a@b,root|Prune|always|SftpDirectory|/srv/backup\
         |SftpHost|h.example.org|SftpPort|2222|SftpUser|u|Strategy|1:1|VFSType|sftp|status|disabled"
    );
    let listed = machine.json(&["job", "list"], 0);
    assert_eq!(listed[0]["location"], "sftp:u@h.example.org:/srv/backup port 2222");
    assert_eq!(
        (listed[0]["enabled"].as_bool(), listed[0]["schedule"].as_str()),
        (Some(false), Some("5 3 * * *"))
    );
    assert!(machine.good(&["job", "list"]).contains("  at 5 3 * * *"));
    let crontab = || machine.read("root/etc/cron.d/backup-data");
    assert!(!crontab().contains("5 3 * * *"), "it is disabled");
    machine.good(&["job", "enable", "off"]);
    assert!(crontab().contains("5 3 * * *"), "{}", crontab());
    machine.good(&["job", "remove", "off"]);
    assert!(!crontab().contains("5 3 * * *"), "{}", crontab());
}

/// What is wrong is refused as a whole, and nothing is half written.
#[test]
fn d81_a_change_is_one_write_or_none() {
    let machine = Machine::new();
    machine.good(&["job", "add", "n", "data", "--to", "repo", "--at", "@daily"]);
    let before = machine.read("root/etc/holdfast/db/backups");
    let refused: [&[&str]; 6] = [
        &["--at", "30 25 * * *", "--keep-within", "30D"],
        &["--keep-within", "30D", "--set", "Colour=red"],
        &["--to", "s3://h/b", "--engine", "rsync"],
        &["--set", "Prune=never"],
        &["--set", "NotifyTo=x\nBcc: y@z"],
        &["--keep-within", "30D", "--unset", "LocalDirectory"],
    ];
    for options in refused {
        let answer = machine.run(&[&["job", "edit", "n"], options].concat());
        assert_eq!(answer.code, Some(2), "{options:?}");
        assert!(answer.err.starts_with("holdfast: backup n: "), "{}", answer.err);
        assert_eq!(machine.read("root/etc/holdfast/db/backups"), before, "{options:?}");
    }
    machine.good(&[
        "job",
        "edit",
        "n",
        "--at",
        "never",
        "--keep-within",
        "30D",
        "--unset",
        "Prune",
    ]);
    let repo = machine.text("repo");
    assert_eq!(
        record(&machine, "n"),
        format!("restic|BackupTime||CleanupOlderThan|30D|LocalDirectory|{repo}|VFSType|local|status|enabled")
    );
}

#[test]
fn what_it_saves_and_leaves_out_can_be_changed() {
    let machine = Machine::new();
    machine.good(&[
        "job",
        "add",
        "n",
        "data/letter.txt",
        "--to",
        "repo",
        "--exclude",
        "*.iso",
    ]);
    let (include, exclude) = (
        "root/etc/holdfast/backup-data/n.include",
        "root/etc/holdfast/backup-data/n.exclude",
    );
    assert_eq!(machine.read(include), format!("{}\n", machine.text("data/letter.txt")));
    assert_eq!(machine.read(exclude), "*.iso\n");
    machine.good(&["job", "edit", "n", "data", "--exclude", "*.tmp", "--exclude", "/proc"]);
    assert_eq!(machine.read(include), format!("{}\n", machine.text("data")));
    assert_eq!(machine.read(exclude), "*.tmp\n/proc\n");
    for wrong in [
        &["job", "edit", "n", "nowhere"][..],
        &["job", "edit", "n", "--exclude", "# x"],
    ] {
        assert_eq!(machine.run(wrong).code, Some(2), "{wrong:?}");
    }
    assert_eq!(machine.read(exclude), "*.tmp\n/proc\n");
}

#[test]
fn a_secret_comes_from_a_file_and_is_never_shown() {
    let machine = Machine::new();
    machine.write("password", "geheim|x\n");
    let secret = format!("SMBPassword={}", machine.text("password"));
    machine.good(&[
        "job",
        "add",
        "n",
        "data",
        "--to",
        "cifs://u@nas/share",
        "--secret",
        &secret,
    ]);
    assert_eq!(
        machine.good(&["db", "backups", "getprop", "n", "SMBPassword"]),
        "geheim|x\n"
    );
    for words in [
        &["job", "show", "n"][..],
        &["job", "list"],
        &["job", "check"],
        &["job", "show", "n", "--json"],
    ] {
        assert!(!machine.good(words).contains("geheim"), "{words:?}");
    }
    let answer = machine.run(&["job", "add", "m", "data", "--to", "sftp://u:geheim@h/x"]);
    assert_eq!(answer.code, Some(2));
    assert!(
        !answer.err.contains("geheim") && answer.err.contains("does not belong"),
        "{}",
        answer.err
    );
}

#[test]
fn jobs_are_enabled_and_disabled() {
    let machine = Machine::new();
    machine.good(&["job", "add", "n", "data", "--to", "repo"]);
    assert_eq!(machine.good(&["job", "disable", "n"]), "Disabled backup n\n");
    assert_eq!(machine.run(&["backup", "-b", "n"]).code, Some(2));
    machine.good(&["db", "backups", "setprop", "n", "CleanupOlderThan", "soon"]);
    let refused = machine.run(&["job", "enable", "n"]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.err.contains("CleanupOlderThan is `soon`"), "{}", refused.err);
    // A record is mended piece by piece; what is still wrong is said.
    let edited = machine.run(&["job", "edit", "n", "--prune", "1"]);
    assert_eq!(edited.code, Some(0));
    assert!(
        edited.err.contains("warning: backup n: CleanupOlderThan is `soon`"),
        "{}",
        edited.err
    );
    machine.good(&["job", "edit", "n", "--keep-within", "30D"]);
    assert_eq!(machine.good(&["job", "enable", "n"]), "Enabled backup n\n");
    machine.good(&["backup", "-b", "n"]);
    assert_eq!(machine.run(&["job", "enable", "none"]).code, Some(2));
}

#[test]
fn a_running_job_is_not_removed() {
    let machine = Machine::new();
    machine.good(&["job", "add", "n", "data", "--to", "repo"]);
    machine.good(&["backup", "-b", "n"]);
    let lock = fs::File::open(machine.path("root/run/holdfast/backup-n.lock")).unwrap();
    lock.lock().unwrap();
    let refused = machine.run(&["job", "remove", "n"]);
    assert_eq!(refused.code, Some(11), "{}", refused.err);
    drop(lock);
    let removed = machine.good(&["job", "remove", "n"]);
    assert_eq!(
        removed,
        "Removed backup n\nIts repository, password and lists are still there\n"
    );
    assert!(machine.path("root/var/lib/holdfast/secrets/restic_n").exists());
    assert!(machine.path("root/etc/holdfast/backup-data/n.include").exists());
}

/// Everything at once that a record can have wrong: each is named, with what to do.
#[test]
fn a_check_names_everything_and_how_to_mend_it() {
    let machine = Machine::new();
    assert_eq!(machine.good(&["job", "check"]), "There is no backup configuration\n");
    machine.good(&["job", "add", "good", "data", "--to", "repo", "--at", "@daily"]);
    assert_eq!(machine.good(&["job", "check", "good"]), "good: good\n");
    let backups = "\
good=restic|BackupTime|0 0 * * *|LocalDirectory|REPO|VFSType|local|status|enabled
a b=restic|VFSType|local|LocalDirectory|/x
bad=rsync|VFSType|s3|BackupTime|3:00|Colour|red|vfstype|usb|S3Host|h|Prune|1|Prune|2|status|on
bad=rsync|VFSType|s3|BackupTime|3:00|Colour|red|vfstype|usb|S3Host|h|Prune|1|Prune|2|status|on
broken=restic|LocalDirectory|/srv\\|VFSType|local
nothing
";
    machine.write(
        "root/etc/holdfast/db/backups",
        &backups.replace("REPO", &machine.text("repo")),
    );
    let answer = machine.run(&["job", "check"]);
    assert_eq!(answer.code, Some(2), "{}", answer.err);
    for line in [
        "good: good\n",
        "a b: error: `a b` cannot be the name of a backup\n    use letters, digits",
        "bad: error: VFSType is `s3`, and must be local, usb, cifs, nfs or sftp with the rsync engine",
        "bad: error: BackupTime is `3:00`, and must be five fields of cron",
        "which cron writes as `0 3 * * *`\n    change it with `db backups setprop bad BackupTime VALUE`\n",
        "bad: error: there is no property Colour\n    take it out with `db backups delprop bad Colour`\n",
        "bad: error: there is no property vfstype\n    did you mean VFSType?\n",
        "bad: error: status is `on`, and must be enabled or disabled\n",
        "bad: note: lines 3, 4 have this key; the last counts\n",
        "bad: note: Prune stands twice in the record; the last counts\n",
        "bad: error: Nothing to backup: ",
        "broken: error: the record is damaged: ",
        "nothing: error: line 6 has no `=`: it is no record\n",
    ] {
        assert!(answer.out.contains(line), "{line}\n{}", answer.out);
    }
    let found = machine.json(&["job", "check", "bad"], 2);
    let colour = found.iter().find(|line| line["object"] == "Colour").unwrap();
    assert_eq!(
        (
            colour["type"].as_str(),
            colour["severity"].as_str(),
            colour["job"].as_str()
        ),
        (Some("finding"), Some("error"), Some("bad"))
    );
    assert_eq!(machine.run(&["job", "check", "none"]).code, Some(2));
}

#[test]
fn a_check_looks_at_the_lists_too() {
    let machine = Machine::new();
    machine.good(&["job", "add", "n", "data", "--to", "repo", "--at", "@daily"]);
    let check = |list: &str| {
        machine.write("root/etc/holdfast/backup-data/n.include", list);
        let answer = machine.run(&["job", "check", "n"]);
        (answer.code, answer.out)
    };
    let data = machine.text("data");
    let (code, out) = check(&format!("{data}\n/does/not/exist\n"));
    assert!(
        code == Some(0) && out.contains("n: note: line 2 of ") && out.contains("/does/not/exist does not exist"),
        "{out}"
    );
    let (code, out) = check("\nhome/x\n");
    assert!(
        code == Some(2) && out.contains("error: line 2 of ") && out.contains("`home/x` does not begin with `/`"),
        "{out}"
    );
    let (code, out) = check(&format!("{}/x\n", machine.text("repo")));
    assert!(code == Some(2) && out.contains("n: error: "), "{out}");
    let (code, out) = check("# nothing\n");
    assert!(code == Some(2) && out.contains("names no path"), "{out}");
    // Two of an engine that knows no owners, in one place.
    for name in ["r1", "r2"] {
        machine.good(&[
            "job", "add", name, "data", "--to", "trees", "--engine", "rsync", "--at", "@daily",
        ]);
    }
    let answer = machine.run(&["job", "check", "r1"]);
    assert!(
        answer.code == Some(2) && answer.out.contains("in the place of backup r2"),
        "{}",
        answer.out
    );
}

#[test]
fn names_and_values_that_no_record_can_have_are_refused() {
    let machine = Machine::new();
    for name in ["", "a b", "a|b", "a\nb", "../x", "-x", "ä", "a'b"] {
        let answer = machine.run(&["job", "add", "--to", "repo", "--", name, "data"]);
        assert_eq!(answer.code, Some(2), "{name:?}: {}", answer.err);
        assert!(answer.err.contains("cannot be the name of a backup"), "{}", answer.err);
        assert!(
            !answer.err.contains('\r') && answer.err.lines().count() == 2,
            "{}",
            answer.err
        );
    }
    for value in ["USBLabel=x\\", "SMBShare=a\nb"] {
        let answer = machine.run(&["job", "add", "n", "data", "--to", "cifs://u@nas/s", "--set", value]);
        assert_ne!(answer.code, Some(0), "{value:?}");
        assert!(
            !machine.path("root/etc/holdfast/db/backups").exists(),
            "nothing is written"
        );
    }
}

/// The password of a share may hold what only a database has trouble with.
#[test]
fn strange_values_come_back_as_they_were_set() {
    let machine = Machine::new();
    let strange = "a b'c\"d|e$f;g`h`ä";
    machine.good(&[
        "job",
        "add",
        "n",
        "data",
        "--to",
        "cifs://u@nas/my share",
        "--set",
        &format!("SMBPassword={strange}"),
    ]);
    assert_eq!(
        machine.good(&["db", "backups", "getprop", "n", "SMBPassword"]),
        format!("{strange}\n")
    );
    assert_eq!(
        machine.good(&["db", "backups", "getprop", "n", "SMBShare"]),
        "my share\n"
    );
}

#[test]
fn without_a_terminal_nothing_is_asked() {
    let machine = Machine::new();
    let cases: [(&[&str], &str); 3] = [
        (&["job", "add"], "the new backup has no name"),
        (
            &["job", "add", "n"],
            "backup n has no place: say where it goes with --to",
        ),
        (&["job", "add", "n", "--to", "sftp://h/x"], "SftpUser is missing"),
    ];
    for (words, text) in cases {
        let answer = machine.run(words);
        assert_eq!((answer.code, answer.out.as_str()), (Some(2), ""));
        assert!(answer.err.contains(text), "{}", answer.err);
    }
}

#[test]
fn d9_the_old_single_backup_is_seen_and_migrated() {
    let machine = Machine::nethserver();
    let repo = machine.text("repo");
    machine.write(
        "root/etc/backup-data.d/custom.include",
        &format!("{}\n", machine.text("data")),
    );
    let properties = "status enabled BackupTime 1:00 Program restic VFSType local notify error IncludeLogs disabled";
    let mut words = vec!["config", "set", "backup-data", "configuration", "LocalDirectory", &repo];
    words.extend(properties.split(' '));
    machine.good(&words);
    assert!(
        machine
            .good(&["job", "list"])
            .starts_with("backup-data      enabled   restic    local /")
    );
    machine.good(&["backup-data", "-b", "backup-data"]);
    let checked = machine.good(&["job", "check"]);
    assert!(
        checked.contains("note: it is the single backup of an older version"),
        "{checked}"
    );
    let told = machine.good(&["job", "migrate"]);
    assert!(
        told.contains("Note: BackupTime 1:00 is written as `0 1 * * *`\n"),
        "{told}"
    );
    assert_eq!(
        record(&machine, "backup-data"),
        format!("restic|BackupTime|0 1 * * *|LocalDirectory|{repo}|Notify|error|VFSType|local|status|enabled")
    );
    assert_eq!(
        machine.good(&["config", "get", "backup-data"]),
        "configuration|IncludeLogs|disabled\n"
    );
    assert_eq!(machine.good(&["job", "migrate"]), "There is nothing to migrate\n");
    assert!(
        machine.good(&["ls", "-b", "backup-data"]).contains("letter.txt"),
        "the repository is the same"
    );
    // The event of an upgrade does the same.
    machine.good(&["config", "setprop", "backup-data", "Program", "duplicity"]);
    let told = machine.good(&["signal-event", "-v", "nethserver-backup-data-update"]);
    assert!(told.contains("was restic and is duplicity now"), "{told}");
    assert_eq!(
        machine.good(&["db", "backups", "gettype", "backup-data"]),
        "duplicity\n"
    );
    assert!(machine.read("root/etc/cron.d/backup-data").contains("0 1 * * *"));
}

#[test]
fn the_event_of_an_upgrade_fills_the_databases_with_what_packages_and_administrators_want_there() {
    let machine = Machine::nethserver();
    machine.good(&["db", "backups", "set", "b1", "restic", "Notify", "always", "Prune", "0"]);
    for (below, value) in [
        ("backups/defaults/b1/Notify", "error\n"),
        ("backups/defaults/b1/NotifyTo", "admin@example.org\n"),
        ("backups/force/b1/Prune", "always\n"),
        ("configuration/defaults/backup-data/type", "configuration\n"),
        ("configuration/defaults/backup-data/IncludeLogs", "disabled\n"),
        ("configuration/migrate/10old", "{ 1; }\n"),
    ] {
        machine.write(&format!("root/etc/e-smith/db/{below}"), value);
    }
    let told = machine.good(&["signal-event", "-v", "nethserver-backup-data-update"]);
    for line in [
        "  filled in `backups`: b1/NotifyTo\n",
        "  set as they must be in `backups`: b1/Prune\n",
        "  filled in `configuration`: backup-data/IncludeLogs, backup-data/type\n",
        "/etc/e-smith/db/configuration/migrate/10old (a piece of Perl)\n",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    assert_eq!(
        machine.good(&["db", "backups", "get", "b1"]),
        "restic|Notify|always|NotifyTo|admin@example.org|Prune|always\n"
    );
    assert_eq!(
        machine.good(&["config", "get", "backup-data"]),
        "configuration|IncludeLogs|disabled\n"
    );
}
