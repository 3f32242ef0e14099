//! A full backup made of what is stored, which only duplicity's chains need.

use engine_api::Progress;
use engine_duplicity::{SyntheticReport, SyntheticRequest};

use crate::open::Repository;

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
}
