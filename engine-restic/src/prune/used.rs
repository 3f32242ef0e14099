use engine_api::{Event, Phase, Progress};

use super::refuse;
use crate::Id;
use crate::error::{Error, Result};
use crate::format::BlobKind;
use crate::index::{Index, Marks};
use crate::repository::Repository;
use crate::trees::visit;

/// Marks the first copy of every blob that a snapshot needs; fails when one is in no pack or a listing cannot be read.
pub fn find(repository: &Repository, index: &Index, roots: &[Id], progress: &dyn Progress) -> Result<Marks> {
    progress.event(Event::Phase {
        phase: Phase::FindingUsed,
        total: Some(roots.len() as u64),
    });
    let used = Marks::new(index.len());
    visit(repository, index, roots, &used, progress, &|tree, listing| {
        let listing = listing.map_err(|error| refuse(format!("tree blob {tree}"), error))?;
        for chunk in listing.nodes.iter().flat_map(|node| node.content.iter().flatten()) {
            let location = index.get(BlobKind::Data, *chunk).ok_or_else(|| Error::Missing {
                object: format!("data blob {chunk}"),
            })?;
            used.set(location.ordinal);
        }
        Ok(())
    })?;
    Ok(used)
}
