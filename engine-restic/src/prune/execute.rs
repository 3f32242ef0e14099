//! The plan carried out, in an order that may end anywhere.

use std::collections::BTreeSet;
use std::sync::Arc;

use engine_api::{Event, Phase, Problem, Progress, PruneReport};

use super::plan::Fate;
use super::{Prepared, repack};
use crate::Id;
use crate::error::{Error, Result};
use crate::index::{Index, LoadedFile, PackNumber, Rewriter};
use crate::lock::Lock;
use crate::parallel;
use crate::repository::{FileKind, Repository};

/// Blobs below which an index file is small, and how many small files are put together.
const SMALL_FILE: usize = 5_000;
const MANY_FILES: usize = 10;

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
    let old = rewrite_index(repository, &index, &files, &plan.fates, progress)?;
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

/// Writes what stays of the index files that name a pack that goes; returns those files, which may be removed then.
fn rewrite_index(
    repository: &Repository,
    index: &Index,
    files: &[LoadedFile],
    fates: &[Fate],
    progress: &dyn Progress,
) -> Result<Vec<Id>> {
    let stays = |pack: PackNumber| fates.get(pack.position()) == Some(&Fate::Keep);
    let old = to_rewrite(index, files, &stays);
    progress.event(Event::Phase {
        phase: Phase::WritingIndex,
        total: Some(old.len() as u64),
    });
    let mut rewriter = Rewriter::new(repository);
    for file in files.iter().filter(|file| old.contains(&file.id)) {
        if progress.cancelled() {
            return Err(Error::Interrupted);
        }
        for pack in file.packs.clone().map(PackNumber::at).filter(|pack| stays(*pack)) {
            rewriter.copy(index, pack)?;
        }
        progress.event(Event::Advanced(1));
    }
    rewriter.finish()?;
    Ok(old.into_iter().collect())
}

fn to_rewrite(index: &Index, files: &[LoadedFile], stays: &dyn Fn(PackNumber) -> bool) -> BTreeSet<Id> {
    let is_small = |file: &&LoadedFile| index.blob_count(file.packs.clone()) < SMALL_FILE;
    let many_small = files.iter().filter(is_small).count() >= MANY_FILES;
    let is_old = |file: &&LoadedFile| {
        let names_what_goes = file.packs.clone().map(PackNumber::at).any(|pack| !stays(pack));
        let repeats_what_goes = file.repeated.iter().any(|pack| !stays(*pack));
        names_what_goes || repeats_what_goes || (many_small && is_small(file))
    };
    files.iter().filter(is_old).map(|file| file.id).collect()
}

/// Removes files. A pack that cannot be removed is told, and the error in the end: the others go all the same.
fn remove(repository: &Repository, lock: &Lock, kind: FileKind, ids: &[Id], progress: &dyn Progress) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    progress.event(Event::Phase {
        phase: Phase::Removing,
        total: Some(ids.len() as u64),
    });
    let mut failure = None;
    parallel::each(
        ids,
        repository.store().capabilities().concurrency.max(1),
        |id| {
            if progress.cancelled() {
                return Err(Error::Interrupted);
            }
            lock.check()?;
            Ok(repository.remove(kind, *id))
        },
        |id, removed| {
            progress.event(Event::Advanced(1));
            if let Err(error) = removed {
                tell(progress, kind.object(*id), &error);
                failure.get_or_insert(error);
            }
            Ok(())
        },
    )?;
    failure.map_or(Ok(()), Err)
}

fn tell(progress: &dyn Progress, object: String, error: &Error) {
    let problem = Problem {
        path: object.into(),
        action: "remove",
        cause: error.to_string(),
    };
    progress.event(Event::Problem(&problem));
}
