//! What lies in the destination beside the trees.

use engine_api::{EntryKind, FileStore};

use super::findings::Findings;
use crate::error::Result;
use crate::{RsyncEngine, prune, snapshots};

/// Looks at marks, links and leftovers, and says which snapshots there are.
pub fn look(engine: &RsyncEngine, findings: &Findings) -> Result<Vec<String>> {
    let store = engine.store();
    let names: Vec<String> = snapshots::names(store, engine.zone())?
        .into_iter()
        .map(|(_, name)| name)
        .collect();
    let root = store.root();
    if store.stat(&root, b"backup.marker")?.is_none() {
        findings.hint(
            "backup.marker".to_owned(),
            "it is missing, so no further backup is made here: if this is the right place, make it again with `touch`",
        );
    }
    if store.stat(&root, b"backup.inprogress")?.is_some() {
        findings.hint(
            "backup.inprogress".to_owned(),
            "a backup is running or was interrupted: the next one goes on with it",
        );
    }
    latest(store, &names, findings)?;
    orphans(engine, findings)?;
    Ok(names)
}

fn latest(store: &dyn FileStore, names: &[String], findings: &Findings) -> Result<()> {
    let Some(newest) = names.last() else { return Ok(()) };
    let root = store.root();
    let stat = store.stat(&root, b"latest")?;
    let points_to = match stat.map(|stat| stat.kind) {
        Some(EntryKind::Symlink) => Some(store.read_link(&root, b"latest")?),
        _ => None,
    };
    if points_to.as_deref() != Some(newest.as_bytes()) {
        let what = format!(
            "it does not lead to {newest}, the newest complete snapshot; nothing is lost, and `holdfast repair index` sets it right"
        );
        findings.hint("latest".to_owned(), &what);
    }
    Ok(())
}

/// Manifests whose snapshot is gone, and those that were never finished.
fn orphans(engine: &RsyncEngine, findings: &Findings) -> Result<()> {
    for name in prune::orphans(engine)? {
        findings.hint(
            format!("manifest {}", String::from_utf8_lossy(&name)),
            "there is no snapshot that it belongs to: `holdfast prune` removes it",
        );
    }
    Ok(())
}
