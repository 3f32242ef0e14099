//! The snapshots of a destination: listed, and found by name or by time.

use std::ffi::OsString;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::Mutex;

use engine_api::{
    EntryKind, Event, FileStore, Folder, Problem, Progress, Silent, Snapshot, SnapshotFilter, SnapshotId, SnapshotRef,
    Timestamp,
};
use jiff::tz::TimeZone;

use crate::error::{Error, Result, is_out_of_reach};
use crate::manifest::{Manifest, ManifestError, place};
use crate::name::moment;
use crate::parallel::{self, lock};
use crate::{RsyncEngine, layout};

/// A snapshot with what only this engine needs of it.
#[derive(Debug)]
pub struct Stored {
    /// What everybody needs of it.
    pub snapshot: Snapshot,
    /// Its folder.
    pub folder: Folder,
    /// Its manifest, where it has one that can be used.
    pub manifest: Option<Manifest>,
}

impl Stored {
    /// The name of its folder.
    pub fn name(&self) -> &str {
        &self.snapshot.id.0
    }
}

/// The names of all snapshots, oldest first. The folder of a run of the script that is not finished is none.
pub fn names(store: &dyn FileStore, zone: &TimeZone) -> Result<Vec<(Timestamp, String)>> {
    let mut names = dated(store, zone)?;
    if let Some(unfinished) = layout::interrupted(store, zone)? {
        names.retain(|(_, name)| *name != unfinished);
    }
    Ok(names)
}

/// The names of all folders that are named as snapshots are, in the order of the original script, which knows nothing of
/// clocks that went back.
pub fn dated(store: &dyn FileStore, zone: &TimeZone) -> Result<Vec<(Timestamp, String)>> {
    let mut names = Vec::new();
    store.list(&store.root(), &mut |listed| {
        names.extend(dated_name(listed.name, listed.kind, zone));
        ControlFlow::Continue(())
    })?;
    names.sort_unstable_by(|one, other| one.1.cmp(&other.1));
    Ok(names)
}

/// A name that is a snapshot's, with its moment.
pub fn dated_name(name: &[u8], kind: Option<EntryKind>, zone: &TimeZone) -> Option<(Timestamp, String)> {
    let is_folder = kind.is_none_or(|kind| kind == EntryKind::Dir);
    let time = moment(name, zone).filter(|_| is_folder)?;
    Some((time, std::str::from_utf8(name).ok()?.to_owned()))
}

/// The snapshots that the filter lets through, oldest first; what is wrong with one is told to `progress`.
pub fn list(engine: &RsyncEngine, filter: &SnapshotFilter, progress: &dyn Progress) -> Result<Vec<Stored>> {
    let store = engine.store();
    let names = names(store, engine.zone())?;
    let loaded = Mutex::new(Vec::with_capacity(names.len()));
    parallel::each(&names, store.capabilities().concurrency, |(time, name)| {
        let stored = load(store, *time, name, progress)?;
        lock(&loaded).push(stored);
        Ok(())
    })?;
    let mut loaded = loaded.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    loaded.retain(|stored| matches(filter, stored));
    loaded.sort_by(|one, other| one.snapshot.id.cmp(&other.snapshot.id));
    Ok(loaded)
}

/// A snapshot without a manifest tells nothing of its machine and its labels, and is in the destination of a record that
/// does: it is meant by every filter.
fn matches(filter: &SnapshotFilter, stored: &Stored) -> bool {
    stored
        .manifest
        .as_ref()
        .is_none_or(|manifest| manifest.about().adopted || filter.matches(&stored.snapshot))
}

fn load(store: &dyn FileStore, time: Timestamp, name: &str, progress: &dyn Progress) -> Result<Stored> {
    loaded(store, time, name, place::open(store, name), progress)
}

/// The snapshot of that name, whose records are to be read, as [`place::open_to_read`] does.
pub fn load_to_read(store: &dyn FileStore, time: Timestamp, name: &str, size: Option<u64>) -> Result<Stored> {
    loaded(store, time, name, place::open_to_read(store, name, size), &Silent)
}

fn loaded(
    store: &dyn FileStore,
    time: Timestamp,
    name: &str,
    manifest: std::result::Result<Option<Manifest>, ManifestError>,
    progress: &dyn Progress,
) -> Result<Stored> {
    let manifest = match manifest {
        Ok(manifest) => manifest,
        Err(ManifestError::Store(error)) if is_out_of_reach(&error) => return Err(error.into()),
        Err(error) => {
            progress.event(Event::Problem(&Problem {
                path: PathBuf::from(name),
                action: "read the manifest of the snapshot",
                cause: Error::manifest(name, error).chain(),
            }));
            None
        }
    };
    let root = store.root();
    let folder = root.child(name.as_bytes()).unwrap_or(root);
    Ok(Stored {
        snapshot: describe(time, name, manifest.as_ref()),
        folder,
        manifest,
    })
}

fn describe(time: Timestamp, name: &str, manifest: Option<&Manifest>) -> Snapshot {
    let about = manifest.map(Manifest::about);
    let totals = manifest.map(Manifest::totals);
    let path = |path: &Vec<u8>| PathBuf::from(OsString::from_vec(path.clone()));
    Snapshot {
        id: SnapshotId(name.to_owned()),
        short_id: name.to_owned(),
        time: about.filter(|about| !about.adopted).map_or(time, |about| about.time),
        host: about.map(|about| about.host.clone()).unwrap_or_default(),
        user: about.map(|about| about.user.clone()).unwrap_or_default(),
        paths: about.map_or_else(Vec::new, |about| about.paths.iter().map(path).collect()),
        tags: about.map(|about| about.tags.clone()).unwrap_or_default(),
        program: about.filter(|about| !about.adopted).map(|about| about.program.clone()),
        files: totals.map(|totals| totals.files),
        bytes: totals.map(|totals| totals.bytes),
        bytes_added: totals
            .filter(|_| about.is_some_and(|about| !about.adopted))
            .map(|totals| totals.bytes_added),
        detail: None,
    }
}

/// The one snapshot that `which` names.
pub fn resolve(engine: &RsyncEngine, which: &SnapshotRef, filter: &SnapshotFilter) -> Result<Stored> {
    let name = match which {
        SnapshotRef::Id(name) if name != "latest" => return by_name(engine, name),
        SnapshotRef::Latest | SnapshotRef::Id(_) => "latest".to_owned(),
        SnapshotRef::At(moment) => moment.to_jiff().map_or_else(String::new, |moment| moment.to_string()),
    };
    let fits = |stored: &Stored| match which {
        SnapshotRef::At(moment) => stored.snapshot.time <= *moment,
        _ => true,
    };
    let found = list(engine, filter, &Silent)?.into_iter().rfind(fits);
    found.ok_or(Error::SnapshotNotFound { name })
}

/// The one snapshot whose name begins so.
pub fn by_name(engine: &RsyncEngine, prefix: &str) -> Result<Stored> {
    let mut names = names(engine.store(), engine.zone())?;
    names.retain(|(_, name)| !prefix.is_empty() && name.starts_with(prefix));
    match names.as_slice() {
        [] => Err(Error::SnapshotNotFound {
            name: prefix.to_owned(),
        }),
        [(time, name)] => load(engine.store(), *time, name, &Silent),
        several => Err(Error::SnapshotAmbiguous {
            name: prefix.to_owned(),
            count: several.len(),
        }),
    }
}

/// The snapshot of exactly this name.
pub fn by_id(engine: &RsyncEngine, id: &SnapshotId) -> Result<Stored> {
    let not_found = || Error::SnapshotNotFound { name: id.0.clone() };
    let names = names(engine.store(), engine.zone())?;
    let (time, name) = names.iter().find(|(_, name)| *name == id.0).ok_or_else(not_found)?;
    load(engine.store(), *time, name, &Silent)
}
