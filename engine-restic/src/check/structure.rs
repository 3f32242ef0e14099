//! What can be said without reading file content: packs beside the index, and every tree once.

use std::sync::atomic::{AtomicU64, Ordering};

use engine_api::{Event, Phase, Progress};

use super::{Findings, Lost};
use crate::Id;
use crate::error::Result;
use crate::format::{BlobKind, NodeRefs, TreeReader};
use crate::index::{Index, Marks};
use crate::inventory::Inventory;
use crate::repository::{FileKind, Repository};
use crate::snapshots::Stored;
use crate::trees::{Listing, visit};

/// Compares the packs of the index with those in the storage.
pub fn packs(index: &Index, inventory: &Inventory, findings: &Findings) {
    let mut mixed = 0;
    for (number, pack) in inventory.iter() {
        let object = || {
            index
                .pack_id(number)
                .map(|id| FileKind::Pack.object(id))
                .unwrap_or_default()
        };
        let what =
            "bring it back if there is a copy of it somewhere, else `holdfast repair snapshots` saves what is left";
        match pack.size {
            None => findings.error(object(), &format!("it is not there: {what}")),
            Some(size) if !pack.is_sound() => {
                let wrong = format!("it has {size} bytes instead of {}: {what}", pack.expected);
                findings.error(object(), &wrong);
            }
            Some(_) => {}
        }
        mixed += u64::from(pack.has_data && pack.has_trees);
    }
    if mixed > 0 {
        let what = format!("{mixed} of them mix listings with file content; harmless, the next prune sorts them");
        findings.hint("packs".to_owned(), &what);
    }
    if !inventory.unindexed.is_empty() {
        let bytes: u64 = inventory.unindexed.iter().map(|(_, size)| size).sum();
        let what = format!(
            "{} of them with {bytes} bytes are in no index: an interrupted run left them, or a backup writes them now; \
             harmless, the next prune removes what nobody needs",
            inventory.unindexed.len()
        );
        findings.hint("packs".to_owned(), &what);
    }
}

/// Reads every tree of the snapshots once, and looks whether everything it refers to is there.
pub fn trees(
    repository: &Repository,
    stored: &[Stored],
    lost: &Lost<'_>,
    findings: &Findings,
    progress: &dyn Progress,
) -> Result<()> {
    progress.event(Event::Phase {
        phase: Phase::CheckingStructure,
        total: Some(stored.len() as u64),
    });
    let roots: Vec<Id> = stored.iter().map(|stored| stored.file.tree).collect();
    let seen = Marks::new(lost.index.len());
    let wrong_sizes = AtomicU64::new(0);
    visit(repository, lost.index, &roots, &seen, progress, &|tree, listing| {
        let object = format!("tree blob {tree}");
        match listing {
            Ok(listing) => {
                for what in faults(&listing, lost.index) {
                    findings.error(object.clone(), &what);
                }
                wrong_sizes.fetch_add(count_wrong_sizes(&listing, lost.index), Ordering::Relaxed);
            }
            Err(error) if error.is_of_one_object() => {
                for copy in lost.index.all(BlobKind::Tree, tree) {
                    lost.damaged.set(copy.ordinal);
                }
                findings.error(
                    object,
                    &format!("{}; `holdfast repair snapshots` saves what is left", error.chain()),
                );
            }
            Err(error) => return Err(error),
        }
        Ok(())
    })?;
    let wrong_sizes = wrong_sizes.into_inner();
    if wrong_sizes > 0 {
        let what =
            format!("{wrong_sizes} files have another length than their chunks together, which win in a restore");
        findings.hint("trees".to_owned(), &what);
    }
    Ok(())
}

/// What is wrong with a tree that was read.
fn faults(listing: &Listing<'_, '_>, index: &Index) -> Vec<String> {
    let mut faults = Vec::new();
    if let Err(why) = TreeReader::each(listing.blob, &mut |_| std::ops::ControlFlow::Continue(())) {
        faults.push(why);
    }
    for node in listing.nodes {
        match node.kind.as_ref() {
            "file" => faults.extend(file_fault(node, index)),
            "dir" if node.subtree.is_none() => faults.push(format!("folder `{}` has no listing", node.name)),
            _ => {}
        }
    }
    faults
}

fn file_fault(node: &NodeRefs<'_>, index: &Index) -> Option<String> {
    let Some(content) = &node.content else {
        return Some(format!("file `{}` has no list of chunks", node.name));
    };
    let mut missing = content.iter().filter(|id| !index.has(BlobKind::Data, **id));
    let first = missing.next()?;
    let count = 1 + missing.count();
    Some(format!(
        "file `{}` has {count} of {} chunks in no index, data blob {first} first: `holdfast repair index` finds them if \
         their packs are there",
        node.name,
        content.len()
    ))
}

fn count_wrong_sizes(listing: &Listing<'_, '_>, index: &Index) -> u64 {
    let is_wrong = |node: &&NodeRefs<'_>| {
        let length = |id| {
            index
                .get(BlobKind::Data, id)
                .map(|found| u64::from(found.blob.plain_length()))
        };
        let content = node.content.iter().flatten().map(|id| length(*id));
        let sum: Option<u64> = content.sum();
        node.kind == "file" && sum.is_some_and(|sum| sum != node.size)
    };
    listing.nodes.iter().filter(is_wrong).count() as u64
}
