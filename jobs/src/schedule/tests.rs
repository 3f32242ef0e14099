use std::fs;
use std::path::Path;

use super::*;
use crate::esmith::Record;
use crate::layout::{Layout, Surroundings};

struct Machine {
    folder: tempfile::TempDir,
    context: Context,
}

impl Machine {
    fn new(nethserver: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        if nethserver {
            fs::create_dir_all(folder.path().join("var/lib/nethserver/db")).unwrap();
        }
        let surroundings = Surroundings {
            root: Some(folder.path().to_owned()),
            ..Surroundings::default()
        };
        let context = Context {
            layout: Layout::find(&surroundings).unwrap(),
            host: "server1".into(),
            user: "root".into(),
            zone: jiff::tz::TimeZone::get("Europe/Rome").unwrap(),
        };
        Self { folder, context }
    }

    fn job(&self, key: &str, status: &str, time: &str) {
        let record = Record::of_kind("restic")
            .with("VFSType", "local")
            .with("LocalDirectory", "/mnt/x")
            .with("status", status)
            .with("BackupTime", time);
        let set = |database: &mut crate::esmith::Database| {
            database.set(key.as_bytes(), &record).unwrap();
            Ok(())
        };
        self.context.backups().update(set).unwrap();
    }

    fn at(&self, text: &str) -> Zoned {
        let moment: jiff::civil::DateTime = text.parse().unwrap();
        moment.to_zoned(self.context.zone.clone()).unwrap()
    }

    fn install(&self, text: &str) -> Installed {
        install(&self.context, Path::new("/usr/bin/hold fast%"), &self.at(text)).unwrap()
    }

    fn missed(&self, text: &str) -> Vec<(String, String)> {
        let jobs = overview(&self.context, &self.at(text)).unwrap();
        let missed = jobs
            .into_iter()
            .filter_map(|job| Some((job.key, job.missed?.strftime("%F %H:%M").to_string())));
        missed.collect()
    }

    fn ran(&self, key: &str, began: &str, ended: Option<&str>) {
        let name = JobName::new(key).unwrap();
        let began = self.at(began).timestamp();
        state::begun(&self.context, &name, began, None).unwrap();
        if let Some(ended) = ended {
            state::ended(&self.context, &name, began, self.at(ended).timestamp()).unwrap();
        }
    }

    fn crontab(&self) -> String {
        fs::read_to_string(self.folder.path().join("etc/cron.d/backup-data")).unwrap()
    }
}

#[test]
fn the_crontab_has_valid_lines_only_and_names_what_it_leaves_out() {
    let machine = Machine::new(false);
    machine.job("good", "enabled", "15 7 * * *");
    machine.job("off", "disabled", "15 7 * * *");
    machine.job("sixty", "enabled", "60 7 * * *");
    machine.job("lines", "enabled", "1 1 * * *\n* * * * * root rm -rf /");
    machine.job("no name;", "enabled", "1 1 * * *");
    machine.job("none", "enabled", "");
    let installed = machine.install("2021-03-05T10:00:00");
    let lines = machine.crontab();
    let jobs: Vec<_> = lines.lines().filter(|line| line.contains(" root ")).collect();
    let program = r"'/usr/bin/hold fast\%'";
    assert_eq!(
        jobs,
        [
            format!("15 7 * * * root {program} backup-data-wrapper good"),
            format!("@reboot root {program} -q schedule catch-up"),
            format!("17 * * * * root {program} -q schedule catch-up"),
            format!("47 6 * * * root {program} -q notify overdue"),
        ]
    );
    let root = machine.folder.path().display();
    assert!(lines.contains(&format!("\nHOLDFAST_ROOT=\"{root}\"\n")), "{lines}");
    let left: Vec<_> = installed.left_out.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(left, ["lines", "no name;", "none", "off", "sixty"]);
    assert!(installed.left_out[4].1.contains("60"), "{:?}", installed.left_out);
}

#[test]
fn nethservers_own_name_is_called_when_it_is_this_program() {
    let machine = Machine::new(true);
    machine.job("b1", "enabled", "0 3 * * *");
    let program = machine.folder.path().join("holdfast");
    fs::write(&program, "").unwrap();
    let own = machine.folder.path().join("sbin/e-smith/backup-data-wrapper");
    fs::create_dir_all(own.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(&program, &own).unwrap();
    install(&machine.context, &program, &machine.at("2021-03-05T10:00:00")).unwrap();
    let line = format!("\n0 3 * * * root {} b1\n", own.display());
    assert!(machine.crontab().contains(&line), "{}", machine.crontab());
}

#[test]
fn timers_take_the_place_of_the_crontab_and_back() {
    let machine = Machine::new(false);
    machine.job("a@b", "enabled", "*/15 8-18 1 * 1-5");
    machine.install("2021-03-05T10:00:00");
    let choose = |scheduler: &str| {
        let record = Record::of_kind("configuration").with("Scheduler", scheduler);
        let set = |database: &mut crate::esmith::Database| {
            database.set(b"backup-data", &record).unwrap();
            Ok(())
        };
        machine.context.configuration().update(set).unwrap();
    };
    choose("systemd");
    let installed = machine.install("2021-03-05T10:00:00");
    assert_eq!(
        installed.removed,
        [machine.folder.path().join("etc/cron.d/backup-data")]
    );
    let units = machine.folder.path().join("etc/systemd/system");
    let timer = fs::read_to_string(units.join(r"holdfast-backup-a\x40b.timer")).unwrap();
    assert_eq!(
        timer.matches("OnCalendar=").count(),
        2,
        "either day, as in cron: {timer}"
    );
    assert!(timer.contains("\nPersistent=true\n"), "{timer}");
    let service = fs::read_to_string(units.join(r"holdfast-backup-a\x40b.service")).unwrap();
    assert!(
        service.contains("\nExecStart=\"/usr/bin/hold fast%%\" backup-data-wrapper a@b\n"),
        "{service}"
    );
    assert!(units.join(r"timers.target.wants/holdfast-backup-a\x40b.timer").exists());
    let again = machine.install("2021-03-05T10:00:00");
    assert!(again.removed.is_empty(), "{again:?}");
    machine.job("a@b", "disabled", "");
    let none = machine.install("2021-03-05T10:00:00");
    assert_eq!(none.removed.len(), 9, "two units and a link each: {none:?}");
    choose("cron");
    assert!(
        machine
            .install("2021-03-05T10:00:00")
            .written
            .ends_with(&[machine.folder.path().join("etc/cron.d/backup-data")])
    );
    choose("something");
    let error = install(&machine.context, Path::new("/x"), &machine.at("2021-03-05T10:00:00")).unwrap_err();
    assert!(error.to_string().ends_with("must be cron or systemd"), "{error}");
}

#[test]
fn the_originals_crontab_does_not_start_anything_twice() {
    let machine = Machine::new(true);
    machine.job("b1", "enabled", "0 3 * * *");
    let crontab = machine.folder.path().join("etc/cron.d/backup-data");
    fs::create_dir_all(crontab.parent().unwrap()).unwrap();
    fs::write(
        &crontab,
        "# DO NOT MODIFY\n0 3 * * * root /sbin/e-smith/backup-data-wrapper b1\n",
    )
    .unwrap();
    let record = Record::of_kind("configuration").with("Scheduler", "systemd");
    let set = |database: &mut crate::esmith::Database| {
        database.set(b"backup-data", &record).unwrap();
        Ok(())
    };
    machine.context.configuration().update(set).unwrap();
    machine.install("2021-03-05T10:00:00");
    assert!(!crontab.exists());
}

#[test]
fn a_run_is_missed_when_it_was_due_and_did_not_begin() {
    let machine = Machine::new(false);
    machine.job("nightly", "enabled", "0 3 * * *");
    assert_eq!(
        machine.missed("2021-03-05T12:00:00"),
        [],
        "nobody was told to start it yet"
    );
    machine.install("2021-03-05T10:00:00");
    assert_eq!(machine.missed("2021-03-06T02:59:00"), []);
    assert_eq!(machine.missed("2021-03-06T03:05:00"), [], "it may be about to begin");
    let due = |moment: &str| vec![("nightly".to_owned(), moment.to_owned())];
    assert_eq!(machine.missed("2021-03-06T03:10:00"), due("2021-03-06 03:00"));
    assert_eq!(machine.missed("2021-03-09T03:10:00"), due("2021-03-06 03:00"));
    machine.ran("nightly", "2021-03-09T03:11:00", Some("2021-03-09T03:20:00"));
    assert_eq!(machine.missed("2021-03-09T12:00:00"), [], "one run makes up for all");
    machine.ran("nightly", "2021-03-10T03:00:00", None);
    assert_eq!(
        machine.missed("2021-03-10T03:01:00"),
        due("2021-03-10 03:00"),
        "the power went off in the midst"
    );
    machine.job("nightly", "disabled", "0 3 * * *");
    assert_eq!(machine.missed("2021-03-12T12:00:00"), []);
}

#[test]
fn another_hour_counts_from_when_it_was_set() {
    let machine = Machine::new(false);
    machine.job("b", "enabled", "0 3 * * *");
    machine.install("2021-03-05T10:00:00");
    machine.job("b", "enabled", "0 9 * * *");
    assert_eq!(machine.missed("2021-03-07T12:00:00"), [], "not installed yet");
    machine.install("2021-03-07T12:00:00");
    assert_eq!(machine.missed("2021-03-08T08:00:00"), []);
    assert_eq!(machine.missed("2021-03-08T09:30:00").len(), 1);
}

#[test]
fn a_clock_that_was_wrong_does_not_stop_the_making_up_for_ever() {
    let machine = Machine::new(false);
    machine.job("b", "enabled", "0 3 * * *");
    machine.install("2040-01-01T00:00:00");
    machine.ran("b", "2040-01-01T03:00:00", Some("2040-01-01T03:01:00"));
    machine.install("2021-03-05T10:00:00");
    assert_eq!(machine.missed("2021-03-05T12:00:00"), []);
    assert_eq!(
        machine.missed("2021-03-06T04:00:00").len(),
        1,
        "counted from the day that is"
    );
}
