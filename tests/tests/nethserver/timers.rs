//! What is written for systemd, read by systemd's own programs: they take the units without a word, and say the same hours.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use holdfast_tests::corpus::Random;
use holdfast_tests::need;
use holdfast_tests::server::program;
use jiff::Zoned;
use jobs::esmith::Record;
use jobs::when::cron::Schedule;
use jobs::{Context, Layout, Surroundings};

const NO_SYSTEMD: &str = "systemd-analyze is not installed";
/// From when on the hours are asked for, and how many of them.
const BEGIN: &str = "2021-03-05 10:00:00";
const HOURS: usize = 8;

fn analyze(program: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.args(words).env("TZ", "UTC").env("LC_ALL", "C");
    command.output().unwrap()
}

/// The units of jobs with odd names and hours, called by a program with an odd name.
fn units(folder: &Path) -> Vec<PathBuf> {
    let surroundings = Surroundings {
        root: Some(folder.to_owned()),
        superuser: true,
        ..Surroundings::default()
    };
    let context = Context {
        layout: Layout::find(&surroundings).unwrap(),
        host: "suite".to_owned(),
        user: "root".to_owned(),
        zone: jiff::tz::TimeZone::UTC,
    };
    for (name, time) in [
        ("a@b", "*/15 8-18 1 * 1-5"),
        ("c.d_e-f", "@daily"),
        ("mybackup1", "15 7 * * *"),
    ] {
        let record = Record::of_kind("restic")
            .with("VFSType", "local")
            .with("LocalDirectory", "/mnt/x")
            .with("status", "enabled")
            .with("BackupTime", time);
        let set = context.backups().update(|database| {
            database.set(name.as_bytes(), &record).unwrap();
            Ok(())
        });
        set.unwrap();
    }
    let choice = Record::of_kind("configuration").with("Scheduler", "systemd");
    let set = context.configuration().update(|database| {
        database.set(b"backup-data", &choice).unwrap();
        Ok(())
    });
    set.unwrap();
    let program = folder.join("hold fast 100% $HOME");
    std::fs::write(&program, "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let installed = jobs::schedule::install(&context, &program, &Zoned::now()).unwrap();
    let files = installed.written.into_iter().filter(|path| !path.is_symlink());
    files.collect()
}

#[test]
fn systemd_takes_the_units_without_a_word() {
    let systemd = need!(program("systemd-analyze"), NO_SYSTEMD);
    let folder = tempfile::tempdir().unwrap();
    let units = units(folder.path());
    // Three backups, the missed ones and those that nobody made: a service and a timer each.
    assert_eq!(units.len(), 10, "{units:?}");
    let paths: Vec<&str> = units.iter().map(|path| path.to_str().unwrap()).collect();
    let answer = analyze(&systemd, &[&["verify", "--man=no"], paths.as_slice()].concat());
    let said = String::from_utf8_lossy(&answer.stderr).into_owned();
    // It may complain of units of this machine; of ours nothing is to be said.
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("holdfast")).collect();
    assert!(ours.is_empty(), "{said}");
    assert!(answer.status.success(), "{said}");
    // It does complain where something is wrong.
    let timer = units
        .iter()
        .find(|path| path.ends_with("holdfast-overdue.timer"))
        .unwrap();
    let text = std::fs::read_to_string(timer).unwrap();
    std::fs::write(timer, text.replace(" 06:47", " 66:47")).unwrap();
    let answer = analyze(&systemd, &["verify", "--man=no", timer.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&answer.stderr).into_owned();
    assert!(said.contains("holdfast-overdue.timer"), "{said}");
}

/// When systemd would start it.
fn by_systemd(systemd: &Path, schedule: &Schedule) -> Vec<String> {
    let mut found = BTreeSet::new();
    for line in schedule.on_calendar() {
        let (base, count) = (format!("--base-time={BEGIN} UTC"), format!("--iterations={HOURS}"));
        let answer = analyze(systemd, &["calendar", &base, &count, &line]);
        let said = String::from_utf8_lossy(&answer.stdout).into_owned();
        let complaint = String::from_utf8_lossy(&answer.stderr).into_owned();
        assert!(answer.status.success(), "{line}: {complaint}");
        // `    Next elapse: Mon 2021-03-08 03:00:00 UTC`, `       Iter. #2: …`
        let times = said.lines().filter_map(|line| {
            let (label, rest) = line.split_once(": ")?;
            let label = label.trim();
            let words: Vec<&str> = rest.split(' ').collect();
            (label == "Next elapse" || label.starts_with("Iter. #"))
                .then(|| words.get(1..3).map(|time| time.join(" ")))?
        });
        found.extend(times);
    }
    found.into_iter().take(HOURS).collect()
}

fn by_us(schedule: &Schedule) -> Vec<String> {
    let begin: jiff::civil::DateTime = BEGIN.parse().unwrap();
    let mut now = begin.to_zoned(jiff::tz::TimeZone::UTC).unwrap();
    let mut found = Vec::new();
    while found.len() < HOURS
        && let Some(next) = schedule.next_after(&now)
    {
        found.push(next.strftime("%F %T").to_string());
        now = next;
    }
    found
}

#[test]
fn systemd_and_holdfast_mean_the_same_hours() {
    let systemd = need!(program("systemd-analyze"), NO_SYSTEMD);
    let mut random = Random::new(61);
    let mut lines: Vec<String> = [
        "15 7 * * *",
        "0 3 * * *",
        "0 22 * * *",
        "0 * * * *",
        "*/15 8-18 1 * 1-5",
        "0 0 29 2 *",
        "30 4 1,15 * 5",
        "0 12 * * 0",
        "0 12 * * 7",
        "5 4 * jan,jul sun",
        "@hourly",
        "@daily",
        "@weekly",
        "@monthly",
        "@yearly",
    ]
    .map(str::to_owned)
    .to_vec();
    for _ in 0..40 {
        let mut field = |least: u64, most: u64| {
            let (one, other) = (random.below(most - least + 1), random.below(most - least + 1));
            let (low, high) = (least + one.min(other), least + one.max(other));
            match random.below(5) {
                0 | 1 => "*".to_owned(),
                2 => low.to_string(),
                3 => format!("{low}-{high}"),
                _ => format!("{low},{high}"),
            }
        };
        let fields = [field(0, 59), field(0, 23), field(1, 28), field(1, 12), field(0, 6)];
        lines.push(fields.join(" "));
    }
    for line in lines {
        let schedule = Schedule::parse(&line).unwrap();
        let ours = by_us(&schedule);
        assert_eq!(ours.len(), HOURS, "{line}");
        assert_eq!(
            by_systemd(&systemd, &schedule),
            ours,
            "{line}: {:?}",
            schedule.on_calendar()
        );
    }
}
