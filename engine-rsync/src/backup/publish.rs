//! The end of a backup: everything is made durable, then it is shown.

use engine_api::{BackupReport, FileStore, NewMetadata, StoreErrorKind};

use super::ledger::Ledger;
use super::plan::Plan;
use crate::error::{Error, Result};
use crate::layout::{self, BUILDING};
use crate::lock::Lock;
use crate::manifest::ManifestError;
use crate::manifest::place::Complete;
use crate::parallel::together;

/// Syncs what was built, then gives it its manifest, its name, and the link to it, in this order: whatever is seen at any
/// moment is complete.
pub fn run(store: &dyn FileStore, plan: &Plan, ledger: Ledger<'_>, report: &BackupReport, lock: &Lock) -> Result<()> {
    let root = store.root();
    let manifest = finish(store, plan, ledger, report, lock)?;
    if let Some(manifest) = manifest {
        manifest.show().map_err(|error| failed(plan, error))?;
    }
    store.rename_durably((&plan.own, BUILDING), (&root, plan.name.as_bytes()))?;
    layout::show_latest(store, &plan.own)
}

/// What comes before anything is seen, the sync too; nothing waits for another without need.
fn finish<'a>(
    store: &dyn FileStore,
    plan: &Plan,
    ledger: Ledger<'a>,
    report: &BackupReport,
    lock: &Lock,
) -> Result<Option<Complete<'a>>> {
    let syncs_all = store.syncs_all();
    let others = || {
        together(&[
            &|| lock.confirm(),
            &|| layout::make_latest(store, &plan.own, plan.name.as_bytes()),
            &|| check_free(store, plan),
            // A place far away opens it for that, and has it open when the names in it change; so it does when it syncs all.
            &|| {
                if syncs_all {
                    return Ok(());
                }
                Ok(store.sync_folder(&store.root())?)
            },
        ])
    };
    std::thread::scope(|scope| {
        let others = scope.spawn(others);
        let opened_up = scope.spawn(|| open_up(store, plan));
        // Here, where the memory of the walk is free again.
        let pending = ledger.into_pending()?;
        let manifest = pending.map(|pending| pending.complete(report.bytes_added, !syncs_all));
        let manifest = manifest.transpose().map_err(|error| failed(plan, error));
        let _ = opened_up.join();
        let synced = if syncs_all && manifest.is_ok() {
            store.sync().map_err(Error::from)
        } else {
            Ok(())
        };
        let others = others.join().unwrap_or(Err(Error::Interrupted));
        others.and(manifest.and_then(|manifest| synced.map(|()| manifest)))
    })
}

/// Lets everybody into the snapshot, as the script does.
fn open_up(store: &dyn FileStore, plan: &Plan) {
    let open = NewMetadata {
        mode: Some(0o755),
        ..NewMetadata::default()
    };
    // A place without modes has nothing to open.
    let _ = store.set_metadata(&plan.own, BUILDING, &open);
}

/// Fails when somebody else has made a snapshot of that name.
fn check_free(store: &dyn FileStore, plan: &Plan) -> Result<()> {
    if store.stat(&store.root(), plan.name.as_bytes())?.is_none() {
        return Ok(());
    }
    Err(Error::Store(engine_api::StoreError {
        operation: "rename",
        object: plan.name.clone(),
        location: store.location().to_owned(),
        kind: StoreErrorKind::AlreadyExists,
        source: "somebody else has made a snapshot of that name".into(),
    }))
}

fn failed(plan: &Plan, error: ManifestError) -> Error {
    Error::manifest(&plan.name, error)
}
