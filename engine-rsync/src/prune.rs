//! Leftovers removed: what is left of snapshots that were being removed, manifests without a snapshot, and those that
//! were never finished.

use std::ops::ControlFlow;

use engine_api::{Event, Phase, Progress, PruneReport, PruneRequest, Timestamp};

use crate::error::Result;
use crate::lock::Lock;
use crate::manifest::place;
use crate::{RsyncEngine, removal, snapshots};

/// Removes what no snapshot needs. A snapshot's own data goes when it is forgotten: there is nothing to collect here.
pub fn run(engine: &RsyncEngine, request: &PruneRequest, progress: &dyn Progress) -> Result<PruneReport> {
    let _lock = (!request.dry_run).then(|| Lock::take(engine, progress)).transpose()?;
    progress.event(Event::Phase {
        phase: Phase::Removing,
        total: None,
    });
    let mut report = PruneReport::default();
    let store = engine.store();
    let folder = place::folder(store);
    if !request.dry_run {
        removal::sweep(store, progress)?;
    }
    for name in orphans(engine)? {
        if let Some(stat) = store.stat(&folder, &name)? {
            report.bytes_unused += stat.size;
            report.bytes_freed += stat.size;
        }
        if !request.dry_run {
            store.remove(&folder, &name)?;
        }
    }
    Ok(report)
}

/// Whether a file in the folder of the manifests belongs to none of these snapshots.
pub fn is_orphan(name: &[u8], dated: &[(Timestamp, String)]) -> bool {
    let gone = place::snapshot_of(name).is_some_and(|of| !dated.iter().any(|(_, name)| name == of));
    gone || place::is_unfinished(name)
}

/// The files of manifests that belong to no snapshot.
pub fn orphans(engine: &RsyncEngine) -> Result<Vec<Vec<u8>>> {
    let store = engine.store();
    let names = snapshots::dated(store, engine.zone())?;
    let mut found = Vec::new();
    let listed = store.list(&place::folder(store), &mut |listed| {
        if is_orphan(listed.name, &names) {
            found.push(listed.name.to_vec());
        }
        ControlFlow::Continue(())
    });
    match listed {
        Err(error) if !error.is_not_found() => Err(error.into()),
        _ => Ok(found),
    }
}
