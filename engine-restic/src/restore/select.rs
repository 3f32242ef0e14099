//! Which part of a snapshot is restored.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::format::{BlobKind, TreeReader};
use crate::index::Index;
use crate::repository::Repository;
use crate::snapshots::Stored;

/// The selected paths.
pub struct Selected {
    paths: Vec<PathBuf>,
    /// Nothing was selected, so everything is: the paths are then those that were saved.
    all: bool,
}

/// What a path is to a selection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Selected, with all below it.
    Whole,
    /// Not selected, but something below it is.
    Above,
    /// Neither.
    Outside,
}

impl Selected {
    /// The selection of `paths`. Without any it is all of what `saved` names; what lies above those is in a snapshot
    /// only because it leads there, and nobody else's things in it may be touched.
    pub fn new(paths: &[PathBuf], saved: &[PathBuf]) -> Self {
        let all = paths.is_empty();
        let paths = if all { saved } else { paths };
        Self {
            paths: paths.iter().map(|path| Path::new("/").join(path)).collect(),
            all,
        }
    }

    /// Whether everything is selected.
    pub const fn is_all(&self) -> bool {
        self.all
    }

    /// What the absolute path is to the selection.
    pub fn part(&self, path: &Path) -> Part {
        if self.paths.iter().any(|selected| path.starts_with(selected)) {
            Part::Whole
        } else if self.paths.iter().any(|selected| selected.starts_with(path)) {
            Part::Above
        } else if self.all {
            // Some programs name what they saved otherwise than they store it.
            Part::Whole
        } else {
            Part::Outside
        }
    }

    /// Fails for the first selected path that the snapshot has not: a slip of the keyboard should show at once.
    pub fn check_exist(&self, repository: &Repository, index: &Index, stored: &Stored) -> Result<()> {
        if self.all {
            return Ok(());
        }
        for path in &self.paths {
            if !exists(repository, index, stored, path)? {
                return Err(Error::PathNotFound {
                    path: path.clone(),
                    snapshot: stored.id.short(),
                });
            }
        }
        Ok(())
    }
}

fn exists(repository: &Repository, index: &Index, stored: &Stored, path: &Path) -> Result<bool> {
    let mut tree = Some(stored.file.tree);
    for name in path.iter().skip(1) {
        let Some(id) = tree else { return Ok(false) };
        let blob = repository.read_blob(index, BlobKind::Tree, id)?;
        let mut found = None;
        let read = TreeReader::each(&blob, &mut |node| {
            if node.name == name {
                found = Some(node.subtree);
                return std::ops::ControlFlow::Break(());
            }
            std::ops::ControlFlow::Continue(())
        });
        read.map_err(|why| Error::damaged(format!("tree {id}"), why))?;
        let Some(subtree) = found else { return Ok(false) };
        tree = subtree;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_count_not_letters() {
        let selected = Selected::new(&[PathBuf::from("/etc/ssh"), PathBuf::from("home")], &[]);
        for (path, part) in [
            ("/etc", Part::Above),
            ("/etc/ssh", Part::Whole),
            ("/etc/ssh/keys/a", Part::Whole),
            ("/etc/sshd", Part::Outside),
            ("/home/x", Part::Whole),
            ("/var", Part::Outside),
        ] {
            assert_eq!(selected.part(Path::new(path)), part, "{path}");
        }
    }

    #[test]
    fn everything_is_what_was_saved_and_not_what_leads_there() {
        let selected = Selected::new(&[], &[PathBuf::from("/var/lib/app")]);
        assert_eq!(selected.part(Path::new("/var")), Part::Above);
        assert_eq!(selected.part(Path::new("/var/lib/app/x")), Part::Whole);
        // Saved by a program that stores relative paths.
        assert_eq!(selected.part(Path::new("/app")), Part::Whole);
    }
}
