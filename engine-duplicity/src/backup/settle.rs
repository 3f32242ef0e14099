//! What an interrupted run left: gone on with, cleared away, or left to whoever it belongs to.

use engine_api::{Event, Key, Progress, StoreErrorKind, Timestamp};

use super::journal::{self, Noted};
use crate::archive::Archive;
use crate::chain::{Collection, Set};
use crate::engine::DuplicityEngine;
use crate::error::{Error, Result};
use crate::format::SetId;

/// How long a set that another machine has begun may be taken for alive, in seconds.
const ALIVE: i64 = 12 * 3600;

/// Looks at what lies in the archive folder and on the storage. Gives the run that can be gone on with; all other
/// leftovers of this machine are gone then, and `collection` is as it is now.
pub fn run(
    engine: &DuplicityEngine,
    archive: &Archive,
    collection: &mut Collection,
    fingerprint: &str,
    dry_run: bool,
    progress: &dyn Progress,
) -> Result<Option<Noted>> {
    let noted = journal::read(archive)?;
    let left = noted.as_ref().map(|noted| noted.set);
    let partial = partial_sets(archive)?;
    if dry_run {
        return Ok(None);
    }
    if let Some(noted) = noted
        && partial.is_empty()
        && journal::is_whole(archive)
        && can_go_on(&noted, collection, fingerprint)
    {
        let next = u32::try_from(noted.volumes.len()).unwrap_or(u32::MAX - 1) + 1;
        remove_volumes(engine, noted.set, next)?;
        others(engine, collection, Some(noted.set), progress)?;
        return Ok(Some(noted));
    }
    let mut removed = false;
    // Whoever made them held the lock that is held here now: they are dead.
    for set in partial.into_iter().chain(left) {
        let complete = collection.restorable().iter().any(|(_, found)| found.id == set);
        if complete {
            continue;
        }
        let text = format!("{set} was interrupted; what is left of it is removed");
        progress.event(Event::Notice(&text));
        discard_files(engine, set)?;
        removed = true;
    }
    journal::clear(archive)?;
    if removed {
        *collection = engine.collection()?;
    }
    others(engine, collection, None, progress)?;
    Ok(None)
}

/// The set that an interrupted backup on this machine, or one of duplicity's that shares the archive folder, may still go
/// on with; runs that noted settings beginning with `but` do not count.
pub fn unfinished(archive: &Archive, but: &str) -> Result<Option<SetId>> {
    let noted = journal::read(archive)?.filter(|noted| !noted.volumes.is_empty() && !noted.settings.starts_with(but));
    let partial = partial_sets(archive)?.into_iter().next();
    Ok(noted.map(|noted| noted.set).or(partial))
}

/// The sets of which unfinished files lie in the archive folder.
fn partial_sets(archive: &Archive) -> Result<Vec<SetId>> {
    let files = archive.files()?;
    let mut sets: Vec<SetId> = files
        .into_iter()
        .filter(|(name, _)| name.partial)
        .map(|(name, _)| name.set)
        .collect();
    sets.sort_unstable();
    sets.dedup();
    Ok(sets)
}

/// Whether the run can be gone on with: the same is wanted, nothing was stored since, and its volumes are what it noted.
fn can_go_on(noted: &Noted, collection: &Collection, fingerprint: &str) -> bool {
    let start = collection.latest_set().map(|set| set.id.end());
    let fits = match noted.set {
        SetId::Full(time) => start.is_none_or(|start| start < time),
        SetId::Increment { start: glued, .. } => start == Some(glued),
    };
    let Some(set) = collection.incomplete.iter().find(|set| set.id == noted.set) else {
        return false;
    };
    let same = |(number, volume): (u32, &super::journal::StoredVolume)| {
        set.volumes.get(&number).is_some_and(|stored| stored.size == volume.len)
    };
    fits && noted.settings == fingerprint
        && !noted.volumes.is_empty()
        && set.manifest.is_none()
        && set.doubles.is_empty()
        && (1..).zip(&noted.volumes).all(same)
}

/// Sets that others have begun: a young one may be alive, an old one is left for a cleanup that somebody asks for.
fn others(
    engine: &DuplicityEngine,
    collection: &Collection,
    own: Option<SetId>,
    progress: &dyn Progress,
) -> Result<()> {
    let latest = collection.latest_set().map(|set| set.id.end());
    let foreign = |set: &&Set| Some(set.id) != own && latest.is_none_or(|latest| set.id.end() > latest);
    for set in collection.incomplete.iter().filter(foreign) {
        let age = Timestamp::now().seconds - set.id.end().seconds();
        if age < ALIVE {
            return Err(Error::OtherWriter {
                what: format!("an unfinished {}", set.id),
                location: engine.blobs().location().to_owned(),
            });
        }
        let text = format!(
            "an unfinished {} lies at the destination; `holdfast prune` removes it",
            set.id
        );
        progress.event(Event::Notice(&text));
    }
    Ok(())
}

/// Throws away a run that was interrupted, here and on the storage.
pub fn discard(engine: &DuplicityEngine, archive: &Archive, set: SetId) -> Result<()> {
    discard_files(engine, set)?;
    journal::clear(archive)
}

fn discard_files(engine: &DuplicityEngine, set: SetId) -> Result<()> {
    let collection = engine.collection()?;
    let loose = collection.incomplete.iter().chain(&collection.stray_signatures);
    for found in loose.filter(|found| found.id == set) {
        for file in found.files_to_remove() {
            remove(engine, &file.key)?;
        }
    }
    Ok(())
}

/// Removes the volumes of an unfinished set from this number on, and its signature file.
pub fn remove_volumes(engine: &DuplicityEngine, set: SetId, from: u32) -> Result<()> {
    let collection = engine.collection()?;
    for found in collection.incomplete.iter().filter(|found| found.id == set) {
        let later = found.volumes.range(from..).rev().map(|(_, file)| file);
        for file in found.signatures.iter().chain(later) {
            remove(engine, &file.key)?;
        }
    }
    Ok(())
}

fn remove(engine: &DuplicityEngine, key: &Key) -> Result<()> {
    match engine.blobs().remove(key) {
        Err(error) if error.kind != StoreErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
