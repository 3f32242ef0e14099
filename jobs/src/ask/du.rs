//! How much of a snapshot is in which folder.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use engine_api::{EntryKind, Progress, Snapshot};

use crate::error::Error;
use crate::error::Result as OwnResult;
use crate::open::Repository;

/// What to sum up.
#[derive(Debug, Clone)]
pub struct Sizes {
    /// The folders to begin with; those that were saved when there are none.
    pub paths: Vec<PathBuf>,
    /// How many levels below those are told.
    pub depth: usize,
    /// Only the so many largest, largest first.
    pub top: Option<usize>,
}

/// A folder, or a file that was named, with all below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Size {
    /// Which.
    pub path: PathBuf,
    /// Bytes of all files: what they would take without holes and compression, a file with several names once for each.
    pub bytes: u64,
    /// Files, and everything else that is no folder.
    pub files: u64,
    /// Folders below it.
    pub folders: u64,
}

/// Hands the sizes to `each`: folders after what is in them, or the largest first. Gives back the sum of all.
///
/// # Errors
/// When a path is not in the snapshot, or that cannot be read.
pub fn ask(
    repository: &Repository,
    snapshot: &Snapshot,
    sizes: &Sizes,
    progress: &dyn Progress,
    each: &mut dyn FnMut(&Size) -> ControlFlow<()>,
) -> engine_api::Result<Size> {
    let mut largest = BinaryHeap::new();
    let mut sum = empty(PathBuf::from("/"));
    let mut flow = ControlFlow::Continue(());
    for start in starts(snapshot, sizes)? {
        let mut tell = |size: Size| match sizes.top {
            None => each(&size),
            Some(top) => {
                largest.push(Reverse((
                    size.bytes,
                    Reverse(size.path.clone()),
                    size.files,
                    size.folders,
                )));
                if largest.len() > top {
                    largest.pop();
                }
                ControlFlow::Continue(())
            }
        };
        let mut levels = Levels::new(start.clone(), sizes.depth);
        repository.engine().entries(&snapshot.id, Some(&start), &mut |entry| {
            flow = levels.add(&entry.path, entry.metadata.kind, entry.metadata.size, &mut tell);
            if progress.cancelled() {
                flow = ControlFlow::Break(());
            }
            flow
        })?;
        if flow.is_continue() {
            flow = levels.leave(Path::new(""), &mut tell);
        }
        sum.bytes += levels.total.bytes;
        sum.files += levels.total.files;
        sum.folders += levels.total.folders;
    }
    for Reverse((bytes, Reverse(path), files, folders)) in largest.into_sorted_vec() {
        let size = Size {
            path,
            bytes,
            files,
            folders,
        };
        if each(&size).is_break() {
            break;
        }
    }
    Ok(sum)
}

fn empty(path: PathBuf) -> Size {
    Size {
        path,
        bytes: 0,
        files: 0,
        folders: 0,
    }
}

/// Where the sums begin; none lies in another.
fn starts(snapshot: &Snapshot, sizes: &Sizes) -> OwnResult<Vec<PathBuf>> {
    let named = !sizes.paths.is_empty();
    let mut paths = if named { &sizes.paths } else { &snapshot.paths }.clone();
    if let Some(relative) = paths.iter().find(|path| !path.is_absolute()).filter(|_| named) {
        return Err(Error::Usage(format!(
            "`{}` is no path in a snapshot: those begin with `/`",
            crate::text::path(relative)
        )));
    }
    // Some programs name what they saved otherwise than they store it, and some do not name it.
    if paths.is_empty() || paths.iter().any(|path| !path.is_absolute()) {
        paths = vec![PathBuf::from("/")];
    }
    paths.sort();
    paths.dedup_by(|inner, outer| inner.starts_with(&*outer));
    Ok(paths)
}

/// The folders that the listing is in. Those that are too deep to be told are counted where they are.
struct Levels {
    start: PathBuf,
    depth: usize,
    open: Vec<Size>,
    total: Size,
}

impl Levels {
    fn new(start: PathBuf, depth: usize) -> Self {
        Self {
            total: empty(start.clone()),
            // The topmost folder has no entry of its own.
            open: if start == Path::new("/") {
                vec![empty(start.clone())]
            } else {
                Vec::new()
            },
            start,
            depth,
        }
    }

    fn add(
        &mut self,
        path: &Path,
        kind: EntryKind,
        bytes: u64,
        tell: &mut dyn FnMut(Size) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        self.leave(path, tell)?;
        let below = path.strip_prefix(&self.start).unwrap_or(path).components().count();
        let is_folder = kind == EntryKind::Dir;
        let is_start = below == 0;
        if let Some(size) = self.open.last_mut() {
            size.bytes += bytes;
            size.files += u64::from(!is_folder);
            size.folders += u64::from(is_folder);
        }
        if is_folder && below <= self.depth && path != Path::new("/") {
            self.open.push(empty(path.to_owned()));
        } else if is_start && !is_folder {
            self.open.push(Size {
                bytes,
                files: 1,
                ..empty(path.to_owned())
            });
        }
        ControlFlow::Continue(())
    }

    /// Tells the folders that `path` is not in.
    fn leave(&mut self, path: &Path, tell: &mut dyn FnMut(Size) -> ControlFlow<()>) -> ControlFlow<()> {
        while let Some(done) = self.open.pop_if(|size| !path.starts_with(&size.path)) {
            match self.open.last_mut() {
                Some(above) => {
                    above.bytes += done.bytes;
                    above.files += done.files;
                    above.folders += done.folders;
                }
                None => {
                    self.total.bytes += done.bytes;
                    self.total.files += done.files;
                    self.total.folders += done.folders;
                }
            }
            tell(done)?;
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(depth: usize) -> Vec<(String, u64, u64, u64)> {
        let mut levels = Levels::new(PathBuf::from("/a"), depth);
        let mut told = Vec::new();
        let mut tell = |size: Size| {
            let path = size.path.display().to_string();
            told.push((path, size.bytes, size.files, size.folders));
            ControlFlow::Continue(())
        };
        let entries = [
            ("/a", EntryKind::Dir, 0),
            ("/a/b", EntryKind::Dir, 0),
            ("/a/b/c", EntryKind::Dir, 0),
            ("/a/b/c/1", EntryKind::File, 10),
            ("/a/b/2", EntryKind::File, 20),
            ("/a/b-", EntryKind::File, 40),
            ("/a/d", EntryKind::Dir, 0),
        ];
        for (path, kind, bytes) in entries {
            assert!(levels.add(Path::new(path), kind, bytes, &mut tell).is_continue());
        }
        assert!(levels.leave(Path::new(""), &mut tell).is_continue());
        assert_eq!(
            (levels.total.bytes, levels.total.files, levels.total.folders),
            (70, 3, 3)
        );
        told
    }

    #[test]
    fn folders_are_told_after_what_is_in_them() {
        let row = |path: &str, bytes, files, folders| (path.to_owned(), bytes, files, folders);
        assert_eq!(told(0), [row("/a", 70, 3, 3)]);
        let one = [row("/a/b", 30, 2, 1), row("/a/d", 0, 0, 0), row("/a", 70, 3, 3)];
        assert_eq!(told(1), one);
        assert_eq!(told(9)[0], row("/a/b/c", 10, 1, 0));
    }
}
