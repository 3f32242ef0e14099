//! Naming a snapshot and bringing it back.

use std::path::PathBuf;

use engine_api::{
    ErrorKind, Overwrite, Progress, RestoreReport, RestoreRequest, Silent, Snapshot, SnapshotFilter, SnapshotRef,
};

use crate::context::Context;
use crate::error::Error;
use crate::open::Repository;
use crate::when;

/// What to bring back, and where to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restore {
    /// Absolute paths as they were saved; empty means everything.
    pub paths: Vec<PathBuf>,
    /// The folder under which they are put; `/` is where they came from.
    pub target: PathBuf,
    /// What to do with what is there.
    pub overwrite: Overwrite,
    /// Remove what the snapshot has not, below the restored folders.
    pub delete_extra: bool,
    /// Write runs of zeros as holes.
    pub sparse: bool,
    /// Read everything again afterwards and compare.
    pub verify: bool,
    /// Do everything but write.
    pub dry_run: bool,
}

impl Restore {
    /// Everything under `target`, leaving alone what is right already.
    #[must_use]
    pub fn under(target: PathBuf) -> Self {
        Self {
            paths: Vec::new(),
            target,
            overwrite: Overwrite::IfChanged,
            delete_extra: false,
            sparse: true,
            verify: false,
            dry_run: false,
        }
    }
}

impl Repository {
    /// The snapshot that `text` names (see [`when::find`]) among those of `filter`.
    ///
    /// # Errors
    /// When none fits; [`Error::NoSnapshot`] when the filter lets none through at all.
    pub fn snapshot(
        &self,
        context: &Context,
        filter: &SnapshotFilter,
        text: Option<&str>,
        progress: &dyn Progress,
    ) -> engine_api::Result<Snapshot> {
        let found = when::find(self.engine(), context, filter, text, progress);
        let Err(error) = found else {
            return found;
        };
        let own = error.downcast_ref::<Error>().is_some();
        if own || error.kind() != ErrorKind::Usage || !self.engine().snapshots(filter, &Silent)?.is_empty() {
            return Err(error);
        }
        let mut others: Vec<String> = Vec::new();
        for snapshot in self
            .engine()
            .snapshots(&SnapshotFilter::default(), &Silent)?
            .iter()
            .rev()
        {
            let text = describe(&snapshot.host, &snapshot.tags);
            if !others.contains(&text) && others.len() < 5 {
                others.push(text);
            }
        }
        let wanted = describe(filter.host.as_deref().unwrap_or("any host"), &filter.tags);
        let location = self.site.location.clone();
        Err(Error::NoSnapshot {
            wanted,
            location,
            others,
        }
        .into())
    }

    /// Brings `snapshot`, or a part of it, back.
    ///
    /// # Errors
    /// When it could not begin or go on, or a path is not in the snapshot.
    pub fn restore(
        &self,
        snapshot: &Snapshot,
        restore: Restore,
        progress: &dyn Progress,
    ) -> engine_api::Result<RestoreReport> {
        let request = RestoreRequest {
            snapshot: SnapshotRef::Id(snapshot.id.0.clone()),
            filter: SnapshotFilter::default(),
            paths: restore.paths,
            target: restore.target,
            overwrite: restore.overwrite,
            delete_extra: restore.delete_extra,
            sparse: restore.sparse,
            verify: restore.verify,
            dry_run: restore.dry_run,
        };
        self.engine().restore(&request, progress)
    }
}

fn describe(host: &str, tags: &[String]) -> String {
    match tags {
        [] => host.to_owned(),
        [tag] => format!("{host} with the tag {tag}"),
        tags => format!("{host} with the tags {}", tags.join(", ")),
    }
}
