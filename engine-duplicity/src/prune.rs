//! What belongs to no chain, removed: increments whose predecessor is gone, sets without a manifest, signatures alone.
//!
//! What a chain needs is never touched, and what another run may be writing at this moment stays.

use engine_api::{Event, Phase, Progress, PruneReport, PruneRequest, Timestamp};

use crate::DuplicityEngine;
use crate::archive::Archive;
use crate::chain::{Collection, Set, Stored};
use crate::error::{Error, Result};

/// How long an unfinished set may be taken for one that is being written, in seconds.
const ALIVE: i64 = 12 * 3600;

/// Removes what belongs to no chain, or says what would be removed.
pub(crate) fn run(engine: &DuplicityEngine, request: &PruneRequest, progress: &dyn Progress) -> Result<PruneReport> {
    let archive = (!request.dry_run).then(|| Archive::open(engine)).transpose()?;
    let collection = engine.collection()?;
    let doomed = doomed(engine, &collection, archive.as_ref(), progress)?;
    let mut report = PruneReport::default();
    let used = collection.restorable();
    report.bytes_used = used.iter().map(|(_, set)| set.bytes()).sum();
    report.packs_before = used.iter().map(|(_, set)| set.volumes.len() as u64).sum();
    for set in &doomed {
        report.bytes_unused += set.bytes();
        report.packs_before += set.volumes.len() as u64;
        let text = format!(
            "{} {}",
            if request.dry_run { "would remove" } else { "removing" },
            name(set)
        );
        progress.event(Event::Notice(&text));
    }
    if !request.dry_run {
        progress.event(Event::Phase {
            phase: Phase::Removing,
            total: Some(doomed.iter().map(|set| set.files_to_remove().count() as u64).sum()),
        });
    }
    for set in doomed {
        if !request.dry_run && !remove_all(engine, set, progress)? {
            continue;
        }
        report.bytes_freed += set.bytes();
        report.packs_removed += set.volumes.len() as u64;
    }
    if let Some(archive) = archive {
        archive.sync(engine, &engine.collection()?, &[])?;
    }
    Ok(report)
}

fn name(set: &Set) -> String {
    format!("{}: {} files", set.id, set.files_to_remove().count())
}

/// The sets that belong to no chain, but for those that may still be completed.
fn doomed<'c>(
    engine: &DuplicityEngine,
    collection: &'c Collection,
    archive: Option<&Archive>,
    progress: &dyn Progress,
) -> Result<Vec<&'c Set>> {
    let mut doomed: Vec<&Set> = collection.orphans.iter().collect();
    let begun = match archive {
        Some(archive) => archive.files()?.into_iter().filter(|(name, _)| name.partial).collect(),
        None => Vec::new(),
    };
    let latest = collection.latest_set().map(|set| set.id.end());
    for set in collection.incomplete.iter().chain(&collection.stray_signatures) {
        let is_newest = latest.is_none_or(|latest| set.id.end() > latest);
        let age = Timestamp::now().seconds - set.id.end().seconds();
        let resumable = begun.iter().any(|(name, _)| name.set == set.id) || has_partial(engine, set);
        if is_newest && (resumable || age < ALIVE) {
            let why = if resumable {
                "the next backup goes on with it"
            } else {
                "another run may be writing it; it is removed when it is half a day old"
            };
            progress.event(Event::Notice(&format!("{} stays: {why}", set.id)));
        } else {
            doomed.push(set);
        }
    }
    Ok(doomed)
}

/// Whether the archive folder has the beginnings of the set; asked without a lock, for a dry run.
fn has_partial(engine: &DuplicityEngine, set: &Set) -> bool {
    use crate::format::{Container, FileKind, FileName};
    let settings = engine.settings();
    let Some(folder) = &settings.archive else { return false };
    let name = FileName {
        partial: true,
        ..FileName::new(FileKind::Manifest, set.id, Container::Plain)
    };
    folder
        .join(&settings.archive_name)
        .join(name.write(&settings.prefixes))
        .exists()
}

/// Removes all files of a set, unless another machine has completed it meanwhile.
fn remove_all(engine: &DuplicityEngine, set: &Set, progress: &dyn Progress) -> Result<bool> {
    if set.manifest.is_none() {
        let now = engine.collection()?;
        let is_complete = now.restorable().iter().any(|(_, found)| found.id == set.id);
        if is_complete || now.orphans.iter().any(|found| found.id == set.id) {
            progress.event(Event::Notice(&format!("{} stays: it is complete now", set.id)));
            return Ok(false);
        }
    }
    for file in set.files_to_remove() {
        if progress.cancelled() {
            return Err(Error::Interrupted);
        }
        remove(engine, file)?;
        progress.event(Event::Advanced(1));
    }
    Ok(true)
}

fn remove(engine: &DuplicityEngine, file: &Stored) -> Result<()> {
    match engine.blobs().remove(&file.key) {
        Err(error) if !error.is_not_found() => Err(error.into()),
        _ => Ok(()),
    }
}
