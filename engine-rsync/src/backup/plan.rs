//! What a backup begins with: the place is looked at, what earlier runs left is put in order, and the name is chosen.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

use engine_api::{BackupRequest, Event, FileCapabilities, FileStore, Folder, Progress, SnapshotId, Timestamp};

use super::before::Base;
use crate::RsyncEngine;
use crate::error::{Error, Result};
use crate::layout::{self, BUILDING};
use crate::manifest::place::Pending;
use crate::manifest::{About, place};
use crate::room::RoomyStore;
use crate::snapshots::Stored;
use crate::survey::Survey;
use crate::{removal, snapshots};

/// Everything that is fixed before the walk begins.
pub struct Plan {
    /// The new snapshot's.
    pub name: String,
    pub time: Timestamp,
    /// What is linked against.
    pub base: Option<Base>,
    /// Holdfast's own folder.
    pub own: Folder,
    /// Where the snapshot is built.
    pub building: Folder,
    /// Whether that holds what an earlier run left.
    pub resumes: bool,
    /// The snapshots that are there, oldest first.
    pub snapshots: Vec<(Timestamp, String)>,
}

impl Plan {
    /// Makes it of what is `seen` in the place; `early` is the snapshot that was expected to be linked against.
    pub fn make(
        engine: &RsyncEngine,
        request: &BackupRequest,
        progress: &dyn Progress,
        seen: Survey,
        early: Option<Stored>,
    ) -> Result<Self> {
        let store = engine.store();
        check_place(store)?;
        let own = if seen.has_own() {
            place::folder(store)
        } else {
            layout::own_folder(store)?
        };
        let seen = put_in_order(engine, progress, seen)?;
        let snapshots = seen.dated().to_vec();
        for leftover in seen.orphans() {
            layout::remove_file(store, &own, &leftover)?;
        }
        let time = request.time.unwrap_or_else(Timestamp::now);
        Ok(Self {
            name: layout::free_name(engine, &snapshots, time)?,
            time,
            base: match (&request.parent, snapshots.last(), early) {
                (Some(_), ..) => base(engine, store, request)?,
                (None, None, _) => None,
                (None, Some((_, name)), Some(early)) if *name == early.name() => Some(Base::new(early)),
                (None, Some((time, name)), _) => {
                    let size = seen.manifest_size(name);
                    Some(Base::new(snapshots::load_to_read(store, *time, name, size)?))
                }
            },
            building: layout::own_child(&own, BUILDING)?,
            own,
            resumes: seen.own_has(BUILDING),
            snapshots,
        })
    }

    /// The store as the backup writes to it: one that makes room for itself, unless the settings forbid it.
    pub fn roomy(&self, engine: &RsyncEngine) -> Option<RoomyStore> {
        let protected = self.base.as_ref().map(|base| base.id().0);
        let store = || RoomyStore::new(Arc::clone(engine.shared_store()), engine.zone().clone(), protected);
        engine.settings().make_room.then(store)
    }

    pub fn begin_manifest<'a>(
        &self,
        store: &'a dyn FileStore,
        engine: &RsyncEngine,
        request: &BackupRequest,
        paths: &[PathBuf],
    ) -> Result<Pending<'a>> {
        let about = About {
            snapshot: self.name.clone(),
            time: self.time,
            host: request.host.clone(),
            user: engine.settings().user.clone(),
            program: concat!("holdfast ", env!("CARGO_PKG_VERSION")).to_owned(),
            paths: paths.iter().map(|path| path.as_os_str().as_bytes().to_vec()).collect(),
            tags: request.tags.clone(),
            adopted: false,
        };
        Pending::create(store, &about).map_err(|error| Error::manifest(&self.name, error))
    }
}

/// Finishes what earlier runs did not live to finish; returns what is there then.
fn put_in_order(engine: &RsyncEngine, progress: &dyn Progress, seen: Survey) -> Result<Survey> {
    if !seen.is_half_removed() && !seen.may_be_taken_over() {
        return Ok(seen);
    }
    let store = engine.store();
    removal::sweep(store, progress)?;
    if let Some(name) = layout::take_over(store, engine)? {
        let text = format!("the interrupted run {name} is resumed");
        progress.event(Event::Notice(&text));
    }
    Survey::take(engine)
}

/// The snapshot to link against: the one asked for, or the newest by name, as the script does it.
pub fn base(engine: &RsyncEngine, store: &dyn FileStore, request: &BackupRequest) -> Result<Option<Base>> {
    if let Some(asked) = &request.parent {
        let filter = engine_api::SnapshotFilter::default();
        return Ok(Some(Base::new(snapshots::resolve(engine, asked, &filter)?)));
    }
    match snapshots::names(store, engine.zone())?.pop() {
        Some((_, name)) => Ok(Some(Base::new(snapshots::by_id(engine, &SnapshotId(name))?))),
        None => Ok(None),
    }
}

/// Refuses a place that cannot hold hard-linked snapshots.
fn check_place(store: &dyn FileStore) -> Result<()> {
    check_capabilities(store.location(), store.capabilities())
}

pub(super) fn check_capabilities(location: &str, can: &FileCapabilities) -> Result<()> {
    if let Some(why) = &can.unanswered {
        return Err(Error::Store(why.error(location)));
    }
    let lacks = [
        (can.hard_links, "hard links"),
        (can.symlinks, "symbolic links"),
        (can.case_sensitive, "names that differ only in case"),
    ];
    let lacks: Vec<&str> = lacks
        .into_iter()
        .filter(|(has, _)| !has)
        .map(|(_, what)| what)
        .collect();
    if lacks.is_empty() {
        return Ok(());
    }
    Err(Error::Incapable {
        location: location.to_owned(),
        lacks: lacks.join(" and no "),
    })
}
