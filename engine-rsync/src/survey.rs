//! What lies in a destination, seen with two listings at the same time instead of a question for each thing.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use engine_api::{EntryKind, FileStore, Folder, Timestamp};
use jiff::tz::TimeZone;

use crate::RsyncEngine;
use crate::error::{Error, Result};
use crate::layout::{self, IN_PROGRESS, MARKER, REMOVING, TAKING_OVER};
use crate::manifest::place;
use crate::{prune, snapshots};

/// Names, with what each is where the place tells.
type Names = BTreeMap<Box<[u8]>, Option<EntryKind>>;

/// The names in the destination and in Holdfast's own folder there, as they were at one moment.
pub struct Survey {
    root: Names,
    /// `None` when there is no such folder.
    own: Option<Names>,
}

impl Survey {
    pub fn take(store: &dyn FileStore) -> Result<Self> {
        let root = store.root();
        std::thread::scope(|scope| {
            let own = scope.spawn(|| match names(store, &place::folder(store)) {
                Err(Error::Store(error)) if error.is_not_found() => Ok(None),
                other => other.map(Some),
            });
            let root = names(store, &root)?;
            let own = own.join().unwrap_or(Err(Error::Interrupted))?;
            Ok(Self { root, own })
        })
    }

    /// Whether the destination has the name.
    pub fn has(&self, name: &[u8]) -> bool {
        self.root.contains_key(name)
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
        if self.has(MARKER) {
            return Ok(());
        }
        layout::check_marker(engine)
    }

    /// Whether a run of the script that did not come to its end may have to be taken over.
    pub fn may_be_taken_over(&self) -> bool {
        self.has(IN_PROGRESS) || self.own_has(TAKING_OVER)
    }

    /// Whether a snapshot was being removed and is not gone.
    pub fn is_half_removed(&self) -> bool {
        let own = self.own.iter().flat_map(BTreeMap::keys);
        own.into_iter().any(|name| name.starts_with(REMOVING))
    }

    /// The folders that are named as snapshots are, oldest first.
    pub fn dated(&self, zone: &TimeZone) -> Vec<(Timestamp, String)> {
        let names = self.root.iter().map(|(name, kind)| (name.as_ref(), *kind));
        let mut dated: Vec<_> = names
            .filter_map(|(name, kind)| snapshots::dated_name(name, kind, zone))
            .collect();
        dated.sort_unstable_by(|one, other| one.1.cmp(&other.1));
        dated
    }

    /// The files of manifests that belong to none of these snapshots.
    pub fn orphans(&self, dated: &[(Timestamp, String)]) -> Vec<Vec<u8>> {
        let own = self.own.iter().flat_map(BTreeMap::keys);
        own.filter(|name| prune::is_orphan(name, dated))
            .map(|name| name.to_vec())
            .collect()
    }
}

fn names(store: &dyn FileStore, folder: &Folder) -> Result<Names> {
    let mut names = Names::new();
    store.list(folder, &mut |listed| {
        let kind = listed.kind.or(listed.stat.map(|stat| stat.kind));
        names.insert(listed.name.into(), kind);
        ControlFlow::Continue(())
    })?;
    Ok(names)
}
