use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::Id;
use crate::error::{Error, Result};
use crate::format::{BlobKind, Node, TreeCursor};
use crate::index::Index;
use crate::repository::{Opener, Repository};

/// Goes through a tree depth first, in byte order of the path components; in memory are the listings from the top down
/// to where it is.
pub struct Walk<'r> {
    repository: &'r Repository,
    index: &'r Index,
    opener: Opener,
    levels: Vec<Level>,
    path: Vec<u8>,
    next: Option<Option<Id>>,
}

struct Level {
    cursor: TreeCursor,
    /// Length of the folder's own path.
    path: usize,
}

impl<'r> Walk<'r> {
    /// Before the first entry of the folder `path` whose listing is `tree`.
    pub fn new(repository: &'r Repository, index: &'r Index, path: &Path, tree: Option<Id>) -> Result<Self> {
        let mut bytes = path.as_os_str().as_bytes().to_vec();
        while bytes.last() == Some(&b'/') {
            bytes.pop();
        }
        Ok(Self {
            repository,
            index,
            opener: Opener::new(repository)?,
            levels: Vec::new(),
            path: bytes,
            next: Some(tree),
        })
    }

    /// The next entry. An error concerns the folder that was returned last; the walk goes on behind it.
    pub fn step(&mut self) -> Result<Option<Node>> {
        if let Some(tree) = self.next.take() {
            let path = as_path(&self.path);
            let cursor = open_listing(self.repository, self.index, &mut self.opener, tree, path)?;
            let path = self.path.len();
            self.levels.push(Level { cursor, path });
        }
        while let Some(level) = self.levels.last_mut() {
            self.path.truncate(level.path);
            match level.cursor.next() {
                Ok(Some(node)) => {
                    self.path.push(b'/');
                    self.path.extend_from_slice(node.name.as_bytes());
                    self.next = is_folder(&node).then_some(node.subtree);
                    return Ok(Some(node));
                }
                Ok(None) => drop(self.levels.pop()),
                Err(why) => {
                    self.levels.pop();
                    return Err(damaged(self.path(), why));
                }
            }
        }
        Ok(None)
    }

    /// Leaves out what is below the folder that was returned last.
    pub const fn skip(&mut self) {
        self.next = None;
    }

    /// Path of the entry that was returned last.
    pub fn path(&self) -> &Path {
        as_path(&self.path)
    }
}

/// The topmost folder's path is empty in a walk.
fn as_path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(if bytes.is_empty() { b"/" } else { bytes }))
}

fn is_folder(node: &Node) -> bool {
    node.metadata.kind == engine_api::EntryKind::Dir
}

/// The listing of the folder `path`; an error says whose listing is lost.
pub fn open_listing(
    repository: &Repository,
    index: &Index,
    opener: &mut Opener,
    tree: Option<Id>,
    path: &Path,
) -> Result<TreeCursor> {
    let tree = tree.ok_or_else(|| damaged(path, "the snapshot does not say where it is".to_owned()))?;
    match repository.read_blob_with(opener, index, BlobKind::Tree, tree) {
        Ok(blob) => Ok(TreeCursor::new(blob)),
        Err(error) if error.is_loss() => Err(damaged(path, error.chain())),
        Err(error) => Err(error),
    }
}

pub fn damaged(path: &Path, why: String) -> Error {
    Error::damaged(format!("the listing of {}", path.display()), why)
}
