use std::sync::Mutex;

use engine_api::{CheckReport, Finding, Severity};

use crate::parallel::lock;

/// What was found, by many threads.
#[derive(Default)]
pub struct Findings(Mutex<CheckReport>);

impl Findings {
    /// Something that cannot be restored, or soon could not.
    pub fn error(&self, object: String, message: &str) {
        self.push(Severity::Error, object, message);
    }

    /// Something that is only worth knowing.
    pub fn hint(&self, object: String, message: &str) {
        self.push(Severity::Hint, object, message);
    }

    fn push(&self, severity: Severity, object: String, message: &str) {
        lock(&self.0).push(Finding {
            severity,
            object,
            message: message.to_owned(),
        });
    }

    /// All of it.
    pub fn into_report(self) -> CheckReport {
        self.0.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
