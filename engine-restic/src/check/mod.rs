//! Whether everything can still be restored: the structure always, the stored data as far as is asked.
//!
//! Nothing is believed that does not come from the storage itself. What is found is told by object, with what to do, and
//! in the end by snapshot, with the paths that are hurt.

mod data;
mod findings;
mod harm;
mod pack;
mod select;
mod structure;

use std::sync::Arc;

use engine_api::{CheckReport, CheckRequest, Event, Phase, Progress};

use crate::ResticEngine;
use crate::error::Result;
use crate::index::{self, Index, Marks, Tolerant};
use crate::inventory::Inventory;
use crate::lock::Lock;
use crate::repository::{FileKind, Repository};
use crate::snapshots::{self, Stored};
use findings::Findings;
pub use pack::PackReader;
use select::Selection;

/// Looks at the structure, and reads as much data as the request says.
pub fn run(engine: &ResticEngine, request: &CheckRequest, progress: &dyn Progress) -> Result<CheckReport> {
    let selection = Selection::of(request.read)?;
    let repository = engine.repository();
    let _lock = Lock::for_reading(&repository, progress)?;
    let findings = Findings::default();
    // Snapshots before the index before the packs: what a backup adds meanwhile is complete in that order.
    let stored = load_snapshots(&repository.without_cache(), &findings)?;
    let index = load_index(engine, &repository, &findings, progress)?;
    let inventory = Inventory::gather(&repository, &index)?;
    structure::packs(&index, &inventory, &findings);
    let lost = Lost {
        damaged: Marks::new(index.len()),
        index: &index,
        inventory: &inventory,
    };
    structure::trees(&repository, &stored, &lost, &findings, progress)?;
    let packs = select::packs(selection, repository.has_cache(), &index, &inventory)?;
    let read = data::read(&repository, &packs, &lost, &findings, progress)?;
    harm::tell(&repository, &stored, &lost, &findings, progress)?;
    let mut report = findings.into_report();
    report.snapshots = stored.len() as u64;
    report.packs = index.pack_count() as u64;
    report.packs_read = read.packs;
    report.bytes_read = read.bytes;
    Ok(report)
}

/// What is known to be lost.
struct Lost<'i> {
    /// Copies of blobs that were read and are spoiled, by ordinal.
    damaged: Marks,
    index: &'i Index,
    inventory: &'i Inventory,
}

impl Lost<'_> {
    /// Whether no good copy of the blob is left.
    fn has(&self, kind: crate::format::BlobKind, id: crate::Id) -> bool {
        let good =
            |copy: &index::Location| !self.damaged.get(copy.ordinal) && self.inventory.of(copy.pack).size.is_some();
        !self.index.all(kind, id).any(|copy| good(&copy))
    }
}

fn load_snapshots(repository: &Repository, findings: &Findings) -> Result<Vec<Stored>> {
    let mut good = Vec::new();
    for (id, _) in repository.list(FileKind::Snapshot)? {
        match snapshots::load(repository, id) {
            Ok(stored) => good.push(stored),
            // Somebody forgot it since it was listed.
            Err(error) if error.is_not_found() => {}
            Err(error) if error.is_of_one_object() => {
                let what = "it cannot be restored; `holdfast repair snapshots --forget` removes it, other snapshots are not affected";
                findings.error(FileKind::Snapshot.object(id), &format!("{}: {what}", error.chain()));
            }
            Err(error) => return Err(error),
        }
    }
    good.sort_by_key(|stored| (stored.snapshot.time, stored.id));
    Ok(good)
}

fn load_index(
    engine: &ResticEngine,
    repository: &Repository,
    findings: &Findings,
    progress: &dyn Progress,
) -> Result<Arc<Index>> {
    engine.drop_index();
    progress.event(Event::Phase {
        phase: Phase::LoadingIndex,
        total: None,
    });
    let Tolerant {
        index,
        files,
        damaged,
        contradicted,
    } = index::load_tolerant(&repository.without_cache())?;
    for (id, error) in damaged {
        let what = "`holdfast repair index` builds it again from the packs";
        findings.error(FileKind::Index.object(id), &format!("{}: {what}", error.chain()));
    }
    for pack in contradicted {
        let what = "index files contradict each other about it: `holdfast repair index` asks the pack itself";
        findings.error(FileKind::Pack.object(pack), what);
    }
    for file in files.iter().filter(|file| !file.repeated.is_empty()) {
        let count = file.repeated.len();
        let what = format!(
            "it names {count} packs that another index file names, too; harmless, the next prune or repair tidies up"
        );
        findings.hint(FileKind::Index.object(file.id), &what);
    }
    Ok(index)
}

#[cfg(test)]
mod tests;
