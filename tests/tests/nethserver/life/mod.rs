//! A server's life: sixty days of four backups with three engines, and with all that goes wrong in two months. In the end
//! everything is there that its records promise, everything that is there comes back, and everybody was told of what they
//! wanted to know, and of nothing else.
//!
//! The clock on the wall is turned forward on the 35th day, in the hour in which a backup is due.

mod promise;
mod server;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use engine_api::{CheckRequest, ReadData, Silent, SnapshotRef};
use holdfast_tests::corpus::{Random, plain_tree};
use holdfast_tests::holdfast::restore_to;
use holdfast_tests::mount::Mount;
use holdfast_tests::tree::{Compare, Picture, assert_same, below, picture};
use holdfast_tests::{need, skip};
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{ToSpan, Zoned};
use jobs::{JobName, journal};
use rustix::process::{Pid, Signal, kill_process};

use promise::{Point, chains_within, thinned_within, within};
use server::{Server, subject, until};

/// A Monday.
const FIRST: Date = date(2025, 2, 24);
const DAYS: i64 = 60;

/// On which days what happens.
const DISK_GONE: std::ops::RangeInclusive<i64> = 6..=8;
const EVENT_FAILS: i64 = 12;
const HOOK_FAILS: i64 = 15;
const DISK_FULL: i64 = 18;
const POWER_CUT: [(i64, &str); 3] = [(22, "chain"), (25, "plain"), (28, "office")];
const STOPPED: i64 = 38;
const OFF: std::ops::RangeInclusive<i64> = 43..=44;
const NO_MAIL: i64 = 50;

/// The records, as an administrator writes them.
const RECORDS: [(&str, &str); 4] = [
    (
        "office",
        "restic BackupTime|30 2 * * *|CleanupOlderThan|14D|Prune|always|Notify|always",
    ),
    (
        "chain",
        "duplicity BackupTime|0 22 * * *|CleanupOlderThan|15D|Type|incremental|FullDay|0|VolSize|1|Notify|error",
    ),
    ("plain", "rsync BackupTime|15 7 * * *|CleanupOlderThan|40D|Notify|error"),
    (
        "copy",
        "restic BackupTime|0 13 * * 1-5|CleanupOlderThan|1M|Prune|3|Notify|never",
    ),
];

struct Life {
    server: Server,
    random: Random,
    /// The data as it was on each day.
    pictures: BTreeMap<Date, Picture>,
    /// The mails that there must be: backup and last word of the subject.
    expected: Vec<(String, &'static str)>,
    mails: Vec<String>,
    /// A small disk.
    small: Option<Mount>,
}

/// Leaves no room in a folder.
fn fill(folder: &Path) {
    let full = Command::new("dd")
        .args(["if=/dev/zero", "bs=64k"])
        .arg(format!("of={}", folder.join("film").display()))
        .output();
    assert!(!full.unwrap().status.success());
}

#[test]
fn sixty_days_of_a_server() {
    let zone = need!(TimeZone::get("Europe/Berlin").ok(), "there are no time zones here");
    let midnight = FIRST.to_zoned(zone).unwrap();
    let server = need!(Server::new(midnight), "libfaketime is not installed");
    let mut life = Life::begin(server);
    for day in 0..DAYS {
        life.day(day);
    }
    life.all_were_told();
    life.all_is_well();
    for (name, _) in RECORDS {
        life.what_is_promised_is_there(name);
        life.all_comes_back(name);
    }
}

impl Life {
    fn begin(server: Server) -> Self {
        let tree = server.path("data");
        plain_tree(&tree, 60, 40, 4000);
        server.write("root/etc/backup-data.d/custom.include", format!("{}\n", tree.display()));
        let small = Mount::memory(&server.path("disk-chain"), "48m");
        if small.is_none() {
            skip::partly("the full disk", "this user may not mount a filesystem");
        }
        for (name, record) in RECORDS {
            let (engine, properties) = record.split_once(' ').unwrap();
            let folder = server.path(&format!("disk-{name}/backup"));
            let folder = folder.to_str().unwrap();
            fs::create_dir_all(folder).unwrap();
            let place = ["status", "enabled", "VFSType", "local", "LocalDirectory", folder];
            let words = ["db", "backups", "set", name, engine].into_iter().chain(place);
            server.good(&words.chain(properties.split('|')).collect::<Vec<_>>());
            server.good(&["signal-event", "nethserver-backup-data-save", name]);
        }
        Self {
            server,
            random: Random::new(61),
            pictures: BTreeMap::new(),
            expected: Vec::new(),
            mails: Vec::new(),
            small,
        }
    }

    /// One day from midnight to midnight.
    fn day(&mut self, day: i64) {
        let date = FIRST.checked_add(day.days()).unwrap();
        let midnight = date.to_zoned(self.server.context.zone.clone()).unwrap();
        let next = midnight.checked_add(1.day()).unwrap();
        self.server.now = midnight.clone();
        self.people_work(day);
        self.pictures.insert(date, picture(&self.server.path("data")));
        if OFF.contains(&day) {
            return;
        }
        self.go_wrong(day);
        let mut from = midnight;
        if day == OFF.end() + 1 {
            from = from.checked_add(5.hours()).unwrap();
            self.server.now = from.clone();
            self.server.boot();
            // What was missed on two days is made up for once. `copy` says nothing.
            self.expect(&["office"], "SUCCESS");
            self.take_mails();
        }
        for (due, command) in self.server.due(&from, &next) {
            // Each day a little later, as backups begin when those before them are done; so no snapshot is as old as the
            // limit to the second.
            self.server.now = due.checked_add((5 * day).seconds()).unwrap();
            self.cron(day, &command);
        }
        self.mend(day);
    }

    /// Some files change, one comes, one goes.
    fn people_work(&mut self, day: i64) {
        let mut files = files(&self.server.path("data"));
        files.sort();
        for _ in 0..3 {
            let file = &files[usize::try_from(self.random.below(files.len() as u64)).unwrap()];
            let text = self.random.text(1500);
            fs::write(file, text).unwrap();
        }
        if files.len() > 40 {
            let gone = usize::try_from(self.random.below(files.len() as u64)).unwrap();
            fs::remove_file(&files[gone]).unwrap();
        }
        // What takes a while to save lies there on the days on which a run is to be caught in the middle.
        let film = self.server.path("data/film");
        if POWER_CUT.iter().any(|(cut, _)| *cut == day) {
            fs::write(film, self.random.noise(3 << 20)).unwrap();
        } else if film.exists() {
            fs::remove_file(film).unwrap();
        }
        let text = self.random.text(2500);
        self.server
            .write(&format!("data/day {day:02}/Brief Nr. {day}: ü.txt"), text);
    }

    fn cron(&mut self, day: i64, command: &str) {
        let Some((_, name)) = command.split_once("backup-data-wrapper ") else {
            let answer = self.server.cron(command);
            assert_eq!(answer.code, Some(0), "day {day}: {command}: {}", answer.text);
            let what = format!("day {day}: nothing is missing, so nobody is told: {command}");
            assert_eq!(self.server.new_mails(), Vec::<String>::new(), "{what}");
            return;
        };
        let name = name.to_owned();
        if POWER_CUT.contains(&(day, &name)) {
            return self.power_cut(day, &name);
        }
        if (day, name.as_str()) == (STOPPED, "office") {
            return self.stopped(&name);
        }
        let answer = self.server.cron(command);
        let code = self.code_of(day, &name);
        let log = || fs::read_to_string(self.last_log(&name)).unwrap_or_default();
        assert_eq!(answer.code, Some(code), "day {day}: {name}: {}{}", answer.text, log());
        let word = if code == 0 { "SUCCESS" } else { "ERROR" };
        let told = match name.as_str() {
            "office" => day != NO_MAIL,
            "copy" => false,
            _ => code != 0 && day != NO_MAIL,
        };
        if told {
            self.expect(&[&name], word);
        }
        let mails = self.take_mails();
        self.says(day, &name, mails.last());
    }

    /// How the run must end.
    fn code_of(&self, day: i64, name: &str) -> i32 {
        match name {
            "office" if DISK_GONE.contains(&day) => 10,
            "chain" if day == DISK_FULL && self.small.is_some() => 1,
            _ if day == EVENT_FAILS => 3,
            _ => 0,
        }
    }

    /// What a mail says besides its subject.
    fn says(&self, day: i64, name: &str, mail: Option<&String>) {
        let text = match (name, day) {
            ("office", day) if DISK_GONE.contains(&day) => "is gone: it was used from here before",
            ("chain", DISK_FULL) if self.small.is_some() => "room",
            ("office", EVENT_FAILS) => "event pre-backup-data: S50mysql of pre-backup-data: exit code 2",
            ("office", HOOK_FAILS) => "hook 20-list: exit code 7",
            _ => return,
        };
        let mail = mail.unwrap();
        // Lines are folded in a mail.
        assert!(
            mail.replace("=\n", "").contains(text),
            "day {day}: {name}: {text}: {mail}"
        );
    }

    fn go_wrong(&mut self, day: i64) {
        let server = &self.server;
        if day == *DISK_GONE.start() {
            fs::rename(server.path("disk-office"), server.path("elsewhere")).unwrap();
            fs::create_dir_all(server.path("disk-office/backup")).unwrap();
        }
        match day {
            EVENT_FAILS => server.script("root/etc/e-smith/events/pre-backup-data/S50mysql", "exit 2"),
            HOOK_FAILS => server.script("root/etc/backup-data.hooks/20-list", "exit 7"),
            NO_MAIL => server.write("no-mail", ""),
            DISK_FULL if self.small.is_some() => fill(&server.path("disk-chain")),
            _ => {}
        }
    }

    fn mend(&mut self, day: i64) {
        let server = &self.server;
        if day == *DISK_GONE.end() {
            // Nothing was written to the disk below the one that was gone: an empty folder can be removed.
            fs::remove_dir(server.path("disk-office/backup")).unwrap();
            fs::remove_dir(server.path("disk-office")).unwrap();
            fs::rename(server.path("elsewhere"), server.path("disk-office")).unwrap();
        }
        match day {
            EVENT_FAILS => server.remove("root/etc/e-smith/events/pre-backup-data/S50mysql"),
            HOOK_FAILS => server.remove("root/etc/backup-data.hooks/20-list"),
            NO_MAIL => server.remove("no-mail"),
            DISK_FULL if self.small.is_some() => server.remove("disk-chain/film"),
            _ => {}
        }
    }

    /// In the middle of a run the machine goes off, and is on again some minutes later.
    fn power_cut(&mut self, day: i64, name: &str) {
        self.server
            .good(&["db", "backups", "setprop", name, "Bandwidth", "200K"]);
        let mut child = self.server.start(&["backup-data-wrapper", name]);
        let place = self.server.path(&format!("disk-{name}/backup"));
        let stored = files(&place);
        until("the run has stored something", || {
            assert_eq!(child.try_wait().unwrap(), None, "{name} was to be killed in mid-run");
            files(&place).iter().any(|path| !stored.contains(path))
        });
        child.kill().unwrap();
        child.wait().unwrap();
        self.server.good(&["db", "backups", "delprop", name, "Bandwidth"]);
        assert_eq!(self.server.new_mails(), Vec::<String>::new());
        self.server.now = self.server.now.checked_add(10.minutes()).unwrap();
        let answer = self.server.boot();
        assert_eq!(answer.code, Some(0), "day {day}: {name}: {}", answer.text);
        self.expect(&[name], "ERROR");
        if name == "office" {
            self.expect(&[name], "SUCCESS");
        }
        let mails = self.take_mails();
        assert!(mails[0].contains("broke off in the middle"), "{}", mails[0]);
    }

    /// An administrator stops a run.
    fn stopped(&mut self, name: &str) {
        let entered = self.server.path("entered");
        let waits = format!("touch {}\nexec sleep 1000", entered.display());
        let action = "root/etc/e-smith/events/pre-backup-data/S10waits";
        self.server.script(action, &waits);
        let mut child = self.server.start(&["backup-data-wrapper", name]);
        until("the run has begun", || entered.exists());
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        child.wait().unwrap();
        self.server.remove(action);
        self.expect(&[name], "ERROR");
        let mails = self.take_mails();
        assert!(mails.last().unwrap().contains("was interrupted"), "{mails:?}");
    }

    fn expect(&mut self, names: &[&str], word: &'static str) {
        self.expected
            .extend(names.iter().map(|name| ((*name).to_owned(), word)));
    }

    fn take_mails(&mut self) -> Vec<String> {
        let new = self.server.new_mails();
        self.mails.extend(new.iter().cloned());
        let host = &self.server.context.host;
        let expected: Vec<String> = self
            .expected
            .iter()
            .map(|(name, word)| format!("Backup {name} [{host}]: {word}"))
            .collect();
        let subjects: Vec<&str> = self.mails.iter().map(|mail| subject(mail)).collect();
        assert_eq!(subjects, expected, "{}", self.server.now);
        new
    }

    fn last_log(&self, name: &str) -> PathBuf {
        let mut logs = files(&self.server.path("root/var/log/backup"));
        logs.retain(|path| {
            let name = format!("backup-{name}-");
            path.file_name().unwrap().to_str().unwrap().starts_with(&name)
        });
        logs.into_iter().max().unwrap_or_default()
    }

    fn all_were_told(&mut self) {
        self.take_mails();
        let errors = |name: &str| {
            let told = self.expected.iter();
            told.filter(|(job, word)| job == name && *word == "ERROR").count()
        };
        assert_eq!(
            errors("office"),
            DISK_GONE.count() + 3,
            "gone, the event, the power cut, and stopped"
        );
        let full = usize::from(self.small.is_some());
        assert_eq!(errors("chain"), 2 + full, "the event, the power cut, and the full disk");
        assert_eq!(errors("plain"), 2, "the event, and the power cut");
        assert_eq!(errors("copy"), 0, "it is never told of");
        assert!(self.mails.len() > 50);
        let untold = journal::runs(&self.server.context, &JobName::new("office").unwrap(), usize::MAX).unwrap();
        let untold = untold.iter().flat_map(|run| &run.notified).filter(|told| !told.success);
        assert_eq!(untold.count(), 1, "the journal knows of the mail that did not go");
    }

    fn all_is_well(&self) {
        let status = self.server.good(&["status", "--json"]);
        let good = status.lines().filter(|line| line.contains("\"verdict\":\"good\""));
        assert_eq!(good.count(), RECORDS.len(), "{status}");
        let schedule = self.server.good(&["schedule", "--json"]);
        assert!(!schedule.contains("\"missed\":\""), "{schedule}");
    }

    fn what_is_promised_is_there(&self, name: &str) {
        let left = self.server.snapshots(name);
        let promised: Vec<String> = self.promised(name).into_iter().map(|point| point.id).collect();
        let mut is: Vec<_> = left.iter().collect();
        is.sort_by_key(|(_, at)| (*at).clone());
        let is: Vec<&str> = is.into_iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(is, promised, "{name}: {left:?}");
        assert!(is.len() > 10, "{name} has few: {is:?}");
    }

    fn promised(&self, name: &str) -> Vec<Point> {
        let runs = journal::runs(&self.server.context, &JobName::new(name).unwrap(), usize::MAX).unwrap();
        let zone = &self.server.context.zone;
        let point = |run: &journal::PastRun| {
            let at: jiff::Timestamp = run.started.parse().unwrap();
            let id = run.snapshot.clone()?;
            Some(Point {
                id,
                at: at.to_zoned(zone.clone()),
            })
        };
        let points: Vec<Point> = runs.iter().rev().filter_map(point).collect();
        assert!(points.len() > 35, "{name} has saved {} times", points.len());
        let sunday = |point: &Point| point.at.weekday() == jiff::civil::Weekday::Sunday;
        match name {
            "office" => within(&points, 14.days()),
            "chain" => chains_within(&points, 15.days(), sunday),
            "plain" => thinned_within(&points, 40.days()),
            _ => within(&points, 1.month()),
        }
    }

    /// Every point in time that is left holds what there was on its day.
    fn all_comes_back(&self, name: &str) {
        let left: BTreeMap<String, Zoned> = self.server.snapshots(name);
        let repository = self.server.repository(name);
        let report = repository
            .engine()
            .check(&CheckRequest { read: ReadData::All }, &Silent);
        let report = report.unwrap_or_else(|error| panic!("{name}: {}", error.chain()));
        assert_eq!(report.errors, 0, "{name}: {:?}", report.findings);
        for (id, at) in left {
            let target = tempfile::tempdir_in(self.server.path("")).unwrap();
            let request = restore_to(SnapshotRef::Id(id.clone()), target.path());
            let report = repository.engine().restore(&request, &Silent);
            let report = report.unwrap_or_else(|error| panic!("{name} {id}: {}", error.chain()));
            assert!(report.problems.is_empty(), "{name} {id}: {:?}", report.problems);
            let restored = picture(&below(target.path(), &self.server.path("data")));
            println!("{name} {id} of {at}");
            assert_same(&self.pictures[&at.date()], &restored, Compare::default());
        }
    }
}

/// The files below a folder, at any depth.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        // What is being made and renamed may be gone when it is looked at.
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(_) => found.push(entry.path()),
                Err(_) => {}
            }
        }
    }
    found
}
