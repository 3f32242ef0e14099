//! The end of a backup: everything is made durable, then it is shown.

use engine_api::{BackupReport, FileStore, NewMetadata, StoreErrorKind};

use super::ledger::Ledger;
use super::plan::Plan;
use crate::error::{Error, Result};
use crate::layout::{self, BUILDING};
use crate::lock::Lock;

/// Syncs what was built, then gives it its manifest, its name, and the link to it, in this order: whatever is seen at any
/// moment is complete.
pub fn run(store: &dyn FileStore, plan: &Plan, ledger: Ledger<'_>, report: &BackupReport, lock: &Lock) -> Result<()> {
    let open = NewMetadata {
        mode: Some(0o755),
        ..NewMetadata::default()
    };
    // A place without modes has nothing to open.
    let _ = store.set_metadata(&plan.own, BUILDING, &open);
    if store.capabilities().sync_all {
        store.sync()?;
    }
    lock.confirm()?;
    if let Some(pending) = ledger.into_pending() {
        pending
            .publish(report.bytes_added)
            .map_err(|error| Error::manifest(&plan.name, error))?;
    }
    let root = store.root();
    if store.stat(&root, plan.name.as_bytes())?.is_some() {
        return Err(Error::Store(engine_api::StoreError {
            operation: "rename",
            object: plan.name.clone(),
            location: store.location().to_owned(),
            kind: StoreErrorKind::AlreadyExists,
            source: "somebody else has made a snapshot of that name".into(),
        }));
    }
    store.rename((&plan.own, BUILDING), (&root, plan.name.as_bytes()))?;
    store.sync_folder(&root)?;
    store.sync_folder(&plan.own)?;
    layout::point_latest(store, plan.name.as_bytes())
}
