//! Which paths of which snapshots are hurt by what is lost.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use engine_api::{EntryKind, Progress};

use super::{Findings, Lost};
use crate::Id;
use crate::error::{Error, Result};
use crate::format::{BlobKind, Node};
use crate::index::Marks;
use crate::repository::{FileKind, Opener, Repository};
use crate::snapshots::Stored;
use crate::trees::open_listing;

/// Paths that are named of each snapshot.
const NAMED: usize = 5;

/// Tells of every snapshot that lost something how much, and the first paths. A folder that many snapshots share and that
/// is whole is looked through once.
pub fn tell(
    repository: &Repository,
    stored: &[Stored],
    lost: &Lost<'_>,
    findings: &Findings,
    progress: &dyn Progress,
) -> Result<()> {
    if !findings.has_errors() {
        return Ok(());
    }
    let mut search = Search {
        repository,
        lost,
        opener: Opener::new(repository)?,
        whole: Marks::new(lost.index.len()),
        open: Vec::new(),
        path: PathBuf::new(),
        harm: Harm::default(),
    };
    for stored in stored {
        let harm = search.snapshot(stored.file.tree, progress)?;
        if harm.files + harm.folders > 0 {
            findings.error(FileKind::Snapshot.object(stored.id), &harm.in_words());
        }
    }
    Ok(())
}

/// What one snapshot lost.
#[derive(Default)]
struct Harm {
    files: u64,
    folders: u64,
    named: Vec<PathBuf>,
}

impl Harm {
    fn name(&mut self, path: &Path) {
        if self.named.len() < NAMED {
            self.named.push(path.to_path_buf());
        }
    }

    fn in_words(&self) -> String {
        let named: Vec<String> = self.named.iter().map(|path| path.display().to_string()).collect();
        format!(
            "{} files have lost content and {} folders their listing, such as {}; a new backup saves again what still is there, \
             `holdfast repair snapshots` writes the snapshot anew with what is left",
            self.files,
            self.folders,
            named.join(", ")
        )
    }
}

struct Search<'r> {
    repository: &'r Repository,
    lost: &'r Lost<'r>,
    opener: Opener,
    /// Trees below which nothing is lost, by ordinal.
    whole: Marks,
    open: Vec<Folder>,
    path: PathBuf,
    harm: Harm,
}

/// A folder whose own entries were looked at and whose folders wait.
struct Folder {
    ordinal: usize,
    waiting: std::vec::IntoIter<(OsString, Option<Id>)>,
    whole: bool,
}

impl Search<'_> {
    fn snapshot(&mut self, tree: Id, progress: &dyn Progress) -> Result<Harm> {
        self.path = PathBuf::from("/");
        self.enter(Some(tree))?;
        while let Some(folder) = self.open.last_mut() {
            if progress.cancelled() {
                return Err(Error::Interrupted);
            }
            match folder.waiting.next() {
                Some((name, tree)) => {
                    self.path.push(name);
                    let depth = self.open.len();
                    self.enter(tree)?;
                    if self.open.len() == depth {
                        self.path.pop();
                    }
                }
                None => self.leave(),
            }
        }
        Ok(std::mem::take(&mut self.harm))
    }

    /// Looks at the entries of the folder at the current path, unless it is known to be whole.
    fn enter(&mut self, tree: Option<Id>) -> Result<()> {
        let location = tree.and_then(|tree| self.lost.index.get(BlobKind::Tree, tree));
        let ordinal = location.map(|location| location.ordinal);
        if ordinal.is_some_and(|ordinal| self.whole.get(ordinal)) {
            return Ok(());
        }
        let mut listing = match open_listing(self.repository, self.lost.index, &mut self.opener, tree, &self.path) {
            Ok(listing) => listing,
            Err(error) if error.is_of_one_object() => {
                self.lose_folder();
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let mut whole = true;
        let mut folders = Vec::new();
        loop {
            match listing.next() {
                Ok(Some(node)) if node.metadata.kind == EntryKind::Dir => folders.push((node.name, node.subtree)),
                Ok(Some(node)) => whole &= self.is_whole(&node),
                Ok(None) => break,
                Err(_) => {
                    self.lose_folder();
                    whole = false;
                    break;
                }
            }
        }
        self.open.push(Folder {
            ordinal: ordinal.unwrap_or(usize::MAX),
            waiting: folders.into_iter(),
            whole,
        });
        Ok(())
    }

    fn lose_folder(&mut self) {
        self.harm.folders += 1;
        self.harm.name(&self.path);
        if let Some(above) = self.open.last_mut() {
            above.whole = false;
        }
    }

    fn is_whole(&mut self, node: &Node) -> bool {
        let lost = node.content.iter().any(|id| self.lost.has(BlobKind::Data, *id));
        if lost {
            self.harm.files += 1;
            self.harm.name(&self.path.join(&node.name));
        }
        !lost
    }

    fn leave(&mut self) {
        let Some(folder) = self.open.pop() else { return };
        if folder.whole {
            self.whole.set(folder.ordinal);
        } else if let Some(above) = self.open.last_mut() {
            above.whole = false;
        }
        self.path.pop();
    }
}
