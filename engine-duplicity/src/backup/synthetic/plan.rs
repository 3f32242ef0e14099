//! Of which chain the set is made, at what time, and whether an interrupted run goes on.

use std::collections::BTreeSet;
use std::path::PathBuf;

use engine_api::{Event, Phase, Progress, SnapshotId};
use sha2::{Digest, Sha256};

use super::super::plan::{Plan, Resume, signatures};
use super::super::settle;
use crate::archive::Archive;
use crate::chain::{Chain, Collection, Set};
use crate::engine::DuplicityEngine;
use crate::error::{Error, Result};
use crate::format::quote::hex;
use crate::format::{Manifest, Notes, SetId, SetTime};
use crate::restore;
use crate::snapshots::{self, Found};
use crate::source::{SetPlan, Wanted};

/// What the noted settings of these runs begin with.
const SYNTHETIC: &str = "synthetic-";

/// What is done.
pub(super) enum Decision {
    /// The set is made of this.
    Make(Box<Plan>, Box<Made>),
    /// The last set is a full one.
    Nothing {
        /// Which.
        last: SnapshotId,
    },
}

/// What the set is made of.
pub(super) struct Made {
    /// The last set of the chain, with those that it needs.
    pub found: Found,
    /// What is to be read of each.
    pub volumes: Vec<SetPlan>,
    /// Their signature files on this machine, oldest first.
    pub signatures: Vec<PathBuf>,
}

impl Made {
    /// The set whose state it is.
    pub fn state_of(&self) -> SnapshotId {
        self.found.snapshot.id.clone()
    }

    /// Bytes of all volumes.
    pub fn volume_bytes(&self) -> u64 {
        let volumes = self.volumes.iter().flat_map(|set| &set.volumes);
        volumes.filter_map(|volume| Some(volume.file.as_ref()?.size)).sum()
    }

    /// Tells what there is to do.
    pub fn tell(&self, progress: &dyn Progress) {
        progress.event(Event::Phase {
            phase: Phase::BackingUp,
            total: None,
        });
        if let (Some(files), Some(bytes)) = (self.found.snapshot.files, self.found.snapshot.bytes) {
            progress.event(Event::Scanned {
                files,
                bytes,
                done: true,
            });
        }
    }
}

/// Decides, and brings the archive folder and what an interrupted run left in order.
pub(super) fn decide(
    engine: &DuplicityEngine,
    archive: &Archive,
    dry_run: bool,
    progress: &dyn Progress,
) -> Result<Decision> {
    let mut collection = engine.collection()?;
    let (chain, last) = newest(engine, &collection)?;
    if chain.sets.len() == 1 {
        let last = SnapshotId(last.id.end().to_string());
        return Ok(Decision::Nothing { last });
    }
    if let Some(set) = settle::unfinished(archive, SYNTHETIC)? {
        return Err(Error::Unfinished { set: set.to_string() });
    }
    let found = snapshots::found(engine, chain, last)?;
    let volumes = restore::plans(engine, &found, &Wanted::default())?;
    let fingerprint = fingerprint(engine, last.id);
    let resume = settle::run(engine, archive, &mut collection, &fingerprint, dry_run, progress)?;
    if !archive.sync(engine, &collection, &found.sets)? {
        return Err(unsigned(engine, archive, &found.sets));
    }
    let set = match &resume {
        Some(noted) => {
            let text = format!("{}: goes on behind volume {}", noted.set, noted.volumes.len());
            progress.event(Event::Notice(&text));
            noted.set
        }
        None => SetId::Full(next_time(&collection)?),
    };
    let plan = Plan {
        set,
        basis: None,
        damaged: BTreeSet::new(),
        manifest: head(engine, &found),
        resume: resume.map(|noted| Resume { noted }),
        fingerprint,
        latest: collection.latest_set().map(|set| set.id),
    };
    let made = Made {
        signatures: signatures(archive, &found.sets),
        found,
        volumes,
    };
    Ok(Decision::Make(Box::new(plan), Box::new(made)))
}

/// The latest chain and its last set.
fn newest<'c>(engine: &DuplicityEngine, collection: &'c Collection) -> Result<(&'c Chain, &'c Set)> {
    let none = || Error::NoBackup {
        location: engine.blobs().location().to_owned(),
    };
    let chain = collection.latest().ok_or_else(none)?;
    let last = chain.sets.last().ok_or_else(none)?;
    let name = |chain: &Chain| chain.start().map(|start| start.to_string()).unwrap_or_default();
    let overlaps = collection.overlaps();
    let of_this = overlaps.iter().find(|(one, other)| *one == chain || *other == chain);
    match of_this {
        Some((first, second)) => Err(Error::Overlap {
            first: name(first),
            second: name(second),
        }),
        None => Ok((chain, last)),
    }
}

/// A second after everything that is stored, so that the set tells as nearly as can be which state it holds.
fn next_time(collection: &Collection) -> Result<SetTime> {
    let last = collection.last_time().map_or(0, SetTime::seconds);
    let unusable = || Error::Usage("the time after the last backup lies outside what file names can say".to_owned());
    SetTime::new(last + 1).ok_or_else(unusable)
}

/// What must be the same for an interrupted run to be gone on with.
fn fingerprint(engine: &DuplicityEngine, state_of: SetId) -> String {
    let settings = engine.settings();
    let what = format!(
        "{state_of} {:?} {} {} {:?} {}",
        settings.prefixes,
        settings.extras,
        settings.compression,
        settings.encryption.is_some(),
        settings.volume_size,
    );
    let hash: [u8; 32] = Sha256::digest(what).into();
    format!("{SYNTHETIC}{}", hex(&hash))
}

/// The head of the new manifest: machine, folder and labels are those of the set whose state it is.
fn head(engine: &DuplicityEngine, found: &Found) -> Manifest {
    let settings = engine.settings();
    let last = found.sets.last().map(|set| set.id.end());
    let notes = Notes {
        program: Some(concat!("holdfast ", env!("CARGO_PKG_VERSION")).to_owned()),
        user: Some(settings.user.clone()).filter(|user| !user.is_empty()),
        tags: found.manifest.notes.tags.clone(),
        state_of: last,
        ..Notes::default()
    };
    Manifest {
        host: found.manifest.host.clone(),
        dir: found.manifest.dir.clone(),
        notes: if settings.extras { notes } else { Notes::default() },
        ..Manifest::default()
    }
}

/// Which signature file is not to be had.
fn unsigned(engine: &DuplicityEngine, archive: &Archive, sets: &[Set]) -> Error {
    let absent = sets
        .iter()
        .zip(signatures(archive, sets))
        .find(|(_, path)| !path.exists())
        .map(|(set, _)| set);
    let why = "`holdfast repair index` makes it anew of the volumes";
    match absent {
        Some(Set {
            signatures: Some(stored),
            ..
        }) => Error::damaged(stored.key.to_string(), format!("it cannot be read; {why}")),
        Some(set) => Error::damaged(
            set.id.to_string(),
            format!(
                "its signature file is missing from {}; {why}",
                engine.blobs().location()
            ),
        ),
        None => Error::damaged("the chain", format!("a signature file is missing; {why}")),
    }
}
