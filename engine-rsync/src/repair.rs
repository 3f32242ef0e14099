//! Mending what can be mended: manifests that are missing, damaged or no longer true, and the link to the newest snapshot.

use engine_api::{Event, FileStore, Phase, Progress, RepairReport, RepairRequest, Timestamp};

use crate::adopt::{self, Adopted, Known};
use crate::error::{Error, Result};
use crate::lock::Lock;
use crate::manifest::{Manifest, ManifestError, place};
use crate::{RsyncEngine, layout, snapshots};

/// Mends what the request says; what is stored of any file is not touched.
pub fn run(engine: &RsyncEngine, request: &RepairRequest, progress: &dyn Progress) -> Result<RepairReport> {
    if !request.index && !request.snapshots {
        return Err(Error::Usage(
            "say what to repair: the index, which means the manifests here, or the snapshots".to_owned(),
        ));
    }
    let lock = (!request.dry_run).then(|| Lock::take(engine, progress)).transpose()?;
    progress.event(Event::Phase {
        phase: Phase::WritingIndex,
        total: None,
    });
    let names = snapshots::names(engine.store(), engine.zone())?;
    let mut repair = Repair {
        store: engine.store(),
        request,
        progress,
        known: Known::new(),
        report: RepairReport::default(),
    };
    for (time, name) in &names {
        if progress.cancelled() {
            return Err(Error::Interrupted);
        }
        repair.manifest(*time, name)?;
        lock.as_ref().map_or(Ok(()), Lock::check)?;
    }
    if let Some((_, newest)) = names.last() {
        repair.latest(newest)?;
    }
    Ok(repair.report)
}

struct Repair<'a> {
    store: &'a dyn FileStore,
    request: &'a RepairRequest,
    progress: &'a dyn Progress,
    known: Known,
    report: RepairReport,
}

impl Repair<'_> {
    fn manifest(&mut self, time: Timestamp, name: &str) -> Result<()> {
        let opened = place::open(self.store, name).and_then(|manifest| {
            let proven = manifest.as_ref().map_or(Ok(()), Manifest::prove);
            proven.map(|()| manifest)
        });
        let (before, why) = match opened {
            Ok(Some(manifest)) if self.request.snapshots => (Some(manifest), ""),
            Ok(Some(_)) => return Ok(()),
            Ok(None) => (None, "had no manifest"),
            Err(ManifestError::Io(error)) => {
                return Err(Error::Manifest {
                    snapshot: name.to_owned(),
                    source: ManifestError::Io(error),
                });
            }
            Err(ManifestError::Store(error)) => return Err(error.into()),
            Err(_) => (None, "had a damaged manifest"),
        };
        if self.request.dry_run {
            let what = match &before {
                Some(_) => format!("snapshot {name}: its manifest would be compared with its tree, and written anew"),
                None => format!("snapshot {name} {why}: one would be made from its tree"),
            };
            self.report.actions.push(what);
            return Ok(());
        }
        let adopted = adopt::run(self.store, name, time, before.as_ref(), &mut self.known, self.progress)?;
        self.tell(name, before.is_some(), why, adopted);
        Ok(())
    }

    fn tell(&mut self, name: &str, rewritten: bool, why: &str, adopted: Adopted) {
        let Adopted {
            entries,
            lost,
            unreadable,
        } = adopted;
        if !rewritten {
            let what = format!("snapshot {name} {why}: one was made of the {entries} entries of its tree");
            self.report.actions.push(what);
        } else if lost > 0 {
            self.report.snapshots_rewritten += 1;
            let what = format!(
                "snapshot {name}: {lost} entries were gone or no longer as they were saved; its manifest now tells what is there"
            );
            self.report.actions.push(what);
        }
        if unreadable > 0 {
            let what = format!("snapshot {name}: {unreadable} entries cannot be read and are not in its manifest");
            self.report.left.push(what);
        }
    }

    fn latest(&mut self, newest: &str) -> Result<()> {
        let right = layout::latest(self.store)?.is_some_and(|there| there == newest.as_bytes());
        if right || !self.store.capabilities().symlinks {
            return Ok(());
        }
        self.report.actions.push(format!("`latest` leads to {newest} again"));
        if self.request.dry_run {
            return Ok(());
        }
        layout::point_latest(self.store, newest.as_bytes())
    }
}
