//! Which part of a snapshot is restored.

use std::path::PathBuf;

use engine_api::FileStore;

use crate::error::{Error, Result};
use crate::manifest::{is_below, path_order};
use crate::snapshots::Stored;
use crate::tree::{list, relative};

/// The selected paths, as the snapshot has them; none lies in another.
#[derive(Debug)]
pub struct Selected {
    paths: Vec<Vec<u8>>,
    /// Nothing was selected, so everything is: the paths are then those that were saved.
    all: bool,
}

impl Selected {
    /// The selection of `paths`. Without any it is all of what the snapshot says was saved; what lies above those is in it
    /// only because it leads there, and nobody else's things in it may be touched.
    ///
    /// # Errors
    /// When a path is none, or extra files are to be deleted and nobody knows in which folders.
    pub fn new(paths: &[PathBuf], stored: &Stored, delete_extra: bool) -> Result<Self> {
        let all = paths.is_empty();
        let saved = &stored.snapshot.paths;
        if all && saved.is_empty() && delete_extra {
            return Err(Error::Usage(format!(
                "snapshot {} does not tell which folders were saved whole: name the paths below which extra files are to be deleted",
                stored.name()
            )));
        }
        let wanted = if all { saved } else { paths };
        let one = |path: &PathBuf| {
            let wrong = || Error::PathNotFound {
                path: path.clone(),
                snapshot: stored.name().to_owned(),
            };
            relative(path).ok_or_else(wrong)
        };
        let mut sorted = wanted.iter().map(one).collect::<Result<Vec<_>>>()?;
        if sorted.is_empty() {
            sorted.push(Vec::new());
        }
        sorted.sort_by(|one, other| path_order(one, other));
        sorted.dedup_by(|inner, outer| is_below(inner, outer));
        Ok(Self { paths: sorted, all })
    }

    /// Whether everything is selected.
    pub const fn is_all(&self) -> bool {
        self.all
    }

    /// The paths, in walk order.
    pub fn paths(&self) -> &[Vec<u8>] {
        &self.paths
    }

    /// Fails for the first selected path that the snapshot has not: a slip of the keyboard should show at once.
    pub fn check_exist(&self, store: &dyn FileStore, stored: &Stored) -> Result<()> {
        if self.all {
            return Ok(());
        }
        self.paths
            .iter()
            .try_for_each(|path| list(store, stored, path, false).map(|_| ()))
    }
}
