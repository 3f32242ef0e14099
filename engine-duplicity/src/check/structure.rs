//! What can be said without reading volumes: names, manifests and signature files.

use engine_api::Progress;

use super::findings::Findings;
use crate::DuplicityEngine;
use crate::chain::{Collection, Set};
use crate::error::{Error, Result};
use crate::manifests::{self, tar_failed};
use crate::source::{PartName, SetPlan, Wanted};
use crate::tar::TarReader;

/// Looks at every set and at what belongs to none; gives what there is to read.
pub(super) fn look(
    engine: &DuplicityEngine,
    collection: &Collection,
    findings: &Findings,
    progress: &dyn Progress,
) -> Result<Vec<SetPlan>> {
    whole(collection, findings);
    let mut plans = Vec::new();
    for set in collection.chains.iter().flat_map(|chain| &chain.sets) {
        if progress.cancelled() {
            return Err(Error::Interrupted);
        }
        plans.extend(manifest(engine, set, findings)?);
        signatures(engine, set, findings)?;
        progress.event(engine_api::Event::Advanced(1));
    }
    Ok(plans)
}

/// Chains beside each other, and what is in none.
fn whole(collection: &Collection, findings: &Findings) {
    for (first, second) in collection.overlaps() {
        let name = |chain: &crate::chain::Chain| chain.start().map(|start| start.to_string()).unwrap_or_default();
        let message = format!(
            "it overlaps with the chain of {}: a restore must name the backup by its id",
            name(first)
        );
        findings.error(format!("the chain of {}", name(second)), &message);
    }
    for set in &collection.orphans {
        let message = "the set it needs is gone, so it cannot be restored; `holdfast prune` removes it";
        findings.error(set.id.to_string(), message);
    }
    for set in &collection.incomplete {
        let message =
            "it has no manifest: an interrupted run left it, or one writes it now; `holdfast prune` removes it";
        findings.hint(set.id.to_string(), message);
    }
    for set in &collection.stray_signatures {
        findings.hint(
            set.id.to_string(),
            "of it only the signatures are there; `holdfast prune` removes them",
        );
    }
    for set in collection.chains.iter().flat_map(|chain| &chain.sets) {
        for double in &set.doubles {
            let message = "the set has this file twice, and the original refuses to work with that: remove one of them";
            findings.error(double.key.to_string(), message);
        }
    }
}

fn manifest(engine: &DuplicityEngine, set: &Set, findings: &Findings) -> Result<Option<SetPlan>> {
    let name = set
        .manifest
        .as_ref()
        .map(|file| file.key.to_string())
        .unwrap_or_default();
    let loaded = manifests::load(engine, set).and_then(|manifest| {
        if !manifest.resumed_at.is_empty() {
            let message = "the run was interrupted and gone on with; if the original did that, files may be lost: \
                           `holdfast check --read-data` finds them";
            findings.hint(name.clone(), message);
        }
        manifests::plan(set, manifest, &Wanted::default())
    });
    match loaded {
        Ok(plan) => {
            for volume in plan.volumes.iter().filter(|volume| volume.file.is_none()) {
                let message = format!(
                    "it is not there: what is between {} and {} is lost",
                    volume.info.start.path, volume.info.end.path
                );
                findings.error(format!("volume {} of {}", volume.number, set.id), &message);
            }
            let last = plan.volumes.last().map_or(0, |volume| volume.number);
            for (_, extra) in set.volumes.iter().filter(|(number, _)| **number > last) {
                findings.hint(
                    extra.key.to_string(),
                    "the manifest does not name it: an interrupted run left it",
                );
            }
            Ok(Some(plan))
        }
        Err(error) if error.is_loss() => {
            findings.error(name, &format!("{}; the set cannot be restored", error.chain()));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Reads the signature file through.
fn signatures(engine: &DuplicityEngine, set: &Set, findings: &Findings) -> Result<()> {
    let Some(stored) = &set.signatures else {
        let message = "its signatures are missing: it can be restored, but not be continued by an increment; \
                       `holdfast repair index` makes them anew";
        // Nothing is lost by it: the next backup starts a new chain by itself.
        findings.hint(set.id.to_string(), message);
        return Ok(());
    };
    let name = stored.key.to_string();
    match read_through(engine, stored) {
        Err(error) if error.is_loss() => {
            let message = format!("{}; the set can be restored, but not be continued", error.chain());
            findings.error(name, &message);
            Ok(())
        }
        other => other,
    }
}

/// Reads a signature file to its end.
pub(crate) fn read_through(engine: &DuplicityEngine, stored: &crate::chain::Stored) -> Result<()> {
    let name = stored.key.to_string();
    let mut tar = TarReader::new(manifests::content(engine, stored)?);
    let mut last = None;
    while let Some(header) = tar.next().map_err(|error| tar_failed(&name, error))? {
        let part = PartName::in_signatures(&header.name).map_err(|why| Error::damaged(name.clone(), why))?;
        if last.as_ref().is_some_and(|last| *last >= part.path) {
            let why = format!("`{}` is out of order", part.path);
            return Err(Error::damaged(name, why));
        }
        last = Some(part.path);
    }
    Ok(())
}
