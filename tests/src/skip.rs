//! Tests that cannot run here say so, and are counted.

use std::fs::OpenOptions;
use std::io::Write;

/// The file that gets one line for each skipped test, so that a script can count them.
pub const SKIPPED_FILE: &str = "HOLDFAST_TEST_SKIPPED";

/// Notes that `test` is skipped because of `reason`: on standard error, past the test harness's capture, and in the
/// file that [`SKIPPED_FILE`] names.
pub fn note(test: &str, reason: &str) {
    tell(&format!("skipped {test}: {reason}\n"));
}

/// Notes that the calling test runs without a part of what it should look at.
pub fn partly(what: &str, reason: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    tell(&format!("partly {test}, without {what}: {reason}\n"));
}

fn tell(line: &str) {
    if let Ok(mut terminal) = OpenOptions::new().append(true).open("/dev/stderr") {
        let _ = terminal.write_all(line.as_bytes());
    }
    if let Some(path) = std::env::var_os(SKIPPED_FILE) {
        let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
        file.write_all(line.as_bytes()).unwrap();
    }
}

/// The value of an `Option`; without one the calling test is skipped for the given reason.
#[macro_export]
macro_rules! need {
    ($value:expr, $reason:expr) => {
        match $value {
            Some(value) => value,
            None => {
                let test = std::thread::current().name().unwrap_or("a test").to_owned();
                $crate::skip::note(&test, $reason);
                return;
            }
        }
    };
}
