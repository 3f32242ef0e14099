//! What differs between two snapshots.

use std::cmp::Ordering;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use engine_api::{DiffEntry, DiffKind, EntryKind, Metadata, Silent, SnapshotId};

use crate::error::{Error, Result};
use crate::format::{Node, TreeCursor};
use crate::index::Index;
use crate::lock::Lock;
use crate::repository::{Opener, Repository};
use crate::trees::{Located, damaged, locate, open_listing};
use crate::{Id, ResticEngine, snapshots};

/// Hands every difference below `under` to `each`. Folders whose listings are equal are not looked into.
pub fn run(
    engine: &ResticEngine,
    first: &SnapshotId,
    second: &SnapshotId,
    under: Option<&PathBuf>,
    each: &mut dyn FnMut(DiffEntry) -> ControlFlow<()>,
) -> Result<()> {
    let repository = engine.repository();
    let _lock = Lock::for_reading(&repository, &Silent)?;
    let first = snapshots::by_id(&repository, first)?;
    let second = snapshots::by_id(&repository, second)?;
    let index = engine.index(&repository)?;
    let under: PathBuf = under.map_or(Path::new("/"), PathBuf::as_path).components().collect();
    let find = |tree| locate(&repository, &index, tree, &under);
    let (before, after) = (find(first.file.tree)?, find(second.file.tree)?);
    let mut diff = Diff {
        repository: &repository,
        index: &index,
        opener: Opener::new(&repository)?,
        path: under,
        levels: Vec::new(),
        each,
    };
    let flow = match (before, after) {
        (Some(Located::Root(before)), Some(Located::Root(after))) => {
            diff.descend(Some(Some(before)), Some(Some(after)))?;
            ControlFlow::Continue(())
        }
        (None, None) => {
            return Err(Error::PathNotFound {
                path: diff.path,
                snapshot: format!("{} or {}", first.id.short(), second.id.short()),
            });
        }
        (before, after) => diff.compare(node_of(before), node_of(after))?,
    };
    if flow.is_continue() { diff.go_on() } else { Ok(()) }
}

fn node_of(located: Option<Located>) -> Option<Node> {
    match located {
        Some(Located::Node(node)) => Some(*node),
        _ => None,
    }
}

struct Diff<'r> {
    repository: &'r Repository,
    index: &'r Index,
    opener: Opener,
    path: PathBuf,
    levels: Vec<Level>,
    each: &'r mut dyn FnMut(DiffEntry) -> ControlFlow<()>,
}

/// A folder that is being compared, on one side or on both.
struct Level {
    before: Side,
    after: Side,
    /// Length of the folder's path in bytes.
    path: usize,
}

/// The entries of a folder on one side, with the next one at hand.
#[derive(Default)]
struct Side {
    listing: Option<TreeCursor>,
    next: Option<Node>,
}

impl Side {
    /// Puts the next entry at hand, unless one is.
    fn look(&mut self) -> Result<Option<&Node>, String> {
        if self.next.is_none()
            && let Some(listing) = &mut self.listing
        {
            self.next = listing.next()?;
        }
        Ok(self.next.as_ref())
    }
}

impl Diff<'_> {
    /// Compares folder by folder until nothing is left or nobody listens.
    fn go_on(&mut self) -> Result<()> {
        while let Some(level) = self.levels.last_mut() {
            let length = level.path;
            let pair = level.pair();
            self.shorten(length);
            let (before, after) = pair.map_err(|why| damaged(&self.path, why))?;
            let Some(node) = before.as_ref().or(after.as_ref()) else {
                self.levels.pop();
                continue;
            };
            self.path.push(&node.name);
            if self.compare(before, after)?.is_break() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn shorten(&mut self, length: usize) {
        while self.path.as_os_str().len() > length && self.path.pop() {}
    }

    /// Says how the entry at the current path differs, and goes into it where it is a folder.
    fn compare(&mut self, before: Option<Node>, after: Option<Node>) -> Result<ControlFlow<()>> {
        if let Some(kind) = difference(before.as_ref(), after.as_ref()) {
            let size = |node: Option<&Node>| node.map_or(0, |node| node.metadata.size);
            let entry = before.as_ref().or(after.as_ref());
            let entry = DiffEntry {
                kind,
                path: self.path.clone(),
                entry: entry.map_or(EntryKind::File, |node| node.metadata.kind),
                size_before: size(before.as_ref()),
                size_after: size(after.as_ref()),
            };
            if (self.each)(entry).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        let folder = |node: Option<Node>| {
            let node = node.filter(|node| node.metadata.kind == EntryKind::Dir)?;
            Some(node.subtree)
        };
        self.descend(folder(before), folder(after))?;
        Ok(ControlFlow::Continue(()))
    }

    /// Opens the folder at the current path on the sides where there is one, unless both are the same.
    fn descend(&mut self, before: Option<Option<Id>>, after: Option<Option<Id>>) -> Result<()> {
        if before == after {
            return Ok(());
        }
        let mut open = |tree: Option<Option<Id>>| -> Result<Side> {
            let Some(tree) = tree else { return Ok(Side::default()) };
            let listing = open_listing(self.repository, self.index, &mut self.opener, tree, &self.path)?;
            Ok(Side {
                listing: Some(listing),
                next: None,
            })
        };
        let (before, after) = (open(before)?, open(after)?);
        let path = self.path.as_os_str().len();
        self.levels.push(Level { before, after, path });
        Ok(())
    }
}

impl Level {
    /// The next entries that have the same name, or the one that the other side has not.
    fn pair(&mut self) -> Result<(Option<Node>, Option<Node>), String> {
        let order = match (self.before.look()?, self.after.look()?) {
            (Some(before), Some(after)) => before.name.as_bytes().cmp(after.name.as_bytes()),
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        let before = if order.is_le() { self.before.next.take() } else { None };
        let after = if order.is_ge() { self.after.next.take() } else { None };
        Ok((before, after))
    }
}

fn difference(before: Option<&Node>, after: Option<&Node>) -> Option<DiffKind> {
    let (Some(before), Some(after)) = (before, after) else {
        return Some(if before.is_some() {
            DiffKind::Removed
        } else {
            DiffKind::Added
        });
    };
    let (old, new) = (&before.metadata, &after.metadata);
    if old.kind != new.kind {
        Some(DiffKind::Type)
    } else if before.content != after.content || old.link_target != new.link_target {
        Some(DiffKind::Content)
    } else if is_same(old, new) {
        None
    } else {
        Some(DiffKind::Metadata)
    }
}

/// Whether a restore of either gives the same: when it was read, and where it lay on the disk, does not count.
fn is_same(old: &Metadata, new: &Metadata) -> bool {
    let owner = |metadata: &Metadata| {
        (
            metadata.uid,
            metadata.gid,
            metadata.user.clone(),
            metadata.group.clone(),
        )
    };
    old.mode == new.mode
        && old.mtime == new.mtime
        && old.rdev == new.rdev
        && owner(old) == owner(new)
        && old.xattrs == new.xattrs
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ffi::OsString;

    use engine_api::{Engine, Entry, ErrorKind};
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{Model, paths};

    type Lines = Vec<(PathBuf, DiffKind)>;

    fn diff(model: &Model, first: &SnapshotId, second: &SnapshotId, under: Option<&PathBuf>) -> Lines {
        let mut lines = Vec::new();
        let outcome = model.engine.diff(first, second, under, &mut |entry| {
            lines.push((entry.path, entry.kind));
            ControlFlow::Continue(())
        });
        outcome.unwrap();
        lines
    }

    /// The same by comparing two whole listings, files by the digests of their content.
    fn expected(model: &Model, first: &SnapshotId, second: &SnapshotId) -> Lines {
        let entries = |id: &SnapshotId| {
            let mut entries: BTreeMap<Vec<OsString>, Entry> = BTreeMap::new();
            let mut each = |entry: Entry| {
                entries.insert(entry.path.iter().map(Into::into).collect(), entry);
                ControlFlow::Continue(())
            };
            model.engine.entries(id, None, &mut each).unwrap();
            entries
        };
        let (before, after) = (entries(first), entries(second));
        let content = |id: &SnapshotId, entry: &Entry| model.saved[id].get(&entry.path).copied();
        let mut keys: Vec<_> = before.keys().chain(after.keys()).collect();
        keys.sort();
        keys.dedup();
        let kind = |key: &Vec<OsString>| match (before.get(key), after.get(key)) {
            (None, _) => Some(DiffKind::Added),
            (_, None) => Some(DiffKind::Removed),
            (Some(old), Some(new)) if old.metadata.kind != new.metadata.kind => Some(DiffKind::Type),
            (Some(old), Some(new)) if content(first, old) != content(second, new) => Some(DiffKind::Content),
            (Some(old), Some(new)) => (!is_same(&old.metadata, &new.metadata)).then_some(DiffKind::Metadata),
        };
        keys.into_iter()
            .filter_map(|key| Some((key.iter().collect(), kind(key)?)))
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn equal_folders_hide_nothing(
            names in prop::collection::vec("[ab]{1,2}(/[ab]{1,2}){0,3}/[xy]", 1..8),
            edits in prop::collection::vec(("[ab]{1,2}(/[ab]{1,2}){0,3}", 0..3), 0..8),
        ) {
            let mut model = Model::new();
            names.iter().for_each(|name| model.write(name, b"before"));
            let first = model.backup();
            for (name, edit) in edits {
                let path = model.tree.path().join(&name);
                // What cannot be done, as below a link that leads nowhere, is no edit.
                match edit {
                    0 => {
                        let _ = std::fs::create_dir_all(&path);
                        let _ = std::fs::write(path.join("x"), b"after");
                    }
                    1 => drop(std::fs::remove_dir_all(&path)),
                    _ => {
                        let _ = std::fs::remove_dir_all(&path);
                        let _ = std::fs::create_dir_all(path.parent().unwrap());
                        let _ = std::os::unix::fs::symlink("target", &path);
                    }
                }
            }
            let second = model.backup();
            prop_assert_eq!(diff(&model, &first, &second, None), expected(&model, &first, &second));
            prop_assert_eq!(diff(&model, &second, &first, None), expected(&model, &second, &first));
            prop_assert_eq!(diff(&model, &first, &first, None), []);
        }
    }

    #[test]
    fn a_part_is_compared_alone() {
        let mut model = Model::new();
        model.write("a/file", b"1");
        model.write("b/file", b"1");
        let first = model.backup();
        model.write("a/file", b"two");
        model.write("b/file", b"two");
        model.write("c/file", b"two");
        let second = model.backup();
        let under = |name: &str| diff(&model, &first, &second, Some(&model.tree.path().join(name)));
        let file = model.tree.path().join("a/file");
        assert_eq!(under("a"), [(file.clone(), DiffKind::Content)]);
        assert_eq!(under("a/file"), [(file, DiffKind::Content)]);
        assert_eq!(under("c").len(), 2);
        let nowhere = model.tree.path().join("nowhere");
        let outcome = model
            .engine
            .diff(&first, &second, Some(&nowhere), &mut |_| ControlFlow::Continue(()));
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Usage);
        assert_eq!(
            paths(&model.engine, &first, None).len() + 2,
            paths(&model.engine, &second, None).len()
        );
    }
}
