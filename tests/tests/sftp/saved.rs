//! A backup over SSH set up as administrators do it: a record, a password once, and from then on a key.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use engine_api::{Event as ProgressEvent, Progress};
use holdfast_tests::need;
use holdfast_tests::sshd::{ACCOUNT, Options, PASSWORD, Sshd};
use jobs::esmith::Record;
use jobs::events::{EventReport, Listener, Note, Save};
use jobs::{Context, JobName, Layout, RunOptions, Status, Step, Surroundings, Watcher, unattended};

struct Heard;

impl Progress for Heard {
    fn event(&self, _: ProgressEvent<'_>) {}

    fn cancelled(&self) -> bool {
        false
    }
}

impl Watcher for Heard {
    fn step(&self, _: &Step<'_>) {}
}

#[derive(Default)]
struct Lines(std::sync::Mutex<Vec<String>>);

impl Listener for Lines {
    fn note(&self, note: &Note<'_>) {
        self.0.lock().unwrap().extend(note.line());
    }

    fn cancelled(&self) -> bool {
        false
    }
}

fn context(root: &Path) -> Context {
    fs::create_dir_all(root.join("var/lib/nethserver/db")).unwrap();
    let surroundings = Surroundings {
        root: Some(root.to_owned()),
        ..Surroundings::default()
    };
    Context {
        layout: Layout::find(&surroundings).unwrap(),
        host: "server1".into(),
        user: "root".into(),
        zone: jiff::tz::TimeZone::UTC,
    }
}

fn add(context: &Context, server: &Sshd) {
    let settings = server.settings(Path::new("unused"));
    let record = Record::of_kind("rsync")
        .with("status", "enabled")
        .with("VFSType", "sftp")
        .with("SftpHost", settings.host.as_str())
        .with("SftpPort", settings.port.to_string())
        .with("SftpUser", ACCOUNT)
        .with("SftpDirectory", "backups/mine")
        .with("BackupTime", "15 7 * * *");
    let set = |database: &mut jobs::esmith::Database| {
        database.set(b"far", &record).unwrap();
        Ok(())
    };
    context.backups().update(set).unwrap();
    let lists = &context.layout.lists;
    fs::create_dir_all(lists).unwrap();
    let data = context.layout.root.as_ref().unwrap().join("data");
    fs::create_dir_all(&data).unwrap();
    fs::write(data.join("letter"), "Dear Ann,\n").unwrap();
    fs::write(lists.join("own.include"), format!("{}\n", data.display())).unwrap();
}

fn save(context: &Context, password: &Path) -> (EventReport, String) {
    let words: Vec<OsString> = vec!["far".into(), password.into()];
    let save = Save {
        context,
        program: Path::new("/usr/bin/holdfast"),
        now: jiff::Zoned::now(),
    };
    let lines = Lines::default();
    let report = save.event(words, &mut std::io::empty()).unwrap().execute(&lines);
    (report, lines.0.into_inner().unwrap().join("\n"))
}

/// D53, D55: the key goes to a server that is known from then on, and the password stays nowhere.
#[test]
fn d55_a_backup_over_ssh_is_set_up_by_one_event_and_then_runs() {
    let options = Options {
        account: true,
        ..Options::default()
    };
    let server = need!(
        Sshd::with(&options),
        "there is no sshd here, or this user may not give it an account of its own"
    );
    let folder = tempfile::tempdir().unwrap();
    let context = context(folder.path());
    add(&context, &server);
    let password = folder.path().join("password");
    fs::write(&password, "not-the-password\n").unwrap();
    let (failed, lines) = save(&context, &password);
    assert!(!failed.success() && !password.exists(), "{lines}");
    assert!(
        lines.contains("password") && !lines.contains("not-the-password"),
        "{lines}"
    );
    fs::write(&password, format!("{PASSWORD}\n")).unwrap();
    let (report, lines) = save(&context, &password);
    assert!(report.success(), "{lines}");
    assert!(!password.exists() && !lines.contains(PASSWORD), "{lines}");
    let name = JobName::new("far").unwrap();
    let known = fs::read_to_string(context.layout.known_hosts(&name)).unwrap();
    assert_eq!(known.lines().count(), 1, "the server's key is pinned: {known}");
    let run = unattended(&context, &name, RunOptions::of(name.clone()), &Heard);
    assert_eq!(run.status, Status::Success, "{:?}", run.error);
    assert!(server.home().join("backups/mine/backup.marker").exists());
    let grep = std::process::Command::new("grep")
        .arg("-r")
        .arg(PASSWORD)
        .arg(folder.path())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&grep.stdout), "", "the password stands nowhere");
}
