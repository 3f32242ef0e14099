//! Three states of one tree, saved by whoever takes the turn, and restored by whoever is asked.

use std::path::{Path, PathBuf};

use super::equal::assert_equal;
use super::tree_g::{self, Stage};
use super::{DAY, FIRST};
use crate::tree::{Picture, picture};

/// Which kind of set is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// One that stands alone.
    Full,
    /// What has changed since the set before.
    Incremental,
}

/// A program that saves and restores: the real one or Holdfast's engine.
pub trait Side {
    /// Saves `source` as the set of `time`, in seconds since 1970.
    fn backup(&self, step: Step, source: &Path, time: i64);

    /// Restores the state of `time`, or the newest, of what was saved from `source` below the empty `target`, and says
    /// where the tree's root is then.
    fn restore(&self, time: Option<i64>, source: &Path, target: &Path) -> PathBuf;
}

/// A tree, its repository, and every state that was saved.
pub struct History {
    folder: tempfile::TempDir,
    /// The tree.
    pub source: PathBuf,
    /// The repository.
    pub target: PathBuf,
    /// The time of each set and the state it holds.
    pub states: Vec<(i64, Picture)>,
}

impl Default for History {
    fn default() -> Self {
        Self::new()
    }
}

impl History {
    /// Tree G, and no set yet.
    #[must_use]
    pub fn new() -> Self {
        let history = Self::of_empty();
        tree_g::grow(&history.source);
        history
    }

    /// An empty tree, and no set yet.
    #[must_use]
    pub fn of_empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [source, target] = ["source", "target"].map(|name| folder.path().join(name));
        std::fs::create_dir(&source).unwrap();
        std::fs::create_dir(&target).unwrap();
        Self {
            folder,
            source,
            target,
            states: Vec::new(),
        }
    }

    /// A path for something else that the test needs.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The time of the next set.
    #[must_use]
    pub fn next_time(&self) -> i64 {
        self.states.last().map_or(FIRST, |(time, _)| time + DAY)
    }

    /// Lets `side` save the tree as it is, and remembers the state.
    pub fn save(&mut self, side: &dyn Side, step: Step) {
        let time = self.next_time();
        side.backup(step, &self.source, time);
        self.states.push((time, picture(&self.source)));
    }

    /// Full, step M1, incremental, step M2, incremental; each set by the next of `sides`, in turn.
    pub fn play(&mut self, sides: &[&dyn Side]) {
        let mut sides = sides.iter().cycle();
        self.save(*sides.next().unwrap(), Step::Full);
        for stage in [Stage::M1, Stage::M2] {
            tree_g::change(&self.source, stage);
            self.save(*sides.next().unwrap(), Step::Incremental);
        }
    }

    /// Every state, restored by `side`, is what was saved.
    ///
    /// # Panics
    /// With the differences, when it is not.
    pub fn assert_restores(&self, side: &dyn Side) {
        for (time, saved) in &self.states {
            self.assert_restores_at(side, Some(*time), saved);
        }
    }

    /// The newest state, restored by `side`, is what was saved last.
    pub fn assert_restores_latest(&self, side: &dyn Side) {
        let (_, saved) = self.states.last().unwrap();
        self.assert_restores_at(side, None, saved);
    }

    /// The state of `time`, restored by `side`, is `saved`.
    pub fn assert_restores_at(&self, side: &dyn Side, time: Option<i64>, saved: &Picture) {
        let target = tempfile::tempdir_in(self.folder.path()).unwrap();
        println!("restoring {time:?}");
        let root = side.restore(time, &self.source, &target.path().join("restored"));
        assert_equal(saved, &root);
    }

    /// The names of all files in the repository, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        names(&self.target)
    }
}

/// The names of all files in `folder`, sorted.
#[must_use]
pub fn names(folder: &Path) -> Vec<String> {
    let items = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = items
        .map(|item| item.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
