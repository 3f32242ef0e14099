//! Whether everything can still be restored: the structure always, the stored data as far as is asked.
//!
//! A share reads volumes and compares their hashes. Reading all also reads what is in them: every set beside its
//! signature file, which shows what the original's resuming of an interrupted run has lost, and every chain merged, which
//! shows whether all deltas fit. What the latest chain has lost is noted for the next backup to save anew.

mod content;
mod findings;
mod select;
mod structure;

use std::collections::BTreeSet;

use engine_api::{CheckReport, CheckRequest, Event, Phase, Progress, ReadData};

use crate::chain::Collection;
use crate::error::Result;
use crate::format::TreePath;
use crate::manifests::Signatures;
use crate::source::{SetPlan, Source, hash_matches};
use crate::{DuplicityEngine, damage};
use findings::Findings;
pub(crate) use structure::read_through;

/// Looks at the structure, and reads as much data as the request says.
pub(crate) fn run(engine: &DuplicityEngine, request: &CheckRequest, progress: &dyn Progress) -> Result<CheckReport> {
    let selection = select::Selection::of(request.read)?;
    let collection = engine.collection()?;
    let findings = Findings::default();
    progress.event(Event::Phase {
        phase: Phase::CheckingStructure,
        total: Some(collection.restorable().len() as u64),
    });
    let plans = structure::look(engine, &collection, &findings, progress)?;
    let mut report = CheckReport::default();
    progress.event(Event::Phase {
        phase: Phase::CheckingData,
        total: Some(selection.bytes(&plans)),
    });
    if request.read == ReadData::All {
        let lost = content::read(engine, &collection, &plans, &findings, progress)?;
        note(engine, &collection, &lost, &findings)?;
        selection.count(&plans, &mut report);
    } else {
        hashes(engine, &selection, &plans, &findings, progress, &mut report)?;
    }
    report.snapshots = collection.restorable().len() as u64;
    report.packs = plans.iter().map(|plan| plan.volumes.len() as u64).sum();
    findings.put_into(&mut report);
    Ok(report)
}

/// Compares the chosen volumes with their hashes.
fn hashes(
    engine: &DuplicityEngine,
    selection: &select::Selection,
    plans: &[SetPlan],
    findings: &Findings,
    progress: &dyn Progress,
    report: &mut CheckReport,
) -> Result<()> {
    let signatures = Signatures::of(engine, Vec::new());
    let source = Source::of(engine, progress, &signatures);
    for volume in selection.of_all(plans) {
        let Some(file) = &volume.file else { continue };
        report.packs_read += 1;
        report.bytes_read += file.size;
        let why = match hash_matches(source, volume) {
            Ok(true) => continue,
            Ok(false) => "its hash is not the one in the manifest".to_owned(),
            Err(error) if error.is_loss() => error.chain(),
            Err(error) => return Err(error),
        };
        let message = format!(
            "{why}: what is between {} and {} can not be restored from it; `holdfast check --read-data` names the files",
            volume.info.start.path, volume.info.end.path
        );
        findings.error(file.key.to_string(), &message);
    }
    Ok(())
}

/// Notes what the next backup must save whole again.
fn note(
    engine: &DuplicityEngine,
    collection: &Collection,
    lost: &BTreeSet<TreePath>,
    findings: &Findings,
) -> Result<()> {
    let Some(chain) = collection.latest() else {
        return Ok(());
    };
    match damage::note(engine, chain, lost) {
        // Another process works with the archive folder: what was found is told all the same.
        Err(crate::Error::Locked { .. }) => {}
        other => other?,
    }
    if !lost.is_empty() && engine.settings().archive.is_some() {
        let message = format!(
            "{} paths of the latest chain are damaged; the next backup saves those that are still there anew",
            lost.len()
        );
        findings.hint("the latest chain".to_owned(), &message);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
