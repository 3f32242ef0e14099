use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Mutex;

use super::*;
use crate::layout::Surroundings;

#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Listener for Heard {
    fn note(&self, note: &Note<'_>) {
        let line = note.line().map(|line| line.split(" [").next().unwrap().to_owned());
        self.0.lock().unwrap().extend(line);
    }

    fn cancelled(&self) -> bool {
        false
    }
}

struct Machine {
    folder: tempfile::TempDir,
    layout: Layout,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("var/lib/nethserver/db")).unwrap();
        let layout = Layout::find(&Surroundings {
            root: Some(folder.path().to_owned()),
            ..Surroundings::default()
        });
        Self {
            folder,
            layout: layout.unwrap(),
        }
    }

    fn action(&self, below: &str, text: &str) {
        let path = self.folder.path().join("etc/e-smith/events").join(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o554)).unwrap();
    }

    fn signal(&self, event: &str, words: &[&str]) -> (EventReport, Vec<String>) {
        let heard = Heard::default();
        let event = Event::find(&self.layout, event, words.iter().map(Into::into).collect()).unwrap();
        let report = event.with_limit(Duration::from_millis(300)).execute(&heard);
        let root = self.folder.path().to_str().unwrap();
        let lines = heard.0.into_inner().unwrap();
        (report, lines.iter().map(|line| line.replace(root, "")).collect())
    }
}

#[test]
fn a_failing_or_hanging_action_does_not_stop_the_following_ones() {
    let machine = Machine::new();
    machine.action("test/S20fails", "echo why; exit 3");
    machine.action("test/S10first", "echo \"$*\"");
    machine.action("test/S30hangs", "exec sleep 1000");
    machine.action("test/S40last", "true");
    let (report, lines) = machine.signal("test", &["a", "b c"]);
    assert_eq!(
        lines,
        [
            "Event: test a b c",
            "  test a b c",
            "Action: /etc/e-smith/events/test/S10first SUCCESS",
            "  why",
            "Action: /etc/e-smith/events/test/S20fails FAILED: 3",
            "Action: /etc/e-smith/events/test/S30hangs FAILED: 124 (stopped after 0.3 seconds)",
            "Action: /etc/e-smith/events/test/S40last SUCCESS",
            "Event: test FAILED",
        ]
    );
    let complaints = [
        "S20fails of test: exit code 3",
        "S30hangs of test: stopped after 0.3 seconds",
    ];
    assert_eq!(report.complaints(), complaints);
}

#[test]
fn templates_and_services_add_their_actions() {
    let machine = Machine::new();
    machine.action("actions/generic_template_expand", "echo templates for $1");
    machine.action("actions/adjust-services", "echo services of $1");
    machine.action("test/S50own", "true");
    for data in ["templates2expand", "services2adjust"] {
        fs::create_dir(machine.layout.events.join("test").join(data)).unwrap();
    }
    let (report, _) = machine.signal("test", &[]);
    let names: Vec<_> = report.actions.iter().map(|action| action.name.as_str()).collect();
    assert_eq!(names, ["S05generic_template_expand", "S50own", "S90adjust-services"]);
    assert!(report.success());
}

#[test]
fn what_is_no_event_is_refused() {
    let machine = Machine::new();
    machine.action("actions/x", "true");
    for name in ["actions", "", "../etc", "a/b", "."] {
        assert!(
            matches!(Event::find(&machine.layout, name, Vec::new()), Err(Error::Usage(_))),
            "{name}"
        );
        assert!(
            Event::find_if_there(&machine.layout, name, Vec::new()).is_err(),
            "{name}"
        );
    }
    assert!(matches!(
        Event::find(&machine.layout, "none", Vec::new()),
        Err(Error::Io { .. })
    ));
    assert!(
        Event::find_if_there(&machine.layout, "none", Vec::new())
            .unwrap()
            .is_empty()
    );
}

#[test]
fn the_system_log_gets_its_lines_and_is_never_waited_for() {
    let machine = Machine::new();
    SystemLog::of(&machine.layout).line("nobody listens");
    let dev = machine.folder.path().join("dev");
    fs::create_dir(&dev).unwrap();
    let socket = std::os::unix::net::UnixDatagram::bind(dev.join("log")).unwrap();
    let log = SystemLog::of(&machine.layout);
    log.line("Event: test");
    let mut buffer = [0; 200];
    let length = socket.recv(&mut buffer).unwrap();
    let line = String::from_utf8_lossy(&buffer[..length]).into_owned();
    assert_eq!(line, format!("<142>esmith::event[{}]: Event: test", std::process::id()));
    // A reader that does not read fills the queue.
    (0..5000).for_each(|_| log.line("more"));
}
