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

/// A program in place of sendmail, for all backups.
fn sendmail(machine: &Machine) {
    use std::os::unix::fs::PermissionsExt;

    machine.write("sendmail", &format!("#!/bin/sh\ncat >> {}\n", machine.text("mails")));
    fs::set_permissions(machine.path("sendmail"), fs::Permissions::from_mode(0o755)).unwrap();
    let sendmail = machine.text("sendmail");
    machine.good(&["config", "set", "backup-data", "configuration", "Sendmail", &sendmail]);
    machine.good(&["db", "backups", "setprop", "b1", "Notify", "error"]);
}

/// The largest file below, which holds data.
fn largest(folder: &Path) -> PathBuf {
    let files = crate::machine::tree(folder);
    let is_data = |path: &Path| !path.components().any(|part| part.as_os_str() == ".holdfast");
    let data = files.into_iter().filter(|(path, _)| is_data(path));
    folder.join(data.max_by_key(|(_, content)| content.len()).unwrap().0)
}

/// Snapshots of two engines are named by the second.
fn next_second() {
    let second = || jiff::Timestamp::now().as_second();
    let begin = second();
    while second() == begin {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// A file that holds data, with what it held.
struct Stored {
    path: PathBuf,
    content: Vec<u8>,
    time: std::time::SystemTime,
}

impl Stored {
    fn largest(folder: &Path) -> Self {
        let path = largest(folder);
        let content = fs::read(&path).unwrap();
        let time = fs::metadata(&path).unwrap().modified().unwrap();
        Self { path, content, time }
    }

    /// In place, for hard links are one file.
    fn write(&self, content: &[u8]) {
        let mut file = fs::File::options().write(true).open(&self.path).unwrap();
        file.write_all(content).unwrap();
        file.set_modified(self.time).unwrap();
    }

    fn damage(&self) {
        let mut bad = self.content.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 1;
        self.write(&bad);
    }
}

/// A run that finds the repository damaged says so, and makes the next mail.
fn tells_of_damage(machine: &Machine, engine: &str, mails: usize) {
    next_second();
    let answer = machine.run(&["backup-data", "-b", "b1"]);
    let said = format!("{}{}", answer.out, answer.err);
    assert_eq!(answer.code, Some(1), "{engine}: {said}");
    for text in [
        "is damaged: the check found",
        "The snapshot is saved; what failed came after it",
        "Backup status: FAIL",
    ] {
        assert!(said.contains(text), "{engine}: {text}: {said}");
    }
    // Long lines are folded in a mail.
    let mail = machine.read("mails").replace("=\n", "");
    assert_eq!(mail.matches("]: ERROR\n").count(), mails, "{engine}: {mail}");
    assert!(
        mail.contains("is damaged: the check found") && mail.contains("holdfast repair"),
        "{mail}"
    );
}

/// No repository was ever looked at again.
#[test]
fn d44_a_check_that_is_due_finds_damage_and_tells_of_it_until_it_is_mended() {
    for engine in ["restic", "duplicity", "rsync"] {
        let machine = machine(engine, "repo");
        sendmail(&machine);
        machine.good(&["job", "edit", "b1", "--check", "always", "--check-data", "all"]);
        let out = machine.good(&["backup-data", "-b", "b1"]);
        assert!(
            out.contains("\nChecked: 1 snapshot, ") && out.contains(", no errors\n"),
            "{out}"
        );
        let check = &machine.json(&["status"], 0)[0]["last_check"];
        assert_eq!((&check["errors"], &check["read"]), (&0.into(), &"all".into()));
        let stored = Stored::largest(&machine.path("repo"));
        stored.damage();
        tells_of_damage(&machine, engine, 1);
        // Also when the next run need not check: what was found counts until it is found mended.
        machine.good(&["db", "backups", "setprop", "b1", "Check", "never"]);
        next_second();
        machine.good(&["backup-data", "-b", "b1"]);
        let state = &machine.json(&["status"], 1)[0];
        assert_eq!(state["verdict"], "failed");
        assert!(
            state["reasons"][0].as_str().unwrap().contains("in the repository"),
            "{state}"
        );
        let day = jiff::Zoned::now().weekday().to_sunday_zero_offset();
        // Once a week is each time, as long as it is damaged.
        machine.good(&["db", "backups", "setprop", "b1", "Check", &day.to_string()]);
        tells_of_damage(&machine, engine, 2);
        assert_eq!(machine.run(&["check", "-b", "b1", "--read-data"]).code, Some(1));
        stored.write(&stored.content);
        machine.good(&["check", "-b", "b1", "--read-data"]);
        assert_eq!(
            machine.json(&["status"], 1)[0]["failures"],
            1,
            "its last run has failed"
        );
        next_second();
        machine.good(&["backup-data", "-b", "b1"]);
        assert_eq!(machine.json(&["status"], 0)[0]["verdict"], "good", "{engine}");
    }
}

/// A lock that a killed run has left kept everybody out until somebody removed it by hand.
#[test]
fn d44_the_lock_of_a_dead_run_keeps_nobody_out() {
    use crate::run::{ended, start, until};

    let machine = machine("restic", "repo");
    machine.good(&["backup-data", "-b", "b1"]);
    // It would take minutes.
    machine.good(&["db", "backups", "setprop", "b1", "Bandwidth", "1K"]);
    let mut noise = vec![0; 300_000];
    let mut random = fs::File::open("/dev/urandom").unwrap();
    std::io::Read::read_exact(&mut random, &mut noise).unwrap();
    fs::write(machine.path("data/noise"), noise).unwrap();
    let mut child = start(&machine, &["backup-data", "-b", "b1"]);
    // What is still being written has another name.
    let is_lock = |name: &std::ffi::OsStr| name.len() == 64;
    let locks = || {
        let names = fs::read_dir(machine.path("repo/locks")).unwrap();
        names
            .filter(|entry| is_lock(&entry.as_ref().unwrap().file_name()))
            .count()
    };
    until("the run's lock", || locks() > 0);
    child.kill().unwrap();
    assert_eq!(ended(child).0, None);
    assert!(locks() > 0);
    machine.good(&["db", "backups", "delprop", "b1", "Bandwidth"]);
    machine.good(&["backup-data", "-b", "b1"]);
    machine.good(&["prune", "-b", "b1"]);
    assert_eq!(locks(), 0);
    machine.good(&["check", "-b", "b1", "--read-data"]);
}

#[test]
fn d44_part_after_part_all_data_is_read() {
    let machine = machine("restic", "repo");
    machine.good(&["db", "backups", "setprop", "b1", "Check", "always", "CheckData", "1/3"]);
    let parts: Vec<String> = (0..4)
        .map(|_| {
            machine.good(&["backup-data", "-b", "b1"]);
            let state = machine.json(&["status"], 0);
            state[0]["last_check"]["read"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(parts, ["1/3", "2/3", "3/3", "1/3"]);
    // Once a week is once.
    machine.good(&[
        "db",
        "backups",
        "setprop",
        "b1",
        "Check",
        "0",
        "BackupTime",
        "0 3 * * *",
    ]);
    let out = machine.good(&["backup-data", "-b", "b1"]);
    assert!(!out.contains("Checked:"), "it was checked already: {out}");
    let shown = machine.good(&["schedule"]);
    assert!(shown.contains(", checked each Sunday"), "{shown}");
}

/// The next part has nothing wrong, and says nothing of the one that has.
#[test]
fn d44_damage_in_one_part_is_not_forgotten_over_the_next() {
    let machine = machine("restic", "repo");
    let mut noise = vec![0; 300_000];
    let mut random = fs::File::open("/dev/urandom").unwrap();
    std::io::Read::read_exact(&mut random, &mut noise).unwrap();
    fs::write(machine.path("data/noise"), noise).unwrap();
    machine.good(&["db", "backups", "setprop", "b1", "Check", "always", "CheckData", "1/3"]);
    machine.good(&["backup-data", "-b", "b1"]);
    let stored = Stored::largest(&machine.path("repo"));
    stored.damage();
    let codes: Vec<_> = (0..6).map(|_| machine.run(&["backup-data", "-b", "b1"]).code).collect();
    let first = codes.iter().position(|code| *code == Some(1)).unwrap();
    assert!(
        first < 3 && codes[first..].iter().all(|code| *code == Some(1)),
        "{codes:?}"
    );
    let checked = |code: i32| machine.json(&["status"], code)[0]["last_check"].clone();
    let damaged = checked(1);
    // By hand, and without a look at the data.
    machine.good(&["check", "-b", "b1"]);
    assert_eq!(checked(1), damaged);
    stored.write(&stored.content);
    machine.good(&["backup-data", "-b", "b1"]);
    let mended = checked(0);
    assert_eq!((&mended["read"], &mended["errors"]), (&damaged["read"], &0.into()));
    machine.good(&["backup-data", "-b", "b1"]);
    assert_ne!(checked(0)["read"], damaged["read"], "it goes on with the next");
}

/// What interrupted runs leave was removed only where snapshots expired.
#[test]
fn d44_what_nothing_needs_goes_where_nothing_expires_too() {
    let machine = machine("restic", "repo");
    machine.good(&["db", "backups", "setprop", "b1", "Prune", "always"]);
    machine.good(&["backup-data", "-b", "b1"]);
    let out = machine.good(&["backup-data", "-b", "b1"]);
    assert!(out.contains("\nPruned: ") && !out.contains("Expired:"), "{out}");
}

/// A full destination stayed full, for what had expired was removed only after a backup that could not be made.
#[test]
fn d44_room_is_made_where_it_is_short() {
    let machine = machine("restic", "disk/backup");
    let Some(_mount) = Mount::memory(machine.path("disk"), "8m") else {
        return;
    };
    // Not on this day, nor on the next should midnight come.
    let day = jiff::Zoned::now().weekday().to_sunday_zero_offset();
    let day = ((day + 3) % 7).to_string();
    machine.good(&["db", "backups", "setprop", "b1", "Prune", &day]);
    let noise = |seed: u8| {
        let mut bytes = vec![seed; 3 << 20];
        let mut random = fs::File::open("/dev/urandom").unwrap();
        std::io::Read::read_exact(&mut random, &mut bytes).unwrap();
        fs::write(machine.path("data/film"), bytes).unwrap();
    };
    noise(1);
    let lines = machine.json(&["backup-data", "-b", "b1"], 0);
    let first = lines.last().unwrap()["snapshot"].as_str().unwrap().to_owned();
    noise(2);
    machine.good(&["backup-data", "-b", "b1"]);
    machine.good(&["forget", "-b", "b1", &first]);
    noise(3);
    let answer = machine.run(&["backup-data", "-b", "b1"]);
    assert_eq!(answer.code, Some(0), "{}{}", answer.out, answer.err);
    assert!(
        answer.err.contains("warning: the destination is full: "),
        "{}",
        answer.err
    );
    assert!(
        answer.out.contains("\nPruned: 3.0 MiB freed\nSnapshot "),
        "{}",
        answer.out
    );
    machine.good(&["check", "-b", "b1", "--read-data"]);
    assert_eq!(
        machine.json(&["snapshots", "-b", "b1"], 0).len(),
        3,
        "two, and the line of the end"
    );
}

/// Of a large set the weekly full never ended, and nothing was encrypted.
#[test]
fn d49_chains_are_encrypted_where_wanted_and_a_full_needs_no_source() {
    let machine = machine("duplicity", "repo");
    // Not on this day, nor on the next should midnight come.
    let day = jiff::Zoned::now().weekday().to_sunday_zero_offset();
    let day = ((day + 3) % 7).to_string();
    let wishes = ["Type", "incremental", "FullDay", &day, "Encrypt", "enabled"];
    machine.good(&[&["db", "backups", "setprop", "b1"], &wishes[..]].concat());
    machine.good(&["backup-data", "-b", "b1"]);
    next_second();
    machine.write("data/new", "n");
    machine.good(&["backup-data", "-b", "b1"]);
    let stored = |part: &str| {
        let names = fs::read_dir(machine.path("repo")).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.contains(part)).count()
    };
    assert_eq!(stored("duplicity-"), stored(".gpg"), "everything is encrypted");

    fs::rename(machine.path("data"), machine.path("away")).unwrap();
    machine.good(&["synthetic-full", "-b", "b1"]);
    fs::rename(machine.path("away"), machine.path("data")).unwrap();
    let out = machine.good(&["backup-data", "-b", "b1"]);
    assert!(out.contains("(0 new, 0 changed,"), "{out}");
    machine.good(&[
        "restore-file",
        "-b",
        "b1",
        &machine.text("out"),
        &machine.text("data/new"),
    ]);
}

/// What is restored beside something is all new, and half of it is of no use.
#[test]
fn d77_there_must_be_room_beside_what_is_there() {
    let machine = machine("rsync", "repo");
    let Some(mount) = Mount::memory(machine.path("data/disk"), "4m") else {
        return;
    };
    let film = mount.0.join("film");
    fs::write(&film, vec![7; 3 << 20]).unwrap();
    machine.good(&["backup-data", "-b", "b1"]);
    let film = film.to_str().unwrap();
    for words in [
        ["restore", "-b", "b1", "--beside", film],
        ["restore", "-b", "b1", "--beside", &machine.text("data/disk")],
    ] {
        let answer = machine.run(&words);
        let fits = answer.code == Some(0);
        // The folder belongs beside itself, on the disk above, which has room.
        assert_eq!(fits, words[4] != film, "{}{}", answer.out, answer.err);
        if !fits {
            let said = "takes up to 3.0 MiB, and 1.0 MiB are free in ";
            assert!(
                answer.err.contains(said) && answer.err.contains("--target"),
                "{}",
                answer.err
            );
        }
    }
    let names: Vec<_> = fs::read_dir(&mount.0)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["film"], "nothing was begun");
}

/// How much of a file is holes no snapshot tells: the refusal says so, and what helps does.
#[test]
fn d77_a_file_of_holes_goes_where_room_is_not_looked_at() {
    let machine = machine("restic", "repo");
    let Some(mount) = Mount::memory(machine.path("data/disk"), "4m") else {
        return;
    };
    let disk = mount.0.join("disk.img");
    let image = fs::File::create(&disk).unwrap();
    image.set_len(16 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&image, b"end", 12 << 20).unwrap();
    machine.good(&["backup-data", "-b", "b1"]);
    let disk = disk.to_str().unwrap();
    let answer = machine.run(&["restore", "-b", "b1", "--beside", disk]);
    assert_eq!(answer.code, Some(1), "{}{}", answer.out, answer.err);
    for said in ["takes up to 16.0 MiB, and ", "--target", "holes"] {
        assert!(answer.err.contains(said), "{said}: {}", answer.err);
    }
    let target = mount.0.join("back");
    machine.good(&["restore", "-b", "b1", "--target", target.to_str().unwrap(), disk]);
    let back = target.join(disk.trim_start_matches('/'));
    assert!(fs::read(back).unwrap() == fs::read(disk).unwrap());
}
