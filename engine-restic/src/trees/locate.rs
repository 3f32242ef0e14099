use std::path::{Component, Path};

use engine_api::EntryKind;

use super::open_listing;
use crate::Id;
use crate::error::Result;
use crate::format::Node;
use crate::index::Index;
use crate::repository::{Opener, Repository};

/// What lies at a path.
pub enum Located {
    /// The topmost folder, which has no entry of its own; its listing.
    Root(Id),
    /// An entry.
    Node(Box<Node>),
}

/// Looks for an absolute path below the topmost listing `root`; `None` when it is not there.
pub fn locate(repository: &Repository, index: &Index, root: Id, path: &Path) -> Result<Option<Located>> {
    let mut opener = Opener::new(repository)?;
    let mut found = Located::Root(root);
    let mut folder = std::path::PathBuf::from("/");
    for component in path.components() {
        let name = match component {
            Component::RootDir | Component::CurDir => continue,
            Component::Normal(name) => name,
            Component::ParentDir | Component::Prefix(_) => return Ok(None),
        };
        let tree = match &found {
            Located::Root(tree) => Some(*tree),
            Located::Node(node) if node.metadata.kind == EntryKind::Dir => node.subtree,
            Located::Node(_) => return Ok(None),
        };
        let mut listing = open_listing(repository, index, &mut opener, tree, &folder)?;
        let entry = loop {
            match listing.next().map_err(|why| super::walk::damaged(&folder, why))? {
                Some(node) if node.name.as_os_str() < name => {}
                Some(node) if node.name == name => break node,
                _ => return Ok(None),
            }
        };
        found = Located::Node(Box::new(entry));
        folder.push(name);
    }
    Ok(Some(found))
}
