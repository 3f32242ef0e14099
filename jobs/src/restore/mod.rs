//! Naming a snapshot and bringing it back.

mod beside;
mod place;
mod room;
mod whole;

use std::path::{Path, PathBuf};

use engine_api::{
    ErrorKind, Overwrite, Progress, RestoreReport, RestoreRequest, Silent, Snapshot, SnapshotFilter, SnapshotRef,
};

use crate::context::Context;
use crate::error::Error;
use crate::open::Repository;
use crate::when;

pub use whole::{WholeReport, WholeStep, restore_data};

/// What to bring back, and where to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restore {
    /// Absolute paths as they were saved; empty means everything.
    pub paths: Vec<PathBuf>,
    /// The folder under which they are put; `/` is where they came from.
    pub target: PathBuf,
    /// Put each of `paths` beside what is there, under its name with the snapshot's day (`letter.txt_2021-03-05`), and a
    /// number behind it where that name is taken.
    pub beside: bool,
    /// What to do with what is there.
    pub overwrite: Overwrite,
    /// Remove what the snapshot has not, below the restored folders.
    pub delete_extra: bool,
    /// Take owners by their number; otherwise by name, and by number where this system has not that name.
    pub numeric_owners: bool,
    /// Write runs of zeros as holes.
    pub sparse: bool,
    /// Read everything again afterwards and compare.
    pub verify: bool,
    /// Do everything but write.
    pub dry_run: bool,
}

/// One of the paths that were asked for, and where it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Its path in the snapshot.
    pub saved: PathBuf,
    /// Where it was put.
    pub restored: PathBuf,
}

/// What a restore did.
#[derive(Debug)]
pub struct Restored {
    /// Its numbers.
    pub report: RestoreReport,
    /// The paths that were asked for; none when everything was.
    pub placed: Vec<Placed>,
}

impl Restore {
    /// Everything under `target`, leaving alone what is right already.
    #[must_use]
    pub fn under(target: PathBuf) -> Self {
        Self {
            paths: Vec::new(),
            target,
            beside: false,
            overwrite: Overwrite::IfChanged,
            delete_extra: false,
            numeric_owners: false,
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
        context: &Context,
        snapshot: &Snapshot,
        restore: &Restore,
        progress: &dyn Progress,
    ) -> engine_api::Result<Restored> {
        if restore.beside {
            return beside::run(self, context, snapshot, restore, progress);
        }
        let report = self
            .engine()
            .restore(&restore.request(snapshot, &restore.paths, &restore.target), progress)?;
        let placed = |path: &PathBuf| Placed {
            saved: path.clone(),
            restored: restore.target.join(path.strip_prefix("/").unwrap_or(path)),
        };
        Ok(Restored {
            placed: restore.paths.iter().map(placed).collect(),
            report,
        })
    }
}

impl Restore {
    /// What an engine is asked for.
    fn request(&self, snapshot: &Snapshot, paths: &[PathBuf], target: &Path) -> RestoreRequest {
        RestoreRequest {
            snapshot: SnapshotRef::Id(snapshot.id.0.clone()),
            filter: SnapshotFilter::default(),
            paths: paths.to_vec(),
            target: target.to_owned(),
            overwrite: self.overwrite,
            delete_extra: self.delete_extra,
            numeric_owners: self.numeric_owners,
            sparse: self.sparse,
            verify: self.verify,
            dry_run: self.dry_run,
        }
    }
}

fn describe(host: &str, tags: &[String]) -> String {
    match tags {
        [] => host.to_owned(),
        [tag] => format!("{host} with the tag {tag}"),
        tags => format!("{host} with the tags {}", tags.join(", ")),
    }
}
