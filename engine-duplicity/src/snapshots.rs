//! The sets that can be restored, as snapshots: listed and found by name or time.

use std::path::PathBuf;

use engine_api::{Event, Problem, Progress, Snapshot, SnapshotFilter, SnapshotId, SnapshotRef, Timestamp};

use crate::DuplicityEngine;
use crate::chain::{Chain, Collection, Set};
use crate::error::{Error, Result};
use crate::format::{Manifest, SetTime};
use crate::manifests;

/// A set that can be restored.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// The chain up to it: the full set first, itself last.
    pub sets: Vec<Set>,
    /// Its manifest.
    pub manifest: Manifest,
    /// What everybody needs of it.
    pub snapshot: Snapshot,
}

/// The snapshots that the filter lets through, oldest first; one whose manifest is damaged is told to `progress`.
pub(crate) fn list(
    engine: &DuplicityEngine,
    filter: &SnapshotFilter,
    progress: &dyn Progress,
) -> Result<Vec<Snapshot>> {
    let collection = engine.collection()?;
    let mut snapshots = Vec::new();
    let damaged = |set: &Set, error: Error| {
        progress.event(Event::Problem(&Problem {
            path: PathBuf::from(set.id.end().to_string()),
            action: "read the manifest",
            cause: error.chain(),
        }));
    };
    each(
        engine,
        &collection,
        filter,
        |_, _, _, snapshot| snapshots.push(snapshot),
        damaged,
    )?;
    Ok(snapshots)
}

/// Hands over the sets of the collection that can be restored and that the filter lets through, oldest first, each with its
/// manifest; one whose manifest is lost goes to `damaged`.
pub(crate) fn each<'c>(
    engine: &DuplicityEngine,
    collection: &'c Collection,
    filter: &SnapshotFilter,
    mut each: impl FnMut(&'c Chain, &'c Set, &Manifest, Snapshot),
    mut damaged: impl FnMut(&Set, Error),
) -> Result<()> {
    let restorable = collection.restorable();
    let sets: Vec<&Set> = restorable.iter().map(|(_, set)| *set).collect();
    for ((chain, set), manifest) in restorable.iter().copied().zip(manifests::load_all(engine, &sets)) {
        match manifest {
            Ok(manifest) => {
                let snapshot = describe(set, &manifest);
                if filter.matches(&snapshot) {
                    each(chain, set, &manifest, snapshot);
                }
            }
            Err(error) if error.is_loss() => damaged(set, error),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// What everybody needs of a set.
fn describe(set: &Set, manifest: &Manifest) -> Snapshot {
    use std::os::unix::ffi::OsStrExt;
    let notes = &manifest.notes;
    let path = |path: &Vec<u8>| PathBuf::from(std::ffi::OsStr::from_bytes(path));
    let paths = if notes.paths.is_empty() {
        vec![manifests::saved_folder(manifest)]
    } else {
        notes.paths.iter().map(path).collect()
    };
    let name = set.id.end().to_string();
    Snapshot {
        id: SnapshotId(name.clone()),
        short_id: name,
        time: set.id.end().timestamp(),
        host: String::from_utf8_lossy(manifest.host.as_deref().unwrap_or_default()).into_owned(),
        user: notes.user.clone().unwrap_or_default(),
        paths,
        tags: notes.tags.clone(),
        program: notes.program.clone(),
        files: notes.files,
        bytes: notes.bytes,
        bytes_added: Some(set.bytes()),
        detail: Some(if set.id.is_full() { "full" } else { "increment" }.to_owned()),
    }
}

/// The one set that `which` names among those of the filter.
pub(crate) fn resolve(engine: &DuplicityEngine, which: &SnapshotRef, filter: &SnapshotFilter) -> Result<Found> {
    let collection = engine.collection()?;
    match which {
        SnapshotRef::Id(name) if name != "latest" => by_name(engine, &collection, name),
        SnapshotRef::Latest | SnapshotRef::Id(_) => newest(engine, &collection, None, filter),
        SnapshotRef::At(moment) => newest(engine, &collection, Some(*moment), filter),
    }
}

/// The set with exactly this name.
pub(crate) fn by_id(engine: &DuplicityEngine, id: &SnapshotId) -> Result<Found> {
    by_name(engine, &engine.collection()?, &id.0)
}

fn by_name(engine: &DuplicityEngine, collection: &Collection, name: &str) -> Result<Found> {
    let wanted = name.to_ascii_uppercase();
    let restorable = collection.restorable();
    let fits = |set: &Set| !wanted.is_empty() && set.id.end().to_string().starts_with(&wanted);
    let fitting: Vec<_> = restorable.into_iter().filter(|(_, set)| fits(set)).collect();
    match fitting.as_slice() {
        [] => Err(Error::SetNotFound { name: name.to_owned() }),
        [(chain, set)] => found(engine, chain, set),
        several => Err(Error::SetAmbiguous {
            name: name.to_owned(),
            count: several.len(),
        }),
    }
}

/// The newest set at `moment` or before. Where two chains cover its time nobody can say which is meant.
fn newest(
    engine: &DuplicityEngine,
    collection: &Collection,
    moment: Option<Timestamp>,
    filter: &SnapshotFilter,
) -> Result<Found> {
    let restorable = collection.restorable();
    let first = restorable.first().ok_or_else(|| Error::NoBackup {
        location: engine.blobs().location().to_owned(),
    })?;
    let before = |set: &Set| moment.is_none_or(|moment| set.id.end().timestamp() <= moment);
    if !restorable.iter().any(|(_, set)| before(set)) {
        let asked = moment.and_then(Timestamp::to_jiff);
        return Err(Error::BeforeFirst {
            asked: asked.map(|asked| asked.to_string()).unwrap_or_default(),
            first: first.1.id.end().to_string(),
        });
    }
    for (chain, set) in restorable.into_iter().rev().filter(|(_, set)| before(set)) {
        let found = found(engine, chain, set)?;
        if filter.matches(&found.snapshot) {
            refuse_overlap(collection, chain, set.id.end())?;
            return Ok(found);
        }
    }
    let name = moment.and_then(Timestamp::to_jiff);
    Err(Error::SetNotFound {
        name: name.map_or_else(|| "latest".to_owned(), |name| name.to_string()),
    })
}

fn refuse_overlap(collection: &Collection, chosen: &Chain, time: SetTime) -> Result<()> {
    let covers = |chain: &&Chain| {
        chain.start() != chosen.start() && chain.start() <= Some(time) && chain.end() >= chosen.start()
    };
    let name = |chain: &Chain| chain.start().map(|start| start.to_string()).unwrap_or_default();
    match collection.chains.iter().find(covers) {
        Some(other) => Err(Error::Overlap {
            first: name(other),
            second: name(chosen),
        }),
        None => Ok(()),
    }
}

pub(crate) fn found(engine: &DuplicityEngine, chain: &Chain, set: &Set) -> Result<Found> {
    let manifest = manifests::load(engine, set)?;
    Ok(Found {
        sets: chain.until(set.id.end()).to_vec(),
        snapshot: describe(set, &manifest),
        manifest,
    })
}
