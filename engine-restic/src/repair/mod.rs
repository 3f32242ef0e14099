//! What can be mended without the lost data.
//!
//! First the index is made to say what the packs hold. With snapshots to be mended, all data is then read: what is intact
//! in a damaged pack moves to new ones before that goes, and every snapshot that lost something is written again with
//! what is left. Each step leaves a repository that the next run can go on from.

mod index;
mod listing;
mod notes;
mod packs;
mod rewriter;
mod snapshots;
mod state;

use std::sync::Arc;

use engine_api::{Progress, RepairReport, RepairRequest};

use crate::ResticEngine;
use crate::error::{Error, Result};
use crate::lock::{Lock, Mode};
use crate::repository::Repository;
use notes::Notes;

/// What every step works with.
struct Repair<'r> {
    repository: &'r Arc<Repository>,
    /// The same without the local cache, to see what the storage has.
    bare: &'r Arc<Repository>,
    /// `None` in a dry run.
    lock: Option<Arc<Lock>>,
    progress: &'r dyn Progress,
    notes: Notes,
}

/// Mends what the request says. Mending snapshots mends the index first: what only is in no index is not lost.
pub fn run(engine: &ResticEngine, request: &RepairRequest, progress: &dyn Progress) -> Result<RepairReport> {
    if !request.index && !request.snapshots {
        return Err(Error::Usage(
            "choose what to repair: the index, the snapshots, or both".to_owned(),
        ));
    }
    let repository = engine.repository();
    let bare = Arc::new(repository.without_cache());
    engine.drop_index();
    let (lock, _reading) = if request.dry_run {
        (None, Lock::for_reading(&repository, progress)?)
    } else {
        (
            Some(Arc::new(Lock::take(&repository, Mode::Exclusive, progress)?)),
            None,
        )
    };
    let repair = Repair {
        repository: &repository,
        bare: &bare,
        lock,
        progress,
        notes: Notes::default(),
    };
    let mut state = index::mend(&repair)?;
    if request.snapshots {
        packs::read_all(&repair, &mut state)?;
    }
    let state = packs::mend(&repair, state)?;
    if request.snapshots {
        snapshots::mend(&repair, &state.loaded.index, request.forget)?;
    }
    Ok(repair.notes.into_report())
}

impl Repair<'_> {
    fn stop_if_cancelled(&self) -> Result<()> {
        if self.progress.cancelled() {
            Err(Error::Interrupted)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests;
