//! What can be mended without the lost data.
//!
//! Signature files that are missing or damaged are made anew from the volumes, so that a chain can be continued and
//! listed. Damaged files cannot be brought back; they are noted, and the next backup saves them anew.

mod signatures;

use engine_api::{CheckRequest, Finding, Progress, ReadData, RepairReport, RepairRequest, Severity};

use crate::DuplicityEngine;
use crate::archive::Archive;
use crate::chain::{Collection, Set};
use crate::check;
use crate::error::{Error, Result};

/// Mends what the request says.
pub(crate) fn run(engine: &DuplicityEngine, request: &RepairRequest, progress: &dyn Progress) -> Result<RepairReport> {
    if !request.index && !request.snapshots {
        let text = "choose what to repair: the index (signature files), the snapshots, or both";
        return Err(Error::Usage(text.to_owned()));
    }
    let mut report = RepairReport::default();
    if request.index {
        mend_signatures(engine, request.dry_run, progress, &mut report)?;
    }
    if request.snapshots {
        note_damage(engine, request.dry_run, progress, &mut report)?;
    }
    Ok(report)
}

fn mend_signatures(
    engine: &DuplicityEngine,
    dry_run: bool,
    progress: &dyn Progress,
    report: &mut RepairReport,
) -> Result<()> {
    let _archive = (!dry_run).then(|| Archive::open(engine)).transpose()?;
    let collection = engine.collection()?;
    for (sets, set) in broken(engine, &collection)? {
        if dry_run {
            report
                .actions
                .push(format!("would make the signatures of {} anew", set.id));
            continue;
        }
        match signatures::make(engine, sets, progress) {
            Ok(0) => report.actions.push(format!("made the signatures of {} anew", set.id)),
            Ok(lost) => report.actions.push(format!(
                "made the signatures of {} anew, without {lost} files whose data is lost",
                set.id
            )),
            Err(error) if error.is_loss() => {
                report
                    .left
                    .push(format!("the signatures of {}: {}", set.id, error.chain()))
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The sets whose signatures are missing or damaged, each with its chain up to it.
fn broken<'c>(engine: &DuplicityEngine, collection: &'c Collection) -> Result<Vec<(&'c [Set], &'c Set)>> {
    let mut broken = Vec::new();
    for (chain, set) in collection.restorable() {
        let readable = match &set.signatures {
            None => false,
            Some(stored) => match check::read_through(engine, stored) {
                Ok(()) => true,
                Err(error) if error.is_loss() => false,
                Err(error) => return Err(error),
            },
        };
        if !readable {
            broken.push((chain.until(set.id.end()), set));
        }
    }
    Ok(broken)
}

/// Reads everything; what is found in the latest chain is noted for the next backup.
fn note_damage(
    engine: &DuplicityEngine,
    dry_run: bool,
    progress: &dyn Progress,
    report: &mut RepairReport,
) -> Result<()> {
    if dry_run {
        let text = "would read all volumes and note what of the latest chain the next backup must save anew";
        report.actions.push(text.to_owned());
        return Ok(());
    }
    let found = check::run(engine, &CheckRequest { read: ReadData::All }, progress)?;
    if found.errors == 0 {
        report.actions.push("read all volumes: nothing is damaged".to_owned());
        return Ok(());
    }
    let text = if engine.settings().archive.is_some() {
        "noted what of the latest chain is damaged: the next backup saves what is still there anew"
    } else {
        "without an archive folder nothing can be noted: make a full backup to be safe again"
    };
    report.actions.push(text.to_owned());
    let errors = |finding: &Finding| finding.severity == Severity::Error;
    for finding in found.findings.into_iter().filter(errors) {
        report.left.push(format!("{}: {}", finding.object, finding.message));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
