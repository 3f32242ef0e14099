//! A server whose cron, clock, disks and mail are played: the program runs as cron calls it, and takes the time that it is
//! told for the time it is.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use engine_api::{Silent, SnapshotFilter};
use holdfast_tests::world::program;
use jiff::Zoned;
use jobs::when::cron::Schedule;
use jobs::{Access, Context, JobName, Layout, Repository, Surroundings, Which};

/// Where Debian has the library that plays the time.
const PLAYERS: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
];

/// Begins the line by which mails are told apart.
const MAIL: &str = "=== mail ===";

pub struct Server {
    folder: tempfile::TempDir,
    player: &'static str,
    /// What the library is told of it.
    pub context: Context,
    /// What time it is on it.
    pub now: Zoned,
    mails_read: usize,
}

/// What a command answered.
#[derive(Debug)]
pub struct Answer {
    pub code: Option<i32>,
    pub text: String,
}

impl Server {
    /// `None` where no time can be played.
    pub fn new(now: Zoned) -> Option<Self> {
        let player = PLAYERS.into_iter().find(|player| Path::new(player).exists())?;
        let folder = tempfile::Builder::new().prefix("holdfast-life-").tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir_all(root.join("var/lib/nethserver/db")).unwrap();
        let surroundings = Surroundings {
            root: Some(root),
            superuser: true,
            ..Surroundings::default()
        };
        let context = Context {
            layout: Layout::find(&surroundings).unwrap(),
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            user: "root".to_owned(),
            zone: now.time_zone().clone(),
        };
        let server = Self {
            folder,
            player,
            context,
            now,
            mails_read: 0,
        };
        let sendmail = format!(
            "[ ! -e {0}/no-mail ] || {{ echo 'queue is full' >&2; exit 75; }}\n{{ echo '{MAIL}'; cat; }} >>{0}/mails",
            server.folder.path().display()
        );
        server.script("sendmail", &sendmail);
        let program = server.path("sendmail");
        let program = program.to_str().unwrap();
        server.good(&["config", "set", "backup-data", "configuration", "Sendmail", program]);
        Some(server)
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    pub fn write(&self, below: &str, content: impl AsRef<[u8]>) {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// A program with this text, in the shell's language.
    pub fn script(&self, below: &str, text: &str) {
        self.write(below, format!("#!/bin/sh\n{text}\n"));
        fs::set_permissions(self.path(below), fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub fn remove(&self, below: &str) {
        fs::remove_file(self.path(below)).unwrap();
    }

    /// A program of this machine's, at its time.
    fn at_its_time(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOLDFAST_ROOT", self.path("root"))
            .env("TZ", self.context.zone.iana_name().unwrap())
            .env("LD_PRELOAD", self.player)
            .env("FAKETIME_FMT", "%s")
            .env("FAKETIME", format!("@{}", self.now.timestamp().as_second()))
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("FAKETIME_DISABLE_SHM", "1")
            .env("NO_FAKE_STAT", "1")
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, words: &[&str]) -> Answer {
        let output = self.at_its_time(program()).args(words).output().unwrap();
        Answer {
            code: output.status.code(),
            text: String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap(),
        }
    }

    pub fn good(&self, words: &[&str]) -> String {
        let answer = self.run(words);
        assert_eq!(answer.code, Some(0), "{}: {words:?}: {}", self.now, answer.text);
        answer.text
    }

    /// The program, begun and left to itself.
    pub fn start(&self, words: &[&str]) -> Child {
        let mut command = self.at_its_time("env");
        command.arg("--default-signal=INT,TERM,HUP").arg(program()).args(words);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// The lines of its crontab that begin so, as schedules and commands.
    fn crontab(&self) -> Vec<(String, String)> {
        let text = fs::read_to_string(self.path("root/etc/cron.d/backup-data")).unwrap();
        let lines = text.lines().filter(|line| line.contains(" root "));
        lines
            .map(|line| line.split_once(" root ").unwrap())
            .map(|(schedule, command)| (schedule.to_owned(), command.to_owned()))
            .collect()
    }

    /// What cron has to do from `from` to `to`, in the order of time.
    pub fn due(&self, from: &Zoned, to: &Zoned) -> Vec<(Zoned, String)> {
        let mut due = Vec::new();
        for (schedule, command) in self.crontab() {
            if schedule == "@reboot" {
                continue;
            }
            let schedule = Schedule::parse(&schedule).unwrap();
            let mut next = schedule.next_after(from).unwrap();
            while next <= *to {
                // What is looked for each hour is found as well when it is looked for twice a day.
                if !command.contains("catch-up") || [6, 18].contains(&next.hour()) {
                    due.push((next.clone(), command.clone()));
                }
                next = schedule.next_after(&next).unwrap();
            }
        }
        due.sort();
        due
    }

    /// Does what cron does when the machine has started.
    pub fn boot(&self) -> Answer {
        let (_, command) = self
            .crontab()
            .into_iter()
            .find(|(schedule, _)| schedule == "@reboot")
            .unwrap();
        self.cron(&command)
    }

    /// Does what cron does.
    pub fn cron(&self, command: &str) -> Answer {
        let output = self.at_its_time("/bin/sh").args(["-c", command]).output().unwrap();
        Answer {
            code: output.status.code(),
            text: String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The mails since it was last asked.
    pub fn new_mails(&mut self) -> Vec<String> {
        let text = fs::read_to_string(self.path("mails")).unwrap_or_default();
        let all: Vec<String> = text.split(MAIL).skip(1).map(str::to_owned).collect();
        let new = all[self.mails_read..].to_vec();
        self.mails_read = all.len();
        new
    }

    pub fn repository(&self, name: &str) -> Repository {
        let access = Access::to(Which::Job(JobName::new(name).unwrap()));
        Repository::open(&self.context, &access).unwrap_or_else(|error| panic!("{name}: {}", error.chain()))
    }

    /// The moments of the snapshots that are left, by their ids.
    pub fn snapshots(&self, name: &str) -> BTreeMap<String, Zoned> {
        let repository = self.repository(name);
        let all = repository
            .engine()
            .snapshots(&SnapshotFilter::default(), &Silent)
            .unwrap();
        let moment = |time: engine_api::Timestamp| time.to_jiff().unwrap().to_zoned(self.context.zone.clone());
        all.into_iter()
            .map(|snapshot| (snapshot.id.0, moment(snapshot.time)))
            .collect()
    }
}

/// Waits for what comes by itself.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_mins(2), "waited for: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The subject of a mail.
pub fn subject(mail: &str) -> &str {
    let line = mail.lines().find_map(|line| line.strip_prefix("Subject: "));
    line.unwrap_or_else(|| panic!("a mail without a subject: {mail}"))
}
