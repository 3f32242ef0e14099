//! The check after a run: whether what is stored can still be restored.

use engine_api::{CheckReport, CheckRequest, Finding, Progress, ReadData, Severity};
use jiff::Timestamp;

use super::{Plan, RunReport, Step, Watcher};
use crate::context::Context;
use crate::error::Error;
use crate::journal::{self, PastCheck};
use crate::open::Repository;
use crate::site::Which;
use crate::text;

/// A check, with how much it was to read.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// What was found.
    pub report: CheckReport,
    /// How much data was read.
    pub read: ReadData,
    /// When it was over.
    pub at: Timestamp,
}

impl Checked {
    /// The first finding that is an error, in a line.
    #[must_use]
    pub fn first_error(&self) -> Option<String> {
        let is_error = |finding: &&Finding| finding.severity == Severity::Error;
        let first = self.report.findings.iter().find(is_error)?;
        Some(format!("{}: {}", first.object, first.message))
    }
}

/// How many findings stand in the log of a run.
const NAMED: usize = 20;

/// The lines that tell a check.
pub(super) fn lines(checked: &Checked) -> Vec<String> {
    let report = &checked.report;
    let errors = report
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error);
    let line = |finding: &Finding| {
        format!(
            "error: {}: {}",
            text::clean(&finding.object),
            text::clean(&finding.message)
        )
    };
    let mut lines: Vec<String> = errors.take(NAMED).map(line).collect();
    let read = match checked.read {
        ReadData::Nothing => "no data read".to_owned(),
        _ => format!("{} read", text::size(report.bytes_read)),
    };
    let found = match report.errors {
        0 => "no errors".to_owned(),
        errors => text::count(errors, "error"),
    };
    lines.push(format!(
        "Checked: {}, {read}, {found}",
        text::count(report.snapshots, "snapshot")
    ));
    lines
}

impl Plan<'_> {
    /// Checks the repository where the record wants it now; damage makes the run a failure, whatever is saved.
    pub(super) fn check(
        &self,
        repository: &Repository,
        watcher: &dyn Watcher,
        report: &mut RunReport,
    ) -> engine_api::Result<()> {
        let checking = self.job.checking;
        let state = journal::state(self.context, &self.job.name)?;
        let last = state.as_ref().and_then(|state| state.last_check.as_ref());
        // What was found damaged is looked at each time, until it is mended.
        let (good, damaged) = (
            last.filter(|last| last.errors == 0),
            last.filter(|last| last.errors > 0),
        );
        let time = good.and_then(|last| last.time.parse().ok());
        if self.options.dry_run || !checking.when.is_due(&report.started, time) {
            return Ok(());
        }
        let again = damaged.and_then(|damaged| ReadData::parse(&damaged.read));
        let part = state.as_ref().and_then(|state| state.last_part.as_deref());
        let read = again.unwrap_or_else(|| checking.data.next(part));
        let found = repository.engine().check(&CheckRequest { read }, watcher)?;
        let checked = Checked {
            report: found,
            read,
            at: Timestamp::now(),
        };
        watcher.step(&Step::Checked { checked: &checked });
        let damage = checked.first_error().map(|first| Error::Damaged {
            location: repository.site.location.clone(),
            selector: repository.site.selector.clone(),
            errors: checked.report.errors,
            in_data: read != ReadData::Nothing,
            first,
        });
        report.check = Some(checked);
        damage.map_or(Ok(()), |damage| Err(damage.into()))
    }
}

impl Repository {
    /// Looks whether everything can still be restored. Of a job's repository it is kept, so that its overview tells.
    ///
    /// # Errors
    /// When the check itself could not be made; what it finds is in the report.
    pub fn check(&self, context: &Context, read: ReadData, progress: &dyn Progress) -> engine_api::Result<CheckReport> {
        let report = self.engine().check(&CheckRequest { read }, progress)?;
        if let Which::Job(name) = &self.site.access.which {
            let checked = Checked {
                report,
                read,
                at: Timestamp::now(),
            };
            // What was found counts more than that it could not be kept.
            let _ = journal::note_check(context, name, &PastCheck::from(&checked));
            return Ok(checked.report);
        }
        Ok(report)
    }
}
