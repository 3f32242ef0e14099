//! The plan carried out, in an order that may end anywhere.

use std::sync::Arc;

use engine_api::{Progress, PruneReport};

use super::plan::Fate;
use super::{Prepared, repack};
use crate::Id;
use crate::error::Result;
use crate::index::{self, PackNumber};
use crate::lock::Lock;
use crate::removal::remove;
use crate::repository::{FileKind, Repository};

/// Does what was planned.
pub fn run(
    repository: &Arc<Repository>,
    lock: &Arc<Lock>,
    prepared: Prepared,
    progress: &dyn Progress,
) -> Result<PruneReport> {
    let unindexed: Vec<Id> = prepared.inventory.unindexed.iter().map(|(id, _)| *id).collect();
    // Nobody needs these, and the room they take may be needed for what follows.
    remove(repository, lock, FileKind::Pack, &unindexed, progress)?;
    repack::run(repository, lock, &prepared, progress)?;
    let Prepared { index, files, plan, .. } = prepared;
    drop(plan.keep);
    let stays = |pack: PackNumber| plan.fates.get(pack.position()) == Some(&Fate::Keep);
    let old = index::rewrite(repository, &index, &files, &stays, &[], progress)?;
    let goes = |fate: Fate| matches!(fate, Fate::Remove | Fate::Repack);
    let packs: Vec<Id> = index
        .packs()
        .zip(&plan.fates)
        .filter(|(_, fate)| goes(**fate))
        .map(|((_, id), _)| id)
        .collect();
    drop(index);
    // Should one of them stay, its packs must stay as well.
    remove(repository, lock, FileKind::Index, &old, progress)?;
    remove(repository, lock, FileKind::Pack, &packs, progress)?;
    Ok(plan.report)
}
