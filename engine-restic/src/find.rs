//! Paths looked for in many snapshots.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use engine_api::{Entry, EntryKind, FindRequest, Found, Silent, SnapshotId};
use fstree::pattern::Matcher;

use crate::error::{Error, Result};
use crate::index::Index;
use crate::lock::Lock;
use crate::repository::Repository;
use crate::snapshots::{self, Stored};
use crate::trees::Walk;
use crate::{Id, ResticEngine};

/// Hands what matches to `each`, snapshot by snapshot, oldest first. What cannot be read is passed over, and is the error
/// in the end.
pub fn run(engine: &ResticEngine, request: &FindRequest, each: &mut dyn FnMut(Found) -> ControlFlow<()>) -> Result<()> {
    let matcher = matcher(request)?;
    let repository = engine.repository();
    let _lock = Lock::for_reading(&repository, &Silent)?;
    let (mut stored, unreadable) = snapshots::load_all(&repository)?;
    stored.retain(|stored| request.filter.matches(&stored.snapshot));
    let index = engine.index(&repository)?;
    let mut search = Search {
        repository: &repository,
        index: &index,
        matcher,
        barren: Barren::default(),
        failure: unreadable.into_iter().map(|unreadable| unreadable.error).next(),
    };
    for stored in &stored {
        if search.snapshot(stored, each)?.is_break() {
            return Ok(());
        }
    }
    search.failure.map_or(Ok(()), Err)
}

fn matcher(request: &FindRequest) -> Result<Matcher> {
    if request.patterns.is_empty() {
        return Err(Error::Usage("there is no pattern to look for".to_owned()));
    }
    let compile = if request.ignore_case {
        Matcher::compile_ignoring_case
    } else {
        Matcher::compile
    };
    Ok(compile(&request.patterns)?)
}

struct Search<'r> {
    repository: &'r Repository,
    index: &'r Index,
    matcher: Matcher,
    barren: Barren,
    failure: Option<Error>,
}

impl Search<'_> {
    fn snapshot(&mut self, stored: &Stored, each: &mut dyn FnMut(Found) -> ControlFlow<()>) -> Result<ControlFlow<()>> {
        let mut walk = Walk::new(self.repository, self.index, Path::new("/"), Some(stored.file.tree))?;
        let mut open = OpenFolders::default();
        loop {
            let node = match walk.step() {
                Ok(Some(node)) => node,
                Ok(None) => break,
                Err(error) if error.is_loss() => {
                    open.found();
                    self.failure.get_or_insert(error);
                    continue;
                }
                Err(error) => return Err(error),
            };
            let path = walk.path();
            open.leave(path, &mut self.barren);
            let is_folder = node.metadata.kind == EntryKind::Dir;
            let folder = node
                .subtree
                .filter(|_| is_folder)
                .map(|tree| self.barren.key(tree, path));
            let hit = self.matcher.matches(path.as_os_str().as_bytes(), is_folder);
            if hit {
                open.found();
                let found = Found {
                    snapshot: SnapshotId(stored.id.to_string()),
                    entry: Entry {
                        path: path.to_path_buf(),
                        metadata: node.metadata,
                    },
                };
                if each(found).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            match folder {
                Some(key) if self.barren.has(key) => walk.skip(),
                Some(key) => open.enter(key, path),
                None => {}
            }
        }
        open.leave(Path::new("/"), &mut self.barren);
        Ok(ControlFlow::Continue(()))
    }
}

/// Folders that are known to hold nothing that matches, as digests of listing and path: most snapshots share most of
/// their folders, and each needs to be looked through once only.
#[derive(Default)]
struct Barren {
    keys: HashSet<u64>,
    hasher: RandomState,
}

impl Barren {
    fn key(&self, tree: Id, path: &Path) -> u64 {
        self.hasher.hash_one((tree.as_bytes(), path.as_os_str()))
    }

    fn has(&self, key: u64) -> bool {
        self.keys.contains(&key)
    }
}

/// The folders above where a walk is.
#[derive(Default)]
struct OpenFolders {
    folders: Vec<OpenFolder>,
}

struct OpenFolder {
    key: u64,
    /// Length of its path.
    path: usize,
    barren: bool,
}

impl OpenFolders {
    fn enter(&mut self, key: u64, path: &Path) {
        self.folders.push(OpenFolder {
            key,
            path: path.as_os_str().len(),
            barren: true,
        });
    }

    /// Something in all of them matched, or could not be looked at.
    fn found(&mut self) {
        self.folders.iter_mut().for_each(|folder| folder.barren = false);
    }

    /// Notes those that `path` is not in.
    fn leave(&mut self, path: &Path, barren: &mut Barren) {
        let parent = path.parent().map_or(0, |parent| parent.as_os_str().len());
        while let Some(folder) = self.folders.pop_if(|folder| folder.path > parent) {
            if folder.barren {
                barren.keys.insert(folder.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use engine_api::{Engine, ErrorKind, SnapshotFilter};
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{Model, paths};

    fn found(model: &Model, pattern: &str) -> Vec<(SnapshotId, std::path::PathBuf)> {
        let request = FindRequest {
            filter: SnapshotFilter::default(),
            patterns: vec![pattern.as_bytes().to_vec()],
            ignore_case: false,
        };
        let mut found = Vec::new();
        let outcome = model.engine.find(&request, &mut |hit| {
            found.push((hit.snapshot, hit.entry.path));
            ControlFlow::Continue(())
        });
        outcome.unwrap();
        found
    }

    /// Every path of every snapshot asked one by one.
    fn expected(model: &Model, pattern: &str) -> Vec<(SnapshotId, std::path::PathBuf)> {
        let matcher = Matcher::compile(&[pattern.as_bytes().to_vec()]).unwrap();
        let mut expected = Vec::new();
        for id in &model.ids {
            let mut each = |entry: Entry| {
                let is_folder = entry.metadata.kind == EntryKind::Dir;
                if matcher.matches(entry.path.as_os_str().as_bytes(), is_folder) {
                    expected.push((id.clone(), entry.path));
                }
                ControlFlow::Continue(())
            };
            model.engine.entries(id, None, &mut each).unwrap();
        }
        expected
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10))]
        #[test]
        fn folders_that_were_looked_through_hide_nothing(
            turns in prop::collection::vec(prop::collection::vec("[ab]{1,2}(/[ab]{1,2}){0,3}/[xy]", 1..4), 1..5),
            pattern in "[abxy]|[ab]/[xy]|a\\*|\\*\\*/b/x|[xy]/|b/",
        ) {
            let mut model = Model::new();
            for names in turns {
                names.iter().for_each(|name| model.write(name, name.as_bytes()));
                model.backup();
            }
            prop_assert_eq!(found(&model, &pattern), expected(&model, &pattern));
        }
    }

    #[test]
    fn damage_is_told_after_everything_that_could_be_read() {
        let mut model = Model::new();
        model.write("a", b"a");
        model.backup();
        model.write("b", b"b");
        model.backup();
        let victim = format!("snapshots/{}", model.ids[0]);
        model.store.change(&victim, |_| Some(b"spoiled".to_vec()));
        let request = FindRequest {
            filter: SnapshotFilter::default(),
            patterns: vec![b"a".to_vec()],
            ignore_case: true,
        };
        let mut count = 0;
        let outcome = model.engine.find(&request, &mut |_| {
            count += 1;
            ControlFlow::Continue(())
        });
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Damaged);
        assert_eq!(count, 1);
        assert!(!paths(&model.engine, &model.ids[1], None).is_empty());
    }
}
