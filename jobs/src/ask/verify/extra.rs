//! What is there and was not saved: the names of each folder beside those that the snapshot has.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use fstree::Target;
use fstree::pattern::Matcher;

/// A folder with this file in it may have been saved without its content.
const CACHE_TAG: &str = "CACHEDIR.TAG";

/// The folders that the snapshot's listing is in, each with the names that did not come by yet.
pub(super) struct Extra {
    open: Vec<(PathBuf, std::iter::Peekable<std::vec::IntoIter<OsString>>)>,
    excludes: Option<Matcher>,
    /// The folders that were saved whole; above them nothing is missed.
    whole: Vec<PathBuf>,
}

impl Extra {
    pub(super) fn new(excludes: Vec<Vec<u8>>, whole: Vec<PathBuf>) -> Self {
        Self {
            open: Vec::new(),
            // A pattern that cannot be used leaves nothing out, in a backup as here.
            excludes: Matcher::compile(&excludes).ok(),
            whole,
        }
    }

    /// Goes into a folder that is on both sides.
    pub(super) fn enter(&mut self, live: &Target, path: &Path) {
        if !self.whole.iter().any(|whole| path.starts_with(whole)) {
            return;
        }
        let names = live.list(path).unwrap_or_default();
        if names.iter().any(|name| name == CACHE_TAG) {
            return;
        }
        self.open.push((path.to_owned(), names.into_iter().peekable()));
    }

    /// The next path that is there and comes before `path` in the order of listings; `path` itself is passed over.
    pub(super) fn before(&mut self, path: &Path) -> Option<PathBuf> {
        while let Some((folder, names)) = self.open.last_mut() {
            let Ok(below) = path.strip_prefix(&*folder) else {
                if let Some(name) = names.next() {
                    return Some(folder.join(name));
                }
                self.open.pop();
                continue;
            };
            let next = below.components().next()?;
            let name = names.next_if(|name| name.as_bytes() <= next.as_os_str().as_bytes())?;
            if name != next.as_os_str() {
                return Some(folder.join(name));
            }
        }
        None
    }

    /// Whether a backup would leave it out.
    pub(super) fn is_left_out(&self, path: &Path, is_folder: bool) -> bool {
        let bytes = path.as_os_str().as_bytes();
        self.excludes
            .as_ref()
            .is_some_and(|excludes| excludes.matches(bytes, is_folder) || excludes.covers(bytes, is_folder))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use fstree::TargetOptions;

    use super::*;

    #[test]
    fn what_was_not_saved_comes_in_its_place() {
        let root = tempfile::tempdir().unwrap();
        for name in ["a/1", "a/2", "a/3/x", "b/y", "c", "d"] {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let live = Target::open(root.path(), TargetOptions::default()).unwrap();
        let mut extra = Extra::new(vec![b"*.tmp".to_vec()], vec![PathBuf::from("/")]);
        let mut told = Vec::new();
        for (saved, is_folder) in [("/", true), ("/a", true), ("/a/2", false), ("/c", false)] {
            while let Some(path) = extra.before(Path::new(saved)) {
                told.push(path.display().to_string());
            }
            if is_folder {
                extra.enter(&live, Path::new(saved));
            }
        }
        while let Some(path) = extra.before(Path::new("")) {
            told.push(path.display().to_string());
        }
        assert_eq!(told, ["/a/1", "/a/3", "/b", "/d"]);
        assert!(extra.is_left_out(Path::new("/a/x.tmp"), false) && !extra.is_left_out(Path::new("/a/x"), false));
    }
}
