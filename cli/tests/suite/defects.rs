//! What NethServer's backup did wrong and no other page of this suite has, each by its number.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::machine::Machine;

/// A NethServer machine that saves its data with this engine to `place`.
fn machine(engine: &str, place: &str) -> Machine {
    let machine = Machine::nethserver();
    let list = format!("{}\n", machine.text("data"));
    machine.write("root/etc/backup-data.d/custom.include", &list);
    let place = machine.text(place);
    let words = [
        "db", "backups", "set", "b1", engine, "status", "enabled", "VFSType", "local",
    ];
    machine.good(&[&words[..], &["LocalDirectory", &place]].concat());
    machine
}

/// Something that root mounts for the time of a test.
struct Mount(PathBuf);

impl Mount {
    /// A filesystem in memory; `None`, counted by `./test`, where this user may not mount.
    fn memory(place: PathBuf, size: &str) -> Option<Self> {
        fs::create_dir_all(&place).unwrap();
        let options = format!("size={size}");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(&place)
            .output()
            .is_ok_and(|output| output.status.success());
        if !mounted {
            skipped("this user may not mount");
        }
        mounted.then_some(Self(place))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

fn skipped(reason: &str) {
    eprintln!("skipped: {reason}");
    if let Some(path) = std::env::var_os("HOLDFAST_TEST_SKIPPED") {
        let mut file = fs::OpenOptions::new().append(true).open(path).unwrap();
        writeln!(file, "skipped defects: {reason}").unwrap();
    }
}

/// The dated folders of the rsync engine, by name.
fn dated(place: &Path) -> Vec<String> {
    let names = fs::read_dir(place)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.starts_with("20")).collect();
    names.sort();
    names
}

#[test]
fn d23_no_shell_reads_a_name() {
    let place = "re po; touch \"$HOME/bad\" `touch bad` $(touch bad) 'x' \\&";
    for engine in ["restic", "rsync", "duplicity"] {
        let machine = machine(engine, place);
        machine.good(&["backup-data", "-b", "b1"]);
        machine.good(&["restore-file", "-b", "b1", &machine.text("back"), &machine.text("data")]);
        assert!(machine.path(place).is_dir());
        let names: Vec<_> = fs::read_dir(machine.path(""))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert!(!names.iter().any(|name| name == "bad"), "{names:?}");
    }
    let machine = machine("restic", "repo");
    let refused = machine.run(&["job", "add", "a;touch bad", "data", "--to", "repo2"]);
    assert_eq!(refused.code, Some(2), "{}", refused.err);
}

#[test]
fn d29_what_is_mounted_below_a_path_is_saved() {
    let machine = machine("rsync", "repo");
    let Some(mount) = Mount::memory(machine.path("data/mail"), "1m") else {
        return;
    };
    fs::write(mount.0.join("inbox"), "From: Bob").unwrap();
    machine.good(&["backup-data", "-b", "b1"]);
    let list = machine.good(&["backup-data-list", "-b", "b1", "-f"]);
    assert!(list.contains("/data/mail/inbox\n"), "{list}");
}

#[test]
fn d31_d32_a_run_that_does_not_fit_leaves_the_last_good_one() {
    let machine = machine("rsync", "disk/backup");
    let Some(_mount) = Mount::memory(machine.path("disk"), "3m") else {
        return;
    };
    machine.good(&["backup-data", "-b", "b1"]);
    let place = machine.path("disk/backup");
    let (good, latest) = (dated(&place), fs::read_link(place.join("latest")).unwrap());
    machine.write("data/large", &"x".repeat(4 << 20));
    let answer = machine.run(&["backup-data", "-b", "b1"]);
    assert_ne!(answer.code, Some(0), "{}", answer.out);
    assert!(answer.out.contains("Backup status: FAIL\n"), "{}", answer.out);
    assert_eq!(
        dated(&place),
        good,
        "no part stands under a date, and the only good one is not removed for room"
    );
    assert_eq!(fs::read_link(place.join("latest")).unwrap(), latest);
    fs::remove_file(machine.path("data/large")).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    machine.good(&["backup-data", "-b", "b1"]);
    assert_eq!(dated(&place).len(), 2);
}

#[test]
fn d37_attributes_and_holes_come_back() {
    for engine in ["restic", "rsync", "duplicity"] {
        let machine = machine(engine, "repo");
        let file = machine.path("data/letter.txt");
        if rustix::fs::setxattr(&file, "user.colour", b"blue", rustix::fs::XattrFlags::empty()).is_err() {
            return skipped("the folder for temporary files keeps no attributes");
        }
        let hole = fs::File::create(machine.path("data/hole")).unwrap();
        hole.set_len(8 << 20).unwrap();
        machine.good(&["backup-data", "-b", "b1"]);
        machine.good(&["restore-file", "-b", "b1", &machine.text("back"), &machine.text("data")]);
        let back = machine
            .path("back")
            .join(machine.path("data").strip_prefix("/").unwrap());
        let mut value = [0; 16];
        let length = rustix::fs::getxattr(back.join("letter.txt"), "user.colour", &mut value).unwrap();
        assert_eq!(&value[..length], b"blue", "{engine}");
        let hole = fs::metadata(back.join("hole")).unwrap();
        assert_eq!(hole.len(), 8 << 20);
        assert!(
            std::os::unix::fs::MetadataExt::blocks(&hole) < 1024,
            "{engine}: the hole is one again"
        );
    }
}

#[test]
fn d39_the_age_that_a_record_names_counts_for_rsync_too() {
    let machine = machine("rsync", "repo");
    machine.good(&["db", "backups", "setprop", "b1", "CleanupOlderThan", "30D"]);
    machine.good(&["backup-data", "-b", "b1"]);
    // As an old run would have left it.
    let place = machine.path("repo");
    let [name] = dated(&place).try_into().unwrap();
    for old in ["2020-01-01-030000", "2020-01-09-030000"] {
        assert!(
            Command::new("cp")
                .arg("-a")
                .arg(place.join(&name))
                .arg(place.join(old))
                .status()
                .unwrap()
                .success()
        );
    }
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let out = machine.good(&["backup-data", "-b", "b1"]);
    let left = dated(&place);
    assert!(left.iter().all(|name| !name.starts_with("2020")), "{left:?}\n{out}");
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn d40_d41_the_first_run_says_where_the_password_is_and_each_is_another() {
    let passwords = [0, 1].map(|_| {
        let machine = machine("restic", "repo");
        let out = machine.good(&["backup-data", "-b", "b1"]);
        assert!(out.contains("Keep a copy of that file in another place"), "{out}");
        let password = machine.read("root/var/lib/nethserver/secrets/restic_b1");
        assert!(!out.contains(password.trim()));
        password
    });
    for password in &passwords {
        let password = password.trim();
        assert_eq!(password.len(), 16);
        let each: [fn(char) -> bool; 4] = [
            |c| c.is_ascii_uppercase(),
            |c| c.is_ascii_lowercase(),
            |c| c.is_ascii_digit(),
            |c| c == '_',
        ];
        assert!(each.iter().all(|class| password.contains(*class)), "{password}");
    }
    assert_ne!(passwords[0], passwords[1]);
}

#[test]
fn d42_another_password_is_no_missing_repository() {
    let machine = machine("restic", "repo");
    machine.good(&["backup-data", "-b", "b1"]);
    let config = fs::read(machine.path("repo/config")).unwrap();
    machine.write("root/var/lib/nethserver/secrets/restic_b1", "another\n");
    let answer = machine.run(&["backup-data", "-b", "b1"]);
    assert_eq!(answer.code, Some(12), "{}{}", answer.out, answer.err);
    assert_eq!(fs::read(machine.path("repo/config")).unwrap(), config);
    assert_eq!(fs::read_dir(machine.path("repo/keys")).unwrap().count(), 1);
}

#[test]
fn d84_to_look_at_a_backup_makes_no_password_and_shows_none() {
    let machine = machine("restic", "repo");
    machine.good(&["db", "backups", "setprop", "b1", "SMBPassword", "hunter2"]);
    for words in [
        &["job", "show", "b1"][..],
        &["job", "list"],
        &["job", "check"],
        &["status"],
    ] {
        let answer = machine.run(words);
        assert!(
            !answer.out.contains("hunter2") && !answer.err.contains("hunter2"),
            "{words:?}"
        );
    }
    assert!(!machine.path("root/var/lib/nethserver/secrets").exists());
}
