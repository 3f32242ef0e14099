use std::fs;
use std::os::unix::fs::PermissionsExt;

use jiff::Timestamp;

use super::*;
use crate::esmith::Record;
use crate::journal::{Failing, Part, PastProblem};
use crate::layout::{Layout, Surroundings};
use crate::status::Status;

mod by_server;
mod mail_server;
mod web_server;

use web_server::WebServer;

pub(crate) struct Machine {
    folder: tempfile::TempDir,
    pub(crate) context: Context,
    pub(crate) name: JobName,
}

impl Machine {
    pub(crate) fn new(properties: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let surroundings = Surroundings {
            root: Some(folder.path().to_owned()),
            ..Surroundings::default()
        };
        let context = Context {
            layout: Layout::find(&surroundings).unwrap(),
            host: "srv.example.org".to_owned(),
            user: "root".to_owned(),
            zone: TimeZone::UTC,
        };
        let machine = Self {
            folder,
            context,
            name: JobName::new("nightly").unwrap(),
        };
        let mut record = Record::of_kind("restic")
            .with("VFSType", "local")
            .with("LocalDirectory", "/srv/backup")
            .with("status", "enabled");
        for (property, value) in properties {
            record = record.with(*property, *value);
        }
        machine.set("backups", "nightly", &record);
        machine
    }

    pub(crate) fn set(&self, database: &str, key: &str, record: &Record) {
        let file = self.context.database(database.as_ref(), None).file;
        file.update(|database| {
            database.set(key.as_bytes(), record).unwrap();
            Ok(())
        })
        .unwrap();
    }

    fn path(&self, below: &str) -> std::path::PathBuf {
        self.folder.path().join(below)
    }

    /// A program in place of sendmail, that does `what` and keeps its words and the mail.
    fn sendmail(&self, what: &str) -> String {
        let path = self.path("sendmail");
        let folder = self.folder.path().display();
        let script = format!("#!/bin/sh\necho \"$@\" > {folder}/words\ncat > {folder}/mail\n{what}\n");
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn mail(&self) -> String {
        fs::read_to_string(self.path("mail")).unwrap()
    }

    fn tell(&self, run: &PastRun) -> Vec<Told> {
        let (settings, wrong) = settings(&self.context, &self.name).unwrap();
        assert_eq!(wrong, Vec::<String>::new());
        let state = crate::journal::state(&self.context, &self.name).unwrap();
        tell(&settings, News::of(&self.context, run, state, &hurried()))
    }

    pub(crate) fn run(&self, status: Status) -> PastRun {
        let mut run = PastRun::to_try(&self.context, &self.name, None);
        (run.test, run.code, run.status) = (false, status.code(), status.name().to_owned());
        (run.engine, run.location) = (Some("restic".to_owned()), Some("/srv/backup".to_owned()));
        run
    }
}

/// Long enough for this machine on a bad day, and no pauses.
fn hurried() -> Limits {
    Limits {
        way: Duration::from_secs(20),
        stall: Duration::from_secs(10),
        pauses: vec![Duration::ZERO, Duration::ZERO],
    }
}

fn failed(machine: &Machine) -> PastRun {
    PastRun {
        error: Some(Failing {
            message: "cannot open the repository".to_owned(),
            hint: Some("look whether the disk is mounted".to_owned()),
        }),
        ..machine.run(Status::Failed)
    }
}

fn only(told: &[Told]) -> &Told {
    assert_eq!(told.len(), 1, "{told:?}");
    &told[0]
}

#[test]
fn sendmail_gets_what_nethserver_gave_it() {
    let machine = Machine::new(&[("Notify", "error"), ("NotifyTo", "ann@example.org, root")]);
    let program = machine.sendmail("");
    let shared = Record::of_kind("configuration").with("Sendmail", program.as_str());
    machine.set("configuration", "backup-data", &shared);
    let told = machine.tell(&failed(&machine));
    assert_eq!((only(&told).way, only(&told).success), (Way::Mail, true), "{told:?}");
    let words = fs::read_to_string(machine.path("words")).unwrap();
    assert_eq!(words, "-t -i -f root\n");
    let mail = machine.mail();
    for line in [
        "Subject: Backup nightly [srv.example.org]: ERROR",
        "From: root",
        "To: ann@example.org, root",
        "Auto-Submitted: auto-generated",
        "  cannot open the repository",
        "  look whether the disk is mounted",
        "There is no good backup yet.",
    ] {
        assert!(mail.lines().any(|found| found == line), "{line}: {mail}");
    }
    assert!(!mail.contains('\r'));
}

#[test]
fn who_is_told_of_what() {
    let cases = [
        ("always", true, true),
        ("error", true, false),
        ("never", false, false),
        ("", false, false),
    ];
    for (notify, of_failure, of_success) in cases {
        let machine = Machine::new(&[("Notify", notify)]);
        let (settings, _) = settings(&machine.context, &machine.name).unwrap();
        let told = |status: Status| {
            let run = machine.run(status);
            !ways(&settings, &News::of(&machine.context, &run, None, &hurried())).is_empty()
        };
        assert_eq!(
            (told(Status::Failed), told(Status::Success)),
            (of_failure, of_success),
            "{notify}"
        );
        assert_eq!(
            told(Status::Incomplete),
            of_failure,
            "what is not all saved is no success"
        );
    }
}

#[test]
fn the_sender_of_all_goes_before_a_jobs_own() {
    let machine = Machine::new(&[("NotifyFrom", "backup@example.org")]);
    let from = || {
        settings(&machine.context, &machine.name)
            .unwrap()
            .0
            .mail
            .from
            .to_string()
    };
    assert_eq!(from(), "backup@example.org");
    machine.set(
        "configuration",
        "root",
        &Record::of_kind("configuration").with("SenderAddress", ""),
    );
    assert_eq!(from(), "backup@example.org", "empty means missing");
    let sender = Record::of_kind("configuration").with("SenderAddress", "it@example.org");
    machine.set("configuration", "root", &sender);
    assert_eq!(from(), "it@example.org");
}

#[test]
fn nothing_in_a_record_becomes_a_header() {
    let bad = [
        "a@b.org\nBcc: c@d.org",
        "a@b.org\rX: y",
        "-oQ/tmp",
        "Ann <a@b.org>\n",
        "a b@c.org",
        "\"a\nb\"@c.org",
        "a@b@c.org\0",
        "|/bin/sh",
    ];
    for address in bad {
        assert_eq!(crate::record::MailAddress::parse(address), None, "{address:?}");
    }
    for address in ["root", "root@localhost", "a.b+c@example.org", "o'brien@example.org"] {
        assert!(crate::record::MailAddress::parse(address).is_some(), "{address}");
    }
    let machine = Machine::new(&[
        ("Notify", "always"),
        ("NotifyTo", "x, ann@example.org, b\nBcc: c@d.org"),
    ]);
    let (settings, wrong) = settings(&machine.context, &machine.name).unwrap();
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    let to: Vec<_> = settings.mail.to.iter().map(ToString::to_string).collect();
    assert_eq!(to, ["x", "ann@example.org"], "the good ones are told all the same");
    let mut run = failed(&machine);
    run.host = "srv\nBcc: c@d.org\u{202e}".to_owned();
    run.problems.first.push(PastProblem {
        action: "read".to_owned(),
        path: "/x\n.\nSubject: gotcha \"quoted\"".to_owned(),
        path_base64: None,
        cause: "no".to_owned(),
    });
    run.problems.count = 1;
    let (subject, body) = (body::subject(&run), body::body(&run, None, &TimeZone::UTC));
    assert_eq!(subject, "Backup nightly [srv\\nBcc: c@d.org\\u{202e}]: ERROR");
    assert!(
        body.contains("cannot read /x\\n.\\nSubject: gotcha \"quoted\": no"),
        "{body}"
    );
}

/// The whole log was in the mail, whatever its length, and nothing before it said what happened.
#[test]
fn d25_the_summary_comes_first_and_the_end_of_the_log_goes_with_it() {
    let machine = Machine::new(&[("Notify", "error")]);
    let program = machine.sendmail("");
    machine.set(
        "configuration",
        "backup-data",
        &Record::of_kind("x").with("Sendmail", program.as_str()),
    );
    let log = machine.path("backup-nightly-202103050100.log");
    let lines = (0..100_000)
        .map(|number| format!("line {number}\n"))
        .collect::<String>();
    fs::write(&log, &lines).unwrap();
    let mut run = failed(&machine);
    run.log = Some(log.to_str().unwrap().to_owned());
    assert!(only(&machine.tell(&run)).success);
    let mail = machine.mail();
    assert!(mail.len() < 2 * usize::try_from(letter::LOG).unwrap(), "{}", mail.len());
    let at = |text: &str| mail.find(text).unwrap_or_else(|| panic!("{text} is not in it"));
    assert!(at("Backup nightly on srv.example.org has FAILED.") < at("(the first "));
    assert!(at("(the first ") < at("line 99999"));
    assert!(mail.contains("filename=\"backup-nightly-202103050100.log\"") && !mail.contains("line 5\n"));
    assert!(mail.contains(&format!("Log file: {}", log.display())));
}

/// Nothing was sent for a run that never began.
#[test]
fn d25_a_missing_run_is_told_once() {
    let machine = Machine::new(&[("Notify", "error"), ("BackupTime", "0 1 * * *")]);
    let program = machine.sendmail("");
    machine.set(
        "configuration",
        "backup-data",
        &Record::of_kind("x").with("Sendmail", program.as_str()),
    );
    let now = Timestamp::now();
    let in_two_days = now + jiff::SignedDuration::from_hours(48);
    assert_eq!(overdue(&machine.context, now).unwrap(), [], "it need not have run yet");
    let missed = overdue(&machine.context, in_two_days).unwrap();
    assert_eq!(missed.len(), 1);
    assert!(only(&missed[0].1).success);
    let mail = machine.mail();
    assert!(
        mail.contains("Subject: Backup nightly [srv.example.org]: ERROR") && mail.contains("a run was due at"),
        "{mail}"
    );
    assert_eq!(overdue(&machine.context, in_two_days).unwrap(), [], "once is enough");
}

#[test]
fn a_sendmail_that_fails_or_hangs_is_said() {
    let machine = Machine::new(&[("Notify", "always")]);
    let program = machine.sendmail("echo 'queue is full' >&2; exit 75");
    machine.set(
        "configuration",
        "backup-data",
        &Record::of_kind("x").with("Sendmail", program.as_str()),
    );
    let told = machine.tell(&machine.run(Status::Success));
    let message = only(&told).message.clone().unwrap();
    assert!(message.ends_with("failed (exit code 75): queue is full"), "{message}");
    machine.sendmail("exec sleep 1000");
    let (settings, _) = settings(&machine.context, &machine.name).unwrap();
    let limits = Limits {
        way: Duration::from_millis(300),
        ..hurried()
    };
    let run = machine.run(Status::Success);
    let letter = letter::write(&settings.mail, content(&run), "srv.example.org").unwrap();
    let late = sendmail::send(Some(Path::new(&program)), &letter, &limits).unwrap_err();
    assert!(
        late.message
            .ends_with("did not end within 0.3 seconds, and was stopped"),
        "{late:?}"
    );
    let missing = sendmail::send(Some(Path::new("/nonexistent/sendmail")), &letter, &limits).unwrap_err();
    assert!(
        missing
            .message
            .starts_with("/nonexistent/sendmail could not be started"),
        "{missing:?}"
    );
}

fn content(run: &PastRun) -> letter::Content<'_> {
    letter::Content {
        subject: "s",
        body: "b".to_owned(),
        log: None,
        id: &run.run,
    }
}

#[test]
fn a_webhook_gets_the_run_and_is_asked_again_while_it_may_pass() {
    let server = WebServer::start(&[503, 200]);
    let machine = Machine::new(&[("WebhookUrl", &server.url("/hook?token=x"))]);
    let mut run = failed(&machine);
    run.parts.push(Part {
        kind: "hook".to_owned(),
        name: "50list".to_owned(),
        success: false,
        message: Some("exit code 1".to_owned()),
    });
    let told = machine.tell(&run);
    assert!(only(&told).success, "{told:?}");
    let (first, second) = (server.asked.recv().unwrap(), server.asked.recv().unwrap());
    assert_eq!(first, second);
    assert_eq!(
        (first.line.as_str(), first.kind.as_str()),
        ("POST /hook?token=x", "application/json")
    );
    assert_eq!(serde_json::from_str::<PastRun>(&first.body).unwrap(), run);
    let gone = WebServer::start(&[410]);
    let machine = Machine::new(&[("WebhookUrl", &gone.url("/secret")), ("WebhookWhen", "error")]);
    assert_eq!(machine.tell(&machine.run(Status::Success)), []);
    let told = machine.tell(&failed(&machine));
    let line = only(&told).line();
    assert!(
        line.contains("the server answered 410") && !line.contains("/secret"),
        "{line}"
    );
    assert!(
        gone.asked.recv().is_ok() && gone.asked.try_recv().is_err(),
        "what is gone is asked once"
    );
}

#[test]
fn pings_say_how_it_ended() {
    let server = WebServer::start(&[200]);
    let machine = Machine::new(&[("PingUrl", &server.url("/uuid"))]);
    assert!(only(&machine.tell(&machine.run(Status::Success))).success);
    assert_eq!(server.asked.recv().unwrap().line, "GET /uuid");
    assert!(only(&machine.tell(&failed(&machine))).success);
    let asked = server.asked.recv().unwrap();
    assert_eq!(asked.line, "POST /uuid/fail");
    assert!(
        asked.body.starts_with("Backup nightly on srv.example.org has FAILED."),
        "{}",
        asked.body
    );
    let (told, _) = test(&machine.context, &machine.name).unwrap();
    assert!(only(&told).success);
    assert_eq!(server.asked.recv().unwrap().line, "GET /uuid/log", "a test is no run");
}

#[test]
fn prometheus_reads_a_whole_file() {
    let machine = Machine::new(&[("PrometheusFolder", "/nonexistent/folder")]);
    let told = machine.tell(&machine.run(Status::Success));
    assert!(only(&told).message.is_some());
    let folder = machine.path("collector");
    fs::create_dir(&folder).unwrap();
    let machine = Machine::new(&[("PrometheusFolder", folder.to_str().unwrap())]);
    let run = failed(&machine);
    crate::journal::write_state(&machine.context, &machine.name, &run).unwrap();
    assert!(only(&machine.tell(&run)).success);
    let text = fs::read_to_string(folder.join("holdfast-nightly.prom")).unwrap();
    for line in [
        "holdfast_last_run_success{backup=\"nightly\"} 0",
        "holdfast_last_run_exit_code{backup=\"nightly\"} 1",
        "holdfast_failures{backup=\"nightly\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    assert!(!text.contains("last_good"), "what is not known is not said");
    assert_eq!(fs::read_dir(folder).unwrap().count(), 1);
}
