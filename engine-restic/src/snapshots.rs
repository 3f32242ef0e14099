//! The snapshots of a repository: listed, found by name, removed.

use std::path::PathBuf;

use engine_api::{Event, Problem, Progress, Snapshot, SnapshotFilter, SnapshotId, SnapshotRef};

use crate::Id;
use crate::error::{Error, Result};
use crate::format::{SnapshotFile, parse_time};
use crate::parallel;
use crate::repository::{FileKind, Repository};

/// A snapshot with what only this engine needs of it.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Its name.
    pub id: Id,
    /// Its file.
    pub file: SnapshotFile,
    /// What everybody needs of it.
    pub snapshot: Snapshot,
}

/// A snapshot that cannot be read.
pub struct Unreadable {
    /// Its name.
    pub id: Id,
    /// Why.
    pub error: Error,
}

/// Reads every snapshot; oldest first, those made at the same moment by name.
pub fn load_all(repository: &Repository) -> Result<(Vec<Stored>, Vec<Unreadable>)> {
    let ids: Vec<Id> = repository
        .list(FileKind::Snapshot)?
        .into_iter()
        .map(|(id, _)| id)
        .collect();
    repository.forget_cached(FileKind::Snapshot, &ids);
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    parallel::each(
        &ids,
        repository.read_threads(),
        |id| match load(repository, *id) {
            // Somebody forgot it since it was listed.
            Err(error) if error.is_not_found() => Ok(None),
            Err(error @ Error::Damaged { .. }) => Ok(Some(Err(error))),
            other => other.map(|stored| Some(Ok(stored))),
        },
        |id, outcome| {
            match outcome {
                Some(Ok(stored)) => good.push(stored),
                Some(Err(error)) => bad.push(Unreadable { id: *id, error }),
                None => {}
            }
            Ok(())
        },
    )?;
    // A snapshot that was mended has the time of the damaged one and is the better of the two.
    good.sort_by_key(|stored| (stored.snapshot.time, stored.file.original.is_some(), stored.id));
    bad.sort_by_key(|unreadable| unreadable.id);
    Ok((good, bad))
}

/// Reads one snapshot.
pub fn load(repository: &Repository, id: Id) -> Result<Stored> {
    let json = repository.read_file(FileKind::Snapshot, id)?;
    let damaged = |why: String| Error::damaged(FileKind::Snapshot.object(id), why);
    let file: SnapshotFile = serde_json::from_slice(&json).map_err(|error| damaged(error.to_string()))?;
    let time = parse_time(&file.time).ok_or_else(|| damaged(format!("its time `{}` makes no sense", file.time)))?;
    let summary = file.summary.as_ref();
    let snapshot = Snapshot {
        id: SnapshotId(id.to_string()),
        short_id: id.short(),
        time,
        host: file.hostname.clone(),
        user: file.username.clone(),
        paths: file.paths.iter().map(PathBuf::from).collect(),
        tags: file.tags.clone().unwrap_or_default(),
        program: (!file.program_version.is_empty()).then(|| file.program_version.clone()),
        files: summary.map(|summary| summary.total_files_processed),
        bytes: summary.map(|summary| summary.total_bytes_processed),
        bytes_added: summary.map(|summary| summary.data_added_packed),
        detail: None,
    };
    Ok(Stored { id, file, snapshot })
}

/// The snapshots that the filter lets through; a damaged one is told to `progress`.
pub fn list(repository: &Repository, filter: &SnapshotFilter, progress: &dyn Progress) -> Result<Vec<Stored>> {
    let (mut good, bad) = load_all(repository)?;
    for unreadable in bad {
        let path = PathBuf::from(FileKind::Snapshot.object(unreadable.id));
        let problem = Problem {
            path,
            action: "read the snapshot",
            cause: unreadable.error.to_string(),
        };
        progress.event(Event::Problem(&problem));
    }
    good.retain(|stored| filter.matches(&stored.snapshot));
    Ok(good)
}

/// The one snapshot that `which` names.
pub fn resolve(repository: &Repository, which: &SnapshotRef, filter: &SnapshotFilter) -> Result<Stored> {
    let name = match which {
        SnapshotRef::Id(name) if name != "latest" => return by_name(repository, name),
        SnapshotRef::Latest | SnapshotRef::Id(_) => "latest".to_owned(),
        SnapshotRef::At(moment) => moment.to_jiff().map_or_else(String::new, |moment| moment.to_string()),
    };
    let (good, _) = load_all(repository)?;
    let fits = |stored: &Stored| match which {
        SnapshotRef::At(moment) => stored.snapshot.time <= *moment,
        _ => true,
    };
    let newest = good
        .into_iter()
        .filter(|stored| filter.matches(&stored.snapshot))
        .rfind(fits);
    newest.ok_or(Error::SnapshotNotFound { name })
}

/// The one snapshot whose name begins so.
pub fn by_name(repository: &Repository, name: &str) -> Result<Stored> {
    let digits = name.to_ascii_lowercase();
    let ids = repository.list(FileKind::Snapshot)?;
    let fitting: Vec<Id> = ids
        .into_iter()
        .map(|(id, _)| id)
        .filter(|id| !digits.is_empty() && id.to_string().starts_with(&digits))
        .collect();
    match fitting.as_slice() {
        [] => Err(Error::SnapshotNotFound { name: name.to_owned() }),
        [id] => load(repository, *id),
        several => Err(Error::SnapshotAmbiguous {
            name: name.to_owned(),
            count: several.len(),
        }),
    }
}

/// The snapshot with exactly this name.
pub fn by_id(repository: &Repository, id: &SnapshotId) -> Result<Stored> {
    let digest = Id::parse(&id.0).ok_or_else(|| Error::SnapshotNotFound { name: id.0.clone() })?;
    load(repository, digest).map_err(|error| match error {
        error if error.is_not_found() => Error::SnapshotNotFound { name: id.0.clone() },
        error => error,
    })
}
