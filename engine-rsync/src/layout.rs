//! What lies in a destination besides the snapshots, and in what state an earlier run left it.
//!
//! `D/backup.marker` says that this is a place for backups, `D/latest` leads to the newest snapshot, and
//! `D/backup.inprogress` holds the process number of a running rsync_tmbackup. That script builds a snapshot under its
//! final name, and takes the newest folder for an unfinished one as long as `backup.inprogress` is there: it renames that
//! folder and goes on in it. Holdfast shows a snapshot under its name only when it is complete, so the newest folder is a
//! good one while it works, and a `backup.inprogress` of its own, left by a crash, would make the script write into that
//! good snapshot. Therefore Holdfast builds in `D/.holdfast/building`, where the script sees nothing, never writes
//! `backup.inprogress`, and has a lock of its own. A run that was interrupted is resumed by the next one of Holdfast; the
//! script simply begins a new one, linked against the last good snapshot. What the script left unfinished Holdfast
//! resumes.

use std::ops::ControlFlow;

use engine_api::{EntryKind, FileStore, Folder, NewMetadata, StoreErrorKind, Timestamp};

use jiff::tz::TimeZone;

use crate::engine::{Marker, RsyncEngine};
use crate::error::{Error, Result};
use crate::manifest::place;
use crate::snapshots;

/// Says that the place is meant for backups.
pub const MARKER: &[u8] = b"backup.marker";
/// Tells that the script runs, or was interrupted.
pub const IN_PROGRESS: &[u8] = b"backup.inprogress";
/// Leads to the newest snapshot.
pub const LATEST: &[u8] = b"latest";
/// Where a snapshot is built, in the folder of the manifests.
pub const BUILDING: &[u8] = b"building";
/// What the name of a snapshot that is being removed begins with, in the folder of the manifests.
pub const REMOVING: &[u8] = b"removing-";
/// Names the snapshot of the script that is being taken over, in the folder of the manifests.
pub const TAKING_OVER: &[u8] = b"taking-over";

/// Refuses a place that is not meant for backups, or makes it one where the settings say so.
pub fn check_marker(engine: &RsyncEngine) -> Result<()> {
    let store = engine.store();
    let root = store.root();
    if store.stat(&root, MARKER)?.is_some() {
        return Ok(());
    }
    if engine.settings().marker != Marker::Create {
        return Err(Error::NoMarker {
            location: store.location().to_owned(),
        });
    }
    make_file(store, &root, MARKER, b"")
}

/// Makes a small file durable under its name.
pub fn make_file(store: &dyn FileStore, folder: &Folder, name: &[u8], content: &[u8]) -> Result<()> {
    let file = store.create(folder, name)?;
    file.write_at(0, content)?;
    // Nothing is set that could fail.
    let _ = file.complete(&NewMetadata::default(), true)?;
    Ok(store.sync_folder(folder)?)
}

/// Reads a small file; `None` when it is not there.
pub fn read_file(store: &dyn FileStore, folder: &Folder, name: &[u8]) -> Result<Option<Vec<u8>>> {
    const MOST: usize = 4096;
    match store.read_start(folder, name, MOST) {
        Ok((_, content)) => Ok(Some(content)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Removes a file if it is there.
pub fn remove_file(store: &dyn FileStore, folder: &Folder, name: &[u8]) -> Result<()> {
    match store.remove(folder, name) {
        Err(error) if !error.is_not_found() => Err(error.into()),
        _ => Ok(()),
    }
}

/// The folder of what is Holdfast's own, made when it is not there.
pub fn own_folder(store: &dyn FileStore) -> Result<Folder> {
    match store.make_folder(&store.root(), place::FOLDER) {
        Ok(()) => store.sync_folder(&store.root())?,
        Err(error) if error.kind == StoreErrorKind::AlreadyExists => {}
        Err(error) => return Err(error.into()),
    }
    Ok(place::folder(store))
}

/// A folder in it.
pub fn own_child(own: &Folder, name: &[u8]) -> Result<Folder> {
    own.child(name).map_err(|error| Error::Usage(error.to_string()))
}

/// Refuses while the script runs on this machine.
pub fn check_script(store: &dyn FileStore) -> Result<()> {
    let Some(content) = read_file(store, &store.root(), IN_PROGRESS)? else {
        return Ok(());
    };
    let pid: Option<u32> = std::str::from_utf8(&content)
        .ok()
        .and_then(|text| text.trim().parse().ok());
    let Some(pid) = pid else { return Ok(()) };
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    if command.windows(SCRIPT.len()).any(|part| part == SCRIPT) {
        return Err(Error::Locked {
            location: store.location().to_owned(),
            pid,
            host: "this machine (rsync_tmbackup)".to_owned(),
            since: "it began".to_owned(),
        });
    }
    Ok(())
}

const SCRIPT: &[u8] = b"rsync_tmbackup";

/// Takes over what the script left unfinished: its folder becomes the one that is built, and the next run corrects it.
/// Says which snapshot that was.
///
/// The script's mark goes before its folder does, so that a crash in between never makes a good snapshot look unfinished;
/// a note of our own remembers the folder meanwhile.
pub fn take_over(store: &dyn FileStore, engine: &RsyncEngine) -> Result<Option<String>> {
    let own = own_folder(store)?;
    let root = store.root();
    let noted = read_file(store, &own, TAKING_OVER)?.and_then(|name| String::from_utf8(name).ok());
    let name = match noted {
        Some(name) => name,
        None => match interrupted(store, engine.zone())? {
            Some(name) => {
                make_file(store, &own, TAKING_OVER, name.as_bytes())?;
                name
            }
            None => {
                remove_file(store, &root, IN_PROGRESS)?;
                return Ok(None);
            }
        },
    };
    remove_file(store, &root, IN_PROGRESS)?;
    store.sync_folder(&root)?;
    let is_dated = crate::name::moment(name.as_bytes(), engine.zone()).is_some();
    let is_there = is_dated && store.stat(&root, name.as_bytes())?.is_some();
    if is_there && store.stat(&own, BUILDING)?.is_none() {
        store.rename((&root, name.as_bytes()), (&own, BUILDING))?;
        store.sync_folder(&own)?;
        store.sync_folder(&root)?;
    } else if is_there {
        // Ours is as good a start, and the script's would look like a snapshot.
        crate::removal::set_aside(store, &own, &root, name.as_bytes())?;
    }
    remove_file(store, &own, TAKING_OVER)?;
    store.sync_folder(&own)?;
    Ok(is_there.then_some(name))
}

/// The folder of the script's run that did not come to its end. When `latest` leads to the newest, or it has a manifest,
/// only the removal of the mark was left to do.
pub fn interrupted(store: &dyn FileStore, zone: &TimeZone) -> Result<Option<String>> {
    let root = store.root();
    if store.stat(&root, IN_PROGRESS)?.is_none() {
        return Ok(None);
    }
    let Some((_, newest)) = snapshots::dated(store, zone)?.pop() else {
        return Ok(None);
    };
    let is_latest = latest(store)?.is_some_and(|latest| latest == newest.as_bytes());
    let has_manifest = !matches!(place::open(store, &newest), Ok(None));
    Ok((!is_latest && !has_manifest).then_some(newest))
}

/// Where `latest` leads.
pub fn latest(store: &dyn FileStore) -> Result<Option<Vec<u8>>> {
    let root = store.root();
    match store.stat(&root, LATEST)? {
        Some(stat) if stat.kind == EntryKind::Symlink => Ok(Some(store.read_link(&root, LATEST)?)),
        _ => Ok(None),
    }
}

/// Makes `latest` lead to a snapshot, in one step, so that it always leads somewhere.
pub fn point_latest(store: &dyn FileStore, name: &[u8]) -> Result<()> {
    let own = own_folder(store)?;
    make_latest(store, &own, name)?;
    show_latest(store, &own)
}

/// Makes a link to a snapshot that is to become `latest`.
pub fn make_latest(store: &dyn FileStore, own: &Folder, name: &[u8]) -> Result<()> {
    match store.symlink(own, LATEST, name) {
        // One that an earlier run did not live to show.
        Err(error) if error.kind == StoreErrorKind::AlreadyExists => {
            remove_file(store, own, LATEST)?;
            Ok(store.symlink(own, LATEST, name)?)
        }
        other => Ok(other?),
    }
}

/// Gives that link its name.
pub fn show_latest(store: &dyn FileStore, own: &Folder) -> Result<()> {
    let root = store.root();
    if !store.capabilities().atomic_replace {
        remove_file(store, &root, LATEST)?;
    }
    Ok(store.rename_durably((own, LATEST), (&root, LATEST))?)
}

/// The name of a snapshot that begins at `time`: that moment, or the next that is free. When the clock was set back by
/// no more than two hours, or shows an hour for the second time in autumn, it follows the newest, so that the order of the
/// names stays that of the snapshots.
pub fn free_name(engine: &RsyncEngine, names: &[(Timestamp, String)], time: Timestamp) -> Result<String> {
    const SET_BACK: i64 = 2 * 3600;
    let wrong = || Error::Usage("the snapshot's time lies outside the years that a folder's name can hold".to_owned());
    let mut time = time;
    let mut name = crate::name::name(time, engine.zone()).ok_or_else(wrong)?;
    let newest = names.last();
    let follows = newest.is_some_and(|(newest, _)| (newest.seconds - time.seconds).abs() < SET_BACK);
    let mut tries = 0;
    while names.iter().any(|(_, taken)| *taken == name)
        || (follows && newest.is_some_and(|(_, newest)| *newest >= name))
    {
        tries += 1;
        if tries > 2 * SET_BACK {
            return Err(wrong());
        }
        time.seconds += 1;
        name = crate::name::name(time, engine.zone()).ok_or_else(wrong)?;
    }
    Ok(name)
}

/// The snapshots of whose removal only a part was done.
pub fn half_removed(store: &dyn FileStore, own: &Folder) -> Result<Vec<Vec<u8>>> {
    let mut found = Vec::new();
    store.list(own, &mut |listed| {
        if listed.name.starts_with(REMOVING) {
            found.push(listed.name.to_vec());
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}
