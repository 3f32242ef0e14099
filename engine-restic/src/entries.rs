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

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;
    use std::sync::Arc;

    use engine_api::{Engine, ErrorKind, StoreErrorKind};

    use super::*;
    use crate::testing::{Model, paths};

    fn model() -> (Model, SnapshotId) {
        let mut model = Model::new();
        for name in ["b/2", "b/1", "b-/x", "b.c", "a/deep/er/file", "\u{fc}/\u{e4}"] {
            model.write(name, name.as_bytes());
        }
        let id = model.backup();
        (model, id)
    }

    #[test]
    fn everything_comes_depth_first_in_byte_order() {
        let (model, id) = model();
        let all = paths(&model.engine, &id, None);
        let components = |path: &PathBuf| path.iter().map(|part| part.as_bytes().to_vec()).collect::<Vec<_>>();
        assert!(all.is_sorted_by_key(components), "{all:?}");
        assert!(all.contains(&model.tree.path().join("a/deep/er/file")));
        assert_eq!(all.first().unwrap().components().count(), 2);
    }

    #[test]
    fn a_part_begins_with_itself() {
        let (model, id) = model();
        let folder = model.tree.path().join("b");
        let expected = ["", "1", "2"].map(|name| folder.join(name).components().collect::<PathBuf>());
        assert_eq!(paths(&model.engine, &id, Some(&folder)), expected);
        let file = model.tree.path().join("b.c");
        assert_eq!(paths(&model.engine, &id, Some(&file)), [file]);
        for missing in ["c", "b.c/below", "b/0"] {
            let path = model.tree.path().join(missing);
            let outcome = model
                .engine
                .entries(&id, Some(&path), &mut |_| ControlFlow::Continue(()));
            assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Usage);
        }
    }

    #[test]
    fn it_ends_when_nobody_listens() {
        let (model, id) = model();
        let mut count = 0;
        let outcome = model.engine.entries(&id, None, &mut |_| {
            count += 1;
            if count == 3 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        outcome.unwrap();
        assert_eq!(count, 3);
    }

    /// What is stored can be read where nothing can be written, and a lock that others hold still counts.
    #[test]
    fn a_storage_that_takes_no_writes_can_be_read() {
        let (model, id) = model();
        let expected = paths(&model.engine, &id, None);
        for kind in [
            StoreErrorKind::ReadOnly,
            StoreErrorKind::PermissionDenied,
            StoreErrorKind::NoSpace,
        ] {
            let (_, engine) = model.on(model.store.copy().refusing_writes(kind));
            assert_eq!(paths(&engine, &id, None), expected);
        }
        let (_, engine) = model.on(model.store.copy().refusing_writes(StoreErrorKind::Vanished));
        assert!(engine.entries(&id, None, &mut |_| ControlFlow::Continue(())).is_err());

        let repository = model.engine.repository();
        let held = Lock::take(&repository, crate::lock::Mode::Exclusive, &Silent).unwrap();
        let locked = Arc::new(model.store.copy().refusing_writes(StoreErrorKind::ReadOnly));
        let outcome = model
            .open(&locked)
            .entries(&id, None, &mut |_| ControlFlow::Continue(()));
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Locked);
        drop(held);
    }
}
