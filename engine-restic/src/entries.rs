//! A snapshot's listing.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use engine_api::{Entry, EntryKind, Silent, SnapshotId};

use crate::error::{Error, Result};
use crate::lock::Lock;
use crate::trees::{Located, Walk, locate};
use crate::{ResticEngine, snapshots};

/// Hands the entry at `under` and every entry below it to `each`, depth first in byte order.
pub fn run(
    engine: &ResticEngine,
    snapshot: &SnapshotId,
    under: Option<&Path>,
    each: &mut dyn FnMut(Entry) -> ControlFlow<()>,
) -> Result<()> {
    let repository = engine.repository();
    let _lock = Lock::for_reading(&repository, &Silent)?;
    let stored = snapshots::by_id(&repository, snapshot)?;
    let index = engine.index(&repository)?;
    let under = under.unwrap_or(Path::new("/"));
    let not_found = || Error::PathNotFound {
        path: under.to_path_buf(),
        snapshot: stored.id.short(),
    };
    let located = locate(&repository, &index, stored.file.tree, under)?.ok_or_else(not_found)?;
    let mut walk = match located {
        Located::Root(tree) => Walk::new(&repository, &index, Path::new("/"), Some(tree))?,
        Located::Node(node) => {
            let path: PathBuf = under.components().collect();
            let is_folder = node.metadata.kind == EntryKind::Dir;
            let tree = node.subtree;
            let entry = Entry {
                path: path.clone(),
                metadata: node.metadata,
            };
            if each(entry).is_break() || !is_folder {
                return Ok(());
            }
            Walk::new(&repository, &index, &path, tree)?
        }
    };
    while let Some(node) = walk.step()? {
        let entry = Entry {
            path: walk.path().to_path_buf(),
            metadata: node.metadata,
        };
        if each(entry).is_break() {
            break;
        }
    }
    Ok(())
}
