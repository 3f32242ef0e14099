//! backends, backends test, backends key, disk list, disk format.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::machine::Machine;

#[test]
fn the_table_says_which_engine_goes_with_which_storage_and_why_not() {
    let machine = Machine::new();
    let table = machine.good(&["backends"]);
    let row = |storage: &str| -> Vec<String> {
        let line = table.lines().find(|line| line.starts_with(storage)).unwrap();
        line.split_whitespace().skip(1).map(str::to_owned).collect()
    };
    assert_eq!(row("storage"), ["duplicity", "restic", "rsync"]);
    assert_eq!(row("sftp"), ["yes", "yes", "yes"]);
    assert_eq!(row("webdav"), ["yes", "yes", "no"]);
    assert_eq!(row("rest"), ["no", "yes", "no"]);
    assert!(
        table.contains("no rsync on webdav: WebDAV has no hard links"),
        "{table}"
    );
    let lines = machine.json(&["backends"], 0);
    assert_eq!(lines.len(), 28, "nine storages, three engines and the result");
    let pair = &lines[0];
    assert_eq!((&pair["type"], &pair["storage"]), (&"pair".into(), &"local".into()));
    for pair in &lines[..27] {
        assert_eq!(pair["possible"].as_bool().unwrap(), pair["obstacle"].is_null());
    }
    assert_eq!(lines[27]["pairs"], 27);
}

#[test]
fn a_storage_is_tried_before_it_is_trusted() {
    let machine = Machine::new();
    let place = machine.text("disk/backup");
    machine.good(&["job", "add", "nightly", "data", "--to", &place]);
    let out = machine.good(&["backends", "test", "-b", "nightly"]);
    for said in [
        "connected",
        "wrote objects",
        "removed them all",
        "iB/s",
        "refuses to overwrite",
        "room",
        "is good for",
    ] {
        assert!(out.contains(said), "{said}: {out}");
    }
    assert!(!machine.path("disk").exists(), "the trial left something");
    let lines = machine.json(&["backends", "test", "-b", "nightly"], 0);
    let steps: Vec<&str> = lines
        .iter()
        .filter(|line| line["type"] == "step")
        .map(|line| line["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        steps,
        [
            "connect", "write", "read", "range", "list", "refuse", "replace", "remove"
        ]
    );
    let result = lines.last().unwrap();
    assert!(result["write_rate"].as_f64().unwrap() > 0.0);
    assert!(result["space"]["total"].as_u64().unwrap() > 0);
    assert_eq!(result["left"].as_array().unwrap().len(), 0);
    // Only what is configured can be tried.
    let missing = machine.run(&["backends", "test", "-b", "other"]);
    assert_eq!(missing.code, Some(2));
}

#[test]
fn an_ssh_key_is_for_an_ssh_server() {
    let machine = Machine::new();
    machine.good(&["job", "add", "nightly", "data", "--to", &machine.text("repo")]);
    let refused = machine.run(&["backends", "key", "-b", "nightly", "--no-install"]);
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    assert!(refused.err.contains("needs no SSH key"), "{}", refused.err);
}

/// The password is asked for on the terminal, or read from a file or standard input, and never taken from the command line.
#[test]
fn d55_the_password_for_the_key_is_no_argument() {
    let machine = Machine::new();
    machine.good(&[
        "db",
        "backups",
        "set",
        "nightly",
        "restic",
        "status",
        "enabled",
        "VFSType",
        "sftp",
        "SftpHost",
        "127.0.0.1",
        "SftpPort",
        "1",
        "SftpUser",
        "nobody",
        "SftpDirectory",
        "/x",
    ]);
    let help = machine.good(&["backends", "key", "--help"]);
    assert!(
        help.contains("--password-file") && !help.contains("--password <"),
        "{help}"
    );
    let refused = machine.run(&["backends", "key", "-b", "nightly"]);
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    assert!(refused.err.contains("there is no terminal"), "{}", refused.err);
    machine.write("password", "\nsecond line\n");
    let file = machine.text("password");
    let refused = machine.run(&["backends", "key", "-b", "nightly", "--password-file", &file]);
    assert!(refused.err.contains("holds no password"), "{}", refused.err);
    // The key itself is made for its owner alone, and is in no data set.
    machine.write("password", "pa ss\n");
    let failed = machine.run(&["backends", "key", "-b", "nightly", "--password-file", &file]);
    assert_eq!(failed.code, Some(1), "nobody listens there: {}", failed.err);
    assert!(!failed.err.contains("pa ss"));
    let key = machine.path("root/var/lib/holdfast/secrets/sftp_nightly");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o7777, 0o600);
}

#[test]
fn disks_are_listed_and_none_is_formatted_without_consent() {
    let machine = Machine::new();
    let answer = machine.run(&["disk", "list", "--json"]);
    if answer.code != Some(0) {
        // A system without lsblk says so.
        assert!(answer.out.contains("lsblk"), "{}", answer.out);
        return;
    }
    let last = answer.out.lines().last().unwrap();
    assert!(last.contains("\"command\":\"disk list\""), "{last}");
    machine.write("no-disk", "");
    let refused = machine.run(&["disk", "format", &machine.text("no-disk"), "--label", "backup"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("it is no disk or partition"), "{}", refused.err);
}
