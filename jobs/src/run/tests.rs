use super::*;

#[test]
fn pruning_has_its_day() {
    let sunday: Zoned = "2021-03-14T23:59:00+01:00[Europe/Rome]".parse().unwrap();
    let monday: Zoned = "2021-03-15T00:01:00+01:00[Europe/Rome]".parse().unwrap();
    assert!(prunes_on(Prune::Weekday(0), &sunday) && !prunes_on(Prune::Weekday(0), &monday));
    assert!(prunes_on(Prune::Weekday(1), &monday));
    assert!(prunes_on(Prune::Always, &sunday) && prunes_on(Prune::Always, &monday));
}

/// Keeps the lines that it is told.
#[derive(Default)]
struct Heard(std::sync::Mutex<Vec<String>>);

impl Progress for Heard {
    fn event(&self, _: engine_api::Event<'_>) {}

    fn cancelled(&self) -> bool {
        false
    }
}

impl Watcher for Heard {
    fn step(&self, step: &Step<'_>) {
        self.0.lock().unwrap().extend(step.lines());
    }
}

#[test]
fn d17_a_panic_is_an_error_like_any_other() {
    // What it writes to standard error belongs to the test.
    let error = execute::caught(|| panic!("an index of {}", 7)).unwrap_err();
    assert_eq!(error.to_string(), "the run broke off: an index of 7");
    assert_eq!(error.kind(), engine_api::ErrorKind::Failed);
    assert!(execute::caught(|| Ok(())).is_ok());
}

#[test]
fn a_full_disk_of_logs_is_said_once_and_stops_nothing() {
    let heard = Heard::default();
    let full = std::fs::OpenOptions::new().append(true).open("/dev/full").unwrap();
    let log = files::Log::of("/dev/full".into(), full, &heard);
    for text in ["one", "two"] {
        log.step(&Step::Warning { text });
    }
    let lines = heard.0.into_inner().unwrap();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(
        lines[0].starts_with("Warning: cannot write the log /dev/full: "),
        "{lines:?}"
    );
    assert_eq!(lines[1..], ["Warning: one", "Warning: two"]);
}
