use std::sync::{Mutex, PoisonError};

use engine_api::{CheckReport, Finding, Severity};

/// What was found.
#[derive(Default)]
pub(super) struct Findings(Mutex<CheckReport>);

impl Findings {
    /// Something that cannot be restored, or soon could not.
    pub(super) fn error(&self, object: String, message: &str) {
        self.push(Severity::Error, object, message);
    }

    /// Something that is only worth knowing.
    pub(super) fn hint(&self, object: String, message: &str) {
        self.push(Severity::Hint, object, message);
    }

    fn push(&self, severity: Severity, object: String, message: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Finding {
            severity,
            object,
            message: message.to_owned(),
        });
    }

    /// Puts all of it into the report.
    pub(super) fn put_into(self, report: &mut CheckReport) {
        let found = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        report.findings = found.findings;
        report.errors = found.errors;
    }
}
