//! What the volumes of a set say, in the order of the paths.
//!
//! A volume is fetched whole and its hash checked before a byte of it is used; it then lies in memory, in a temporary
//! file or, where reading is cheap, stays in the storage to be read again. While one volume is read the next is
//! fetched. A volume that is lost makes a gap: what it held is told from the set's signature file, where that is left.

mod feed;
mod fetch;
mod hash;
mod message;
mod parts;
mod set;
mod windows;

use std::ops::ControlFlow;
use std::path::Path;

use engine_api::{BlobStore, Progress};

use crate::DuplicityEngine;
use crate::chain::Stored;
use crate::container::Cipher;
use crate::error::{Error, Result};
use crate::format::{SetId, TreePath, VolumeInfo};

pub(crate) use feed::{Feed, Notice, Piece};
pub(crate) use fetch::{fetch, hash_matches};
pub(crate) use message::{Doubt, Item, ItemKind};
pub(crate) use parts::{PartKind, PartName};
pub(crate) use set::lost_item;

/// Where volumes come from.
#[derive(Clone, Copy)]
pub(crate) struct Source<'e> {
    /// The storage.
    pub blobs: &'e dyn BlobStore,
    /// What opens encrypted files.
    pub cipher: Option<&'e dyn Cipher>,
    /// Where temporary files are made.
    pub temp: &'e Path,
    /// Who may ask to stop.
    pub progress: &'e dyn Progress,
    /// What signature files say of what is lost.
    pub lost: &'e dyn Lost,
    /// Windows of an object that may be on their way at the same time.
    pub abreast: usize,
}

impl<'e> Source<'e> {
    /// The storage of this engine.
    pub(crate) fn of(engine: &'e DuplicityEngine, progress: &'e dyn Progress, lost: &'e dyn Lost) -> Self {
        Self {
            blobs: engine.blobs().as_ref(),
            cipher: engine.settings().encryption.as_deref(),
            temp: engine.temp(),
            progress,
            lost,
            abreast: windows::abreast(1),
        }
    }

    /// The same, where so many objects are read at the same time.
    pub(crate) fn among(self, readers: usize) -> Self {
        let abreast = windows::abreast(readers);
        Self { abreast, ..self }
    }

    /// Fails when the user wants to stop.
    pub(crate) fn go_on(&self) -> Result<()> {
        if self.progress.cancelled() {
            Err(Error::Interrupted)
        } else {
            Ok(())
        }
    }
}

/// Who knows what a set saved without its volumes.
pub(crate) trait Lost: Sync {
    /// Hands over every item of the set by its signature file, in order, until `each` breaks; files are of kind
    /// [`ItemKind::Lost`].
    fn items(&self, set: SetId, each: &mut dyn FnMut(Item) -> ControlFlow<()>) -> Result<()>;
}

/// A volume that is to be read.
#[derive(Debug, Clone)]
pub(crate) struct VolumePlan {
    /// Its number.
    pub number: u32,
    /// Its file; `None` when the storage has it not.
    pub file: Option<Stored>,
    /// What the manifest says of it.
    pub info: VolumeInfo,
}

/// What is to be read of a set.
#[derive(Debug, Clone)]
pub(crate) struct SetPlan {
    /// Which set.
    pub set: SetId,
    /// Its volumes that may hold something wanted, by number.
    pub volumes: Vec<VolumePlan>,
}

/// Which paths are wanted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    /// Each with all below it; none means everything.
    paths: Vec<TreePath>,
}

impl Wanted {
    /// These, each with all below it.
    pub(crate) fn below(paths: Vec<TreePath>) -> Self {
        let all = paths.iter().any(TreePath::is_root);
        Self {
            paths: if all { Vec::new() } else { paths },
        }
    }

    /// Whether everything is.
    pub(crate) const fn is_all(&self) -> bool {
        self.paths.is_empty()
    }

    /// The paths that were named; none means everything.
    pub(crate) fn paths(&self) -> &[TreePath] {
        &self.paths
    }

    /// Whether the path is wanted itself.
    pub(crate) fn holds(&self, path: &TreePath) -> bool {
        self.is_all() || self.paths.iter().any(|wanted| path.is_within(wanted))
    }

    /// Whether the path leads to something wanted.
    pub(crate) fn leads(&self, path: &TreePath) -> bool {
        self.paths.iter().any(|wanted| wanted.is_within(path))
    }

    /// Whether the volume may hold something wanted.
    pub(crate) fn in_volume(&self, info: &VolumeInfo) -> bool {
        self.is_all() || self.paths.iter().any(|wanted| info.may_hold(wanted))
    }
}
