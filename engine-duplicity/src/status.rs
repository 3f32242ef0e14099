//! What lies on the storage, for people: chains, sets, and what is wrong with them.

use engine_api::{SnapshotId, Timestamp};

use crate::DuplicityEngine;
use crate::chain::{Chain, Set};

/// What lies on the storage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CollectionStatus {
    /// The chains that can be restored, oldest end first.
    pub chains: Vec<ChainStatus>,
    /// Sets that belong to no chain: increments whose predecessor is gone, unfinished sets, signatures alone.
    pub loose: Vec<SetStatus>,
    /// What is wrong, a sentence each.
    pub problems: Vec<String>,
}

/// A full set and its increments.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChainStatus {
    /// When its full set was made.
    pub start: Timestamp,
    /// When its last set was.
    pub end: Timestamp,
    /// Its sets, oldest first.
    pub sets: Vec<SetStatus>,
}

/// One set.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SetStatus {
    /// Its name as a snapshot.
    pub id: SnapshotId,
    /// The time whose state it brings.
    pub time: Timestamp,
    /// Whether it stands alone.
    pub is_full: bool,
    /// Its volumes.
    pub volumes: u64,
    /// Bytes of all its files as they are stored.
    pub bytes: u64,
    /// Whether it has a manifest: without one it is not complete.
    pub is_complete: bool,
    /// Whether its signatures are there.
    pub has_signatures: bool,
}

impl DuplicityEngine {
    /// What lies on the storage, told from the names of its files alone.
    ///
    /// # Errors
    /// When they could not be listed.
    pub fn collection_status(&self) -> engine_api::Result<CollectionStatus> {
        let collection = self.collection()?;
        let mut status = CollectionStatus::default();
        for chain in &collection.chains {
            status.chains.extend(of_chain(chain));
        }
        let loose = [
            (&collection.orphans, "needs a set that is gone"),
            (&collection.incomplete, "has no manifest, so it is not complete"),
            (&collection.stray_signatures, "has nothing but signatures"),
        ];
        for (sets, what) in loose {
            for set in sets {
                status.loose.push(of_set(set));
                status.problems.push(format!("{} {what}", set.id));
            }
        }
        for set in collection.chains.iter().flat_map(|chain| &chain.sets) {
            if set.signatures.is_none() {
                status.problems.push(format!("{} has no signatures", set.id));
            }
            if !set.doubles.is_empty() {
                status.problems.push(format!("{} has a file twice", set.id));
            }
        }
        for (first, second) in collection.overlaps() {
            let name = |chain: &Chain| chain.start().map(|start| start.to_string()).unwrap_or_default();
            let text = format!("the chains of {} and {} overlap in time", name(first), name(second));
            status.problems.push(text);
        }
        Ok(status)
    }
}

fn of_chain(chain: &Chain) -> Option<ChainStatus> {
    Some(ChainStatus {
        start: chain.start()?.timestamp(),
        end: chain.end()?.timestamp(),
        sets: chain.sets.iter().map(of_set).collect(),
    })
}

fn of_set(set: &Set) -> SetStatus {
    SetStatus {
        id: SnapshotId(set.id.end().to_string()),
        time: set.id.end().timestamp(),
        is_full: set.id.is_full(),
        volumes: set.volumes.len() as u64,
        bytes: set.bytes(),
        is_complete: set.manifest.is_some(),
        has_signatures: set.signatures.is_some(),
    }
}
