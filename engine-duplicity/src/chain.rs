//! Sets, chains and what does not belong to one: what the names on a storage mean together.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use engine_api::{BlobStore, Key};

use crate::error::Result;
use crate::format::{Container, FileKind, FileName, Prefixes, SetId, SetTime};

/// A stored file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its name on the storage.
    pub key: Key,
    /// Its length in bytes.
    pub size: u64,
    /// How it is wrapped.
    pub container: Container,
}

/// One run of a backup, as its files show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// Which.
    pub id: SetId,
    /// Its manifest; a set without one is incomplete.
    pub manifest: Option<Stored>,
    /// Its volumes by number.
    pub volumes: BTreeMap<u32, Stored>,
    /// Its signature file.
    pub signatures: Option<Stored>,
    /// Its statistics.
    pub stats: Option<Stored>,
    /// Files that say they are what another file of the set is already.
    pub doubles: Vec<Stored>,
}

impl Set {
    const fn new(id: SetId) -> Self {
        Self {
            id,
            manifest: None,
            volumes: BTreeMap::new(),
            signatures: None,
            stats: None,
            doubles: Vec::new(),
        }
    }

    fn add(&mut self, kind: FileKind, file: Stored) {
        let place = match kind {
            FileKind::Volume(number) => {
                if let Some(double) = self.volumes.insert(number, file) {
                    self.doubles.push(double);
                }
                return;
            }
            FileKind::Manifest => &mut self.manifest,
            FileKind::Signatures => &mut self.signatures,
            FileKind::Stats => &mut self.stats,
        };
        if let Some(double) = place.replace(file) {
            self.doubles.push(double);
        }
    }

    /// Every file of it, in the order in which it is safe to remove them: the manifest and the signatures first, then
    /// the volumes from the last to the first.
    pub fn files_to_remove(&self) -> impl Iterator<Item = &Stored> {
        let heads = [&self.manifest, &self.signatures, &self.stats];
        let heads = heads.into_iter().flatten();
        heads.chain(&self.doubles).chain(self.volumes.values().rev())
    }

    /// Bytes of all its files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files_to_remove().map(|file| file.size).sum()
    }
}

/// A full set and the increments on it, each glued to the one before by its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The full set, then the increments, oldest first; never empty.
    pub sets: Vec<Set>,
}

impl Chain {
    /// The time of its full set.
    #[must_use]
    pub fn start(&self) -> Option<SetTime> {
        self.sets.first().map(|set| set.id.end())
    }

    /// The time of its last set.
    #[must_use]
    pub fn end(&self) -> Option<SetTime> {
        self.sets.last().map(|set| set.id.end())
    }

    /// The sets that bring the state of `time`.
    #[must_use]
    pub fn until(&self, time: SetTime) -> &[Set] {
        let count = self.sets.iter().take_while(|set| set.id.end() <= time).count();
        self.sets.get(..count).unwrap_or_default()
    }
}

/// What lies on a storage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collection {
    /// The chains of complete sets, oldest end first.
    pub chains: Vec<Chain>,
    /// Complete increments whose predecessor is gone, or that a later one has replaced.
    pub orphans: Vec<Set>,
    /// Sets with volumes and without a manifest.
    pub incomplete: Vec<Set>,
    /// Signature files without a manifest or volume of their set.
    pub stray_signatures: Vec<Set>,
}

impl Collection {
    /// Orders the files of a listing.
    #[must_use]
    pub fn new(files: impl IntoIterator<Item = (FileName, Stored)>) -> Self {
        let mut sets: BTreeMap<SetId, Set> = BTreeMap::new();
        for (name, file) in files {
            if !name.partial {
                sets.entry(name.set)
                    .or_insert_with(|| Set::new(name.set))
                    .add(name.kind, file);
            }
        }
        let mut collection = Self::default();
        let mut complete = Vec::new();
        for set in sets.into_values() {
            if set.manifest.is_some() {
                complete.push(set);
            } else if set.volumes.is_empty() && set.stats.is_none() {
                collection.stray_signatures.push(set);
            } else {
                collection.incomplete.push(set);
            }
        }
        complete.sort_by_key(|set| (set.id.end(), !set.id.is_full()));
        for set in complete {
            collection.add(set);
        }
        collection.chains.sort_by_key(Chain::end);
        collection
    }

    fn add(&mut self, set: Set) {
        let SetId::Increment { start, .. } = set.id else {
            self.chains.push(Chain { sets: vec![set] });
            return;
        };
        if let Some(chain) = self.chains.iter_mut().find(|chain| chain.end() == Some(start)) {
            chain.sets.push(set);
            return;
        }
        // A run that did not trust its predecessor began where that one had begun, and replaces it.
        let replaced = self.chains.iter_mut().find_map(|chain| {
            chain
                .sets
                .last_mut()
                .filter(|last| !last.id.is_full() && last.id.start() == start)
        });
        match replaced {
            Some(last) => self.orphans.push(std::mem::replace(last, set)),
            None => self.orphans.push(set),
        }
    }

    /// The chain that ends last.
    #[must_use]
    pub fn latest(&self) -> Option<&Chain> {
        self.chains.last()
    }

    /// The last complete set of the latest chain.
    #[must_use]
    pub fn latest_set(&self) -> Option<&Set> {
        self.latest()?.sets.last()
    }

    /// Every complete set that can be restored, with the chain it belongs to, oldest first.
    #[must_use]
    pub fn restorable(&self) -> Vec<(&Chain, &Set)> {
        let mut all: Vec<_> = self
            .chains
            .iter()
            .flat_map(|chain| chain.sets.iter().map(move |set| (chain, set)))
            .collect();
        all.sort_by_key(|(_, set)| set.id.end());
        all
    }

    /// Pairs of chains that cover a time in common.
    #[must_use]
    pub fn overlaps(&self) -> Vec<(&Chain, &Chain)> {
        let mut pairs = Vec::new();
        for (index, later) in self.chains.iter().enumerate() {
            let before = self.chains.iter().take(index);
            pairs.extend(
                before
                    .filter(|chain| chain.end() >= later.start())
                    .map(|chain| (chain, later)),
            );
        }
        pairs
    }

    /// The greatest time that any file of the repository bears.
    #[must_use]
    pub fn last_time(&self) -> Option<SetTime> {
        self.sets().map(|set| set.id.end()).max()
    }

    /// Every set of which there is a file.
    pub fn sets(&self) -> impl Iterator<Item = &Set> {
        let loose = self.orphans.iter().chain(&self.incomplete);
        let chained = self.chains.iter().flat_map(|chain| &chain.sets);
        chained.chain(loose).chain(&self.stray_signatures)
    }
}

/// The repository's files on the storage; strangers and what lies in folders are left out.
///
/// # Errors
/// When the storage could not be listed.
pub fn list(blobs: &dyn BlobStore, prefixes: &Prefixes) -> Result<Vec<(FileName, Stored)>> {
    let mut files = Vec::new();
    blobs.list("", &mut |object| {
        if !object.key.as_bytes().contains(&b'/')
            && let Some(name) = FileName::parse(object.key.as_bytes(), prefixes)
        {
            let stored = Stored {
                key: object.key,
                size: object.size,
                container: name.container,
            };
            files.push((name, stored));
        }
        ControlFlow::Continue(())
    })?;
    // The order of a listing is the storage's own.
    files.sort_by(|(_, first), (_, second)| first.key.cmp(&second.key));
    Ok(files)
}

#[cfg(test)]
mod tests;
