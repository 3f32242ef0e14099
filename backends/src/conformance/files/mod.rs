//! The contract of [`FileStore`] as runnable checks.
//!
//! [`run`] works in a fresh folder of its own in the store's root and removes it in the end. It reads the store's
//! capabilities and skips, with the reason, what the place cannot do.

mod content;
mod entries;
mod many;
mod metadata;

use std::ops::ControlFlow;

use engine_api::{EntryKind, FileStat, FileStore, Folder, StoreError};

use super::{Broken, Outcome, Summary, failed};

type Check = (&'static str, fn(&Bench<'_>) -> Outcome);

const CHECKS: &[Check] = &[
    ("folders are made, listed and removed", entries::folders),
    ("what is not there is told from what failed", entries::missing),
    ("names that lead elsewhere are refused", entries::bad_names),
    ("odd names work", entries::odd_names),
    ("deep folders work", entries::deep),
    ("a listing stops when it is told to", entries::stops),
    ("a rename replaces a file", entries::rename),
    ("hard links are names of one file", entries::hard_links),
    ("symbolic links are kept and not followed", entries::symlinks),
    ("pipes and devices are made", entries::nodes),
    ("many threads work in one folder", entries::threads),
    ("folders in one another are made at once", many::folders),
    ("many links are made at once", many::links),
    ("links are made to what is there now", many::changed_links),
    ("small files are written and read at once", many::whole_files),
    ("create refuses what is there", content::exclusive),
    ("reads and writes go by position", content::positions),
    ("lengths are set, and holes read as zeros", content::lengths),
    ("ranges are copied at the place", content::copies),
    ("a copy that shares blocks stands alone", content::reflinks),
    ("everything can be synced", content::syncs),
    ("modes are kept", metadata::modes),
    ("owners are kept", metadata::owners),
    ("times are kept", metadata::times),
    ("extended attributes are kept", metadata::xattrs),
];

/// Runs every check against `store` in the folder `area` of its root, which must not be there.
///
/// # Errors
/// The first check that found the contract broken; the later ones have not run.
pub fn run(store: &dyn FileStore, area: &str) -> Result<Summary, Broken> {
    let mut summary = Summary::default();
    let broken = |check, message| Broken { check, message };
    let area = make(store, &store.root(), area.as_bytes()).map_err(|message| broken("making a folder", message))?;
    for (number, (name, check)) in CHECKS.iter().enumerate() {
        let outcome = make(store, &area, format!("{number:02}").as_bytes()).and_then(|folder| {
            let bench = Bench { store, folder };
            let outcome = check(&bench)?;
            clear(store, &bench.folder)?;
            Ok(outcome)
        });
        match outcome {
            Ok(None) => summary.passed.push(name),
            Ok(Some(reason)) => summary.skipped.push((name, reason)),
            Err(message) => return Err(broken(name, message)),
        }
    }
    clear(store, &area).map_err(|message| broken("removing a folder", message))?;
    Ok(summary)
}

/// A store and the folder that one check may use.
struct Bench<'a> {
    store: &'a dyn FileStore,
    folder: Folder,
}

impl Bench<'_> {
    fn write(&self, name: &[u8], bytes: &[u8]) -> Result<(), String> {
        let file = self.store.create(&self.folder, name).map_err(failed)?;
        file.write_at(0, bytes).map_err(failed)?;
        file.close().map_err(failed)
    }

    fn read(&self, name: &[u8]) -> Result<Vec<u8>, String> {
        let file = self.store.open(&self.folder, name).map_err(failed)?;
        let mut bytes = Vec::new();
        let mut buffer = [0; 10_000];
        loop {
            let read = file.read_at(bytes.len() as u64, &mut buffer).map_err(failed)?;
            if read == 0 {
                return Ok(bytes);
            }
            bytes.extend_from_slice(buffer.get(..read).unwrap_or_default());
        }
    }

    fn stat(&self, name: &[u8]) -> Result<FileStat, String> {
        let stat = self.store.stat(&self.folder, name).map_err(failed)?;
        stat.ok_or_else(|| format!("{} is not there", String::from_utf8_lossy(name)))
    }

    fn names(&self) -> Result<Vec<Vec<u8>>, String> {
        names(self.store, &self.folder)
    }
}

fn make(store: &dyn FileStore, folder: &Folder, name: &[u8]) -> Result<Folder, String> {
    store.make_folder(folder, name).map_err(failed)?;
    folder.child(name).map_err(|error| error.to_string())
}

/// The names in a folder, sorted.
fn names(store: &dyn FileStore, folder: &Folder) -> Result<Vec<Vec<u8>>, String> {
    let mut names = Vec::new();
    store
        .list(folder, &mut |listed| {
            names.push(listed.name.to_vec());
            ControlFlow::Continue(())
        })
        .map_err(failed)?;
    names.sort();
    Ok(names)
}

/// Removes a folder with all in it.
fn clear(store: &dyn FileStore, folder: &Folder) -> Result<(), String> {
    for name in names(store, folder)? {
        match store.stat(folder, &name).map_err(failed)? {
            Some(stat) if stat.kind == EntryKind::Dir => {
                clear(store, &folder.child(&name).map_err(|error| error.to_string())?)?;
            }
            _ => store.remove(folder, &name).map_err(failed)?,
        }
    }
    match folder.above() {
        Some(above) => store.remove_folder(above, folder.name()).map_err(failed),
        None => Ok(()),
    }
}

fn all_well(errors: Vec<StoreError>) -> Result<(), String> {
    errors.into_iter().next().map_or(Ok(()), |error| Err(failed(error)))
}
