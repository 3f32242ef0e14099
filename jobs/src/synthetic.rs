//! A full backup made of what is stored, which only duplicity's chains need.

use engine_api::{Age, Progress, Timestamp};
use engine_duplicity::{SyntheticReport, SyntheticRequest};

use crate::context::Context;
use crate::open::{Repository, is_full_day};
use crate::text;

/// From this age of the last full set another one is due, whatever the day.
const OLDEST: Age = Age {
    years: 0,
    months: 0,
    days: 8,
    hours: 0,
};

impl Repository {
    /// Makes a full set of the state that the latest chain brings, without reading what was saved; with `dry_run`, everything
    /// is read and proved, and nothing is written. Where the last set is a full one already, nothing is done.
    ///
    /// # Errors
    /// When the repository is of another engine, or anything of that state is lost or damaged: then no set is made.
    pub fn synthetic_full(&self, dry_run: bool, progress: &dyn Progress) -> engine_api::Result<SyntheticReport> {
        let request = SyntheticRequest { dry_run };
        self.duplicity()?.synthetic_full(request, progress)
    }

    /// Whether a full set is due by the record's day or the last one's age, and there is an increment to make it of.
    pub(crate) fn is_full_due(&self, context: &Context) -> engine_api::Result<bool> {
        let status = self.duplicity()?.collection_status()?;
        let Some(chain) = status.chains.last().filter(|chain| chain.sets.len() > 1) else {
            return Ok(false);
        };
        let is_old = chain.start < OLDEST.before(Timestamp::now(), &context.zone);
        Ok(is_old || is_full_day(context, &self.site))
    }
}

/// What was done, in lines.
#[must_use]
pub fn lines(report: &SyntheticReport, dry_run: bool) -> Vec<String> {
    if report.sets == 1 {
        let last = &report.state_of;
        return vec![format!("The last backup, {last}, is a full one: nothing to do")];
    }
    let made = match &report.snapshot {
        Some(id) => format!("Full backup {id} made"),
        None => "A full backup can be made".to_owned(),
    };
    let stored = if dry_run { "would be stored" } else { "stored" };
    vec![
        format!(
            "{made} of {}, with the state of {}: {}, {}",
            text::count(report.sets as u64, "set"),
            report.state_of,
            text::count(report.files, "file"),
            text::size(report.bytes),
        ),
        format!(
            "{} read, {} {stored}, in {}",
            text::size(report.bytes_read),
            text::size(report.bytes_stored),
            text::clock(report.duration),
        ),
    ]
}
