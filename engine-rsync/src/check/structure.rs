//! What lies in the destination beside the trees.

use engine_api::FileStore;

use super::findings::Findings;
use crate::error::Result;
use crate::manifest::place;
use crate::{RsyncEngine, layout, prune, snapshots};

/// Looks at marks, links and leftovers, and says which snapshots there are.
pub fn look(engine: &RsyncEngine, findings: &Findings) -> Result<Vec<String>> {
    let store = engine.store();
    let names: Vec<String> = snapshots::names(store, engine.zone())?
        .into_iter()
        .map(|(_, name)| name)
        .collect();
    let root = store.root();
    if store.stat(&root, layout::MARKER)?.is_none() {
        findings.hint(
            "backup.marker".to_owned(),
            "it is missing, so no further backup is made here: if this is the right place, make it again with `touch`",
        );
    }
    if store.stat(&root, layout::IN_PROGRESS)?.is_some() {
        findings.hint(
            "backup.inprogress".to_owned(),
            "a backup of the original script is running or was interrupted: the next one goes on with it",
        );
    }
    own_folder(store, findings)?;
    latest(store, &names, findings)?;
    orphans(engine, findings)?;
    Ok(names)
}

fn latest(store: &dyn FileStore, names: &[String], findings: &Findings) -> Result<()> {
    let Some(newest) = names.last() else { return Ok(()) };
    if layout::latest(store)?.is_none_or(|there| there != newest.as_bytes()) {
        let what = format!(
            "it does not lead to {newest}, the newest complete snapshot; nothing is lost, and `holdfast repair index` sets it right"
        );
        findings.hint("latest".to_owned(), &what);
    }
    Ok(())
}

/// What runs that did not come to their end left.
fn own_folder(store: &dyn FileStore, findings: &Findings) -> Result<()> {
    let own = place::folder(store);
    let found = match store.stat(&own, layout::BUILDING) {
        Err(error) if error.is_not_found() => return Ok(()),
        other => other?,
    };
    if found.is_some() {
        findings.hint(
            "unfinished snapshot".to_owned(),
            "a backup is running or was interrupted: the next one goes on with it",
        );
    }
    for name in layout::half_removed(store, &own)? {
        findings.hint(
            String::from_utf8_lossy(&name).into_owned(),
            "the removal of a snapshot is going on or was interrupted: `holdfast prune` removes the rest",
        );
    }
    Ok(())
}

/// Manifests whose snapshot is gone, and those that were never finished.
fn orphans(engine: &RsyncEngine, findings: &Findings) -> Result<()> {
    for name in prune::orphans(engine)? {
        let what = if place::is_unfinished(&name) {
            "a backup is writing it, or was interrupted: `holdfast prune` removes it when none is running"
        } else {
            "there is no snapshot that it belongs to: `holdfast prune` removes it"
        };
        findings.hint(format!("manifest {}", String::from_utf8_lossy(&name)), what);
    }
    Ok(())
}
