//! What lies in a destination, seen with two listings at the same time instead of a question for each thing.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use engine_api::{FileStore, Folder, Listed, Timestamp};

use crate::RsyncEngine;
use crate::error::{Error, Result};
use crate::layout::{self, IN_PROGRESS, MARKER, REMOVING, TAKING_OVER};
use crate::manifest::place;
use crate::{prune, snapshots};

/// Names, each with the length in bytes where the listing tells.
type Names = BTreeMap<Box<[u8]>, Option<u64>>;

/// What counts in the destination, and the names in Holdfast's own folder there, as they were at one moment.
pub struct Survey {
    has_marker: bool,
    in_progress: bool,
    dated: Vec<(Timestamp, String)>,
    /// `None` when there is no such folder.
    own: Option<Names>,
}

impl Survey {
    pub fn take(engine: &RsyncEngine) -> Result<Self> {
        std::thread::scope(|scope| {
            let own = scope.spawn(|| match own_names(engine.store()) {
                Err(Error::Store(error)) if error.is_not_found() => Ok(None),
                other => other.map(Some),
            });
            let mut seen = Self {
                has_marker: false,
                in_progress: false,
                dated: Vec::new(),
                own: None,
            };
            each(engine.store(), &engine.store().root(), |listed| {
                let kind = listed.kind.or(listed.stat.map(|stat| stat.kind));
                seen.has_marker |= listed.name == MARKER;
                seen.in_progress |= listed.name == IN_PROGRESS;
                seen.dated
                    .extend(snapshots::dated_name(listed.name, kind, engine.zone()));
            })?;
            seen.dated.sort_unstable_by(|one, other| one.1.cmp(&other.1));
            seen.own = own.join().unwrap_or(Err(Error::Interrupted))?;
            Ok(seen)
        })
    }

    /// Whether the mark of the script is there.
    pub const fn in_progress(&self) -> bool {
        self.in_progress
    }

    /// Whether Holdfast's own folder is there.
    pub const fn has_own(&self) -> bool {
        self.own.is_some()
    }

    /// Whether something has the name there.
    pub fn own_has(&self, name: &[u8]) -> bool {
        self.own.as_ref().is_some_and(|own| own.contains_key(name))
    }

    /// Refuses a place that is not meant for backups, or makes it one where the settings say so.
    pub fn check_marker(&self, engine: &RsyncEngine) -> Result<()> {
        if self.has_marker {
            return Ok(());
        }
        layout::check_marker(engine)
    }

    /// Whether a run of the script that did not come to its end may have to be taken over.
    pub fn may_be_taken_over(&self) -> bool {
        self.in_progress || self.own_has(TAKING_OVER)
    }

    /// Whether a snapshot was being removed and is not gone.
    pub fn is_half_removed(&self) -> bool {
        self.own_names().any(|name| name.starts_with(REMOVING))
    }

    /// The folders that are named as snapshots are, oldest first.
    pub fn dated(&self) -> &[(Timestamp, String)] {
        &self.dated
    }

    /// The files of manifests that belong to none of these snapshots.
    pub fn orphans(&self) -> Vec<Vec<u8>> {
        let orphans = self.own_names().filter(|name| prune::is_orphan(name, &self.dated));
        orphans.map(<[u8]>::to_vec).collect()
    }

    /// How long the manifest of that snapshot is, in bytes, where that is known.
    pub fn manifest_size(&self, snapshot: &str) -> Option<u64> {
        let own = self.own.as_ref()?;
        *own.get(place::file_name(snapshot).as_slice())?
    }

    fn own_names(&self) -> impl Iterator<Item = &[u8]> {
        self.own.iter().flat_map(BTreeMap::keys).map(AsRef::as_ref)
    }
}

fn own_names(store: &dyn FileStore) -> Result<Names> {
    let mut names = Names::new();
    each(store, &place::folder(store), |listed| {
        names.insert(listed.name.into(), listed.stat.map(|stat| stat.size));
    })?;
    Ok(names)
}

fn each(store: &dyn FileStore, folder: &Folder, mut take: impl FnMut(Listed<'_>)) -> Result<()> {
    store.list(folder, &mut |listed| {
        take(listed);
        ControlFlow::Continue(())
    })?;
    Ok(())
}
