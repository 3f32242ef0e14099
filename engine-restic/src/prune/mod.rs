//! Data that no snapshot needs, removed: find what is used, plan, execute, report.
//!
//! The order of the execution keeps the repository good wherever it ends: what moves is stored in new packs, then come
//! the index files that name everything that stays, then the old index files go, and at last the old packs. A run that
//! ended early leaves packs without an index entry, or blobs twice; the next run tidies up either.

mod copies;
mod execute;
mod plan;
mod repack;
mod settling;
mod used;

use std::sync::Arc;

use engine_api::{Event, Phase, Progress, PruneReport, PruneRequest};

use crate::error::{Error, Result};
use crate::index::{self, Index, Tolerant};
use crate::inventory::Inventory;
use crate::lock::Lock;
use crate::repository::{FileKind, Repository};
use crate::{Id, ResticEngine, snapshots};
use plan::Plan;

/// Removes what no snapshot needs, or says what would be removed.
pub fn run(engine: &ResticEngine, request: &PruneRequest, progress: &dyn Progress) -> Result<PruneReport> {
    let most_unused = most_unused(request.max_unused)?;
    let repository = engine.repository();
    if request.dry_run {
        let _lock = Lock::for_reading(&repository, progress)?;
        return Ok(prepare(engine, &repository, request, most_unused, progress)?
            .plan
            .report);
    }
    let (lock, prepared) = settling::lock_and_plan(&repository, progress, &|| {
        prepare(engine, &repository, request, most_unused, progress)
    })?;
    execute::run(&repository, &lock, prepared, progress)
}

/// Everything that the execution needs.
struct Prepared {
    /// The snapshots that were there, by name.
    snapshots: Vec<Id>,
    index: Arc<Index>,
    files: Vec<index::LoadedFile>,
    inventory: Inventory,
    plan: Plan,
}

/// The unneeded bytes that may stay for each needed one.
fn most_unused(share: f64) -> Result<f64> {
    if share.is_nan() || share < 0.0 {
        return Err(Error::Usage(format!(
            "{share} is no share of unneeded data: it must be 0 or more"
        )));
    }
    Ok(if share >= 1.0 {
        f64::INFINITY
    } else {
        share / (1.0 - share)
    })
}

fn prepare(
    engine: &ResticEngine,
    repository: &Arc<Repository>,
    request: &PruneRequest,
    most_unused: f64,
    progress: &dyn Progress,
) -> Result<Prepared> {
    let list = || repository.list(FileKind::Pack);
    std::thread::scope(|scope| {
        // The longest listing of all, while what is used is being found; a local disk is rather asked one by one.
        let early = (!repository.store().capabilities().local).then(|| scope.spawn(list));
        let packs = || match early {
            Some(listing) => listing.join().unwrap_or(Err(Error::Interrupted)),
            None => list(),
        };
        plan_with(engine, repository, request, most_unused, progress, packs)
    })
}

fn plan_with(
    engine: &ResticEngine,
    repository: &Arc<Repository>,
    request: &PruneRequest,
    most_unused: f64,
    progress: &dyn Progress,
    packs: impl FnOnce() -> Result<Vec<(Id, u64)>>,
) -> Result<Prepared> {
    let (stored, unreadable) = snapshots::load_all(repository)?;
    if let Some(unreadable) = unreadable.into_iter().next() {
        return Err(refuse(FileKind::Snapshot.object(unreadable.id), unreadable.error));
    }
    let Tolerant { index, files, .. } = load_index(engine, repository, progress)?;
    let roots: Vec<_> = stored.iter().map(|stored| stored.file.tree).collect();
    let mut snapshots: Vec<_> = stored.iter().map(|stored| stored.id).collect();
    snapshots.sort_unstable();
    drop(stored);
    let used = used::find(repository, &index, &roots, progress)?;
    let mut inventory = Inventory::compare(&index, packs()?);
    let keep = copies::choose(&index, used, &mut inventory)?;
    let limits = plan::Limits {
        unused_per_used: most_unused,
        repack: request.max_repack.unwrap_or(u64::MAX),
        small: repository.settings().pack_size() as u64 / 4,
        must_compress: repository.config().version >= 2,
    };
    let plan = plan::decide(&inventory, keep, &limits);
    Ok(Prepared {
        snapshots,
        index,
        files,
        inventory,
        plan,
    })
}

fn load_index(engine: &ResticEngine, repository: &Repository, progress: &dyn Progress) -> Result<Tolerant> {
    engine.drop_index();
    progress.event(Event::Phase {
        phase: Phase::LoadingIndex,
        total: None,
    });
    let mut loaded = index::load_tolerant(repository)?;
    if let Some((id, error)) = loaded.damaged.pop() {
        return Err(refuse(FileKind::Index.object(id), error));
    }
    match loaded.contradicted.first() {
        Some(pack) => Err(Error::damaged(
            "the index",
            format!("its files contradict each other about pack {pack}; nothing was removed"),
        )),
        None => Ok(loaded),
    }
}

/// The error for something without which nobody can say what is needed.
fn refuse(object: String, error: Error) -> Error {
    if error.is_loss() {
        let why = error.chain();
        Error::damaged(
            object,
            format!("{why}; nothing was removed, as nobody knows what it needs"),
        )
    } else {
        error
    }
}

#[cfg(test)]
mod tests;
