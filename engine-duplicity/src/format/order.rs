//! Paths inside a backup, and the order that every merge relies on.

use std::cmp::Ordering;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A path relative to the root of a backup: components joined by `/`, the root itself empty.
///
/// Ordered component by component as unsigned bytes: a folder, then all below it, then its next sibling.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct TreePath(Vec<u8>);

impl TreePath {
    /// The root of the backup.
    #[must_use]
    pub const fn root() -> Self {
        Self(Vec::new())
    }

    /// From the bytes of a relative path; empty components and `.` are dropped. `None` when a component is `..` or a
    /// byte is NUL.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let plain = !bytes.is_empty()
            && bytes
                .split(|byte| *byte == b'/')
                .all(|part| !part.is_empty() && part != b"." && part != b".." && !part.contains(&0));
        if plain {
            return Some(Self(bytes.to_vec()));
        }
        let mut path = Vec::with_capacity(bytes.len());
        for part in bytes.split(|byte| *byte == b'/') {
            if part.is_empty() || part == b"." {
                continue;
            }
            if part == b".." || part.contains(&0) {
                return None;
            }
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(part);
        }
        Some(Self(path))
    }

    /// The path of `absolute` below `root`; `None` when it does not lie there.
    #[must_use]
    pub fn below(root: &Path, absolute: &Path) -> Option<Self> {
        let rest = absolute.strip_prefix(root).ok()?;
        Self::parse(rest.as_os_str().as_bytes())
    }

    /// The absolute path below `root`.
    #[must_use]
    pub fn under(&self, root: &Path) -> PathBuf {
        if self.is_root() {
            return root.to_owned();
        }
        root.join(OsStr::from_bytes(&self.0))
    }

    /// Its bytes; empty for the root.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether it is the root itself.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it is `folder` or lies below it.
    #[must_use]
    pub fn is_within(&self, folder: &Self) -> bool {
        folder.is_root()
            || self
                .0
                .strip_prefix(folder.0.as_slice())
                .is_some_and(|rest| rest.first().is_none_or(|byte| *byte == b'/'))
    }

    /// The folder it lies in; `None` for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        let end = self.0.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        Some(Self(self.0.get(..end).unwrap_or_default().to_vec()))
    }
}

impl Ord for TreePath {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&self.0, &other.0)
    }
}

impl PartialOrd for TreePath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Compares the bytes of two relative paths in the order of [`TreePath`].
#[must_use]
pub fn compare(first: &[u8], second: &[u8]) -> Ordering {
    // No name holds a NUL, so the separator sorts before every byte of a name.
    let rank = |byte: u8| if byte == b'/' { 0 } else { byte };
    match first.iter().zip(second).find(|(a, b)| a != b) {
        Some((a, b)) => rank(*a).cmp(&rank(*b)),
        None => first.len().cmp(&second.len()),
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_str(".");
        }
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TreePath({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> TreePath {
        TreePath::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn folders_come_before_their_content_and_that_before_siblings() {
        let order = [
            ".",
            "dir1",
            "dir1/f1",
            "dir1/sub",
            "dir1/sub/f2",
            "dir1-x",
            "dir1.y",
            "dir2",
        ];
        let sorted: Vec<TreePath> = order.iter().map(|text| path(text)).collect();
        let mut shuffled: Vec<TreePath> = sorted.iter().rev().cloned().collect();
        shuffled.sort();
        assert_eq!(shuffled, sorted);
    }

    #[test]
    fn refuses_to_climb_and_forgives_slashes() {
        assert_eq!(TreePath::parse(b"a/../b"), None);
        assert_eq!(TreePath::parse(b"a\0b"), None);
        assert_eq!(path("/a//b/./c/"), path("a/b/c"));
        assert!(path("./").is_root());
    }

    #[test]
    fn knows_what_lies_where() {
        assert!(path("a/b").is_within(&path("a")));
        assert!(path("a/b").is_within(&TreePath::root()));
        assert!(!path("ab").is_within(&path("a")));
        assert_eq!(path("a/b").parent(), Some(path("a")));
        assert_eq!(path("a").parent(), Some(TreePath::root()));
        assert_eq!(TreePath::below(Path::new("/srv"), Path::new("/srv/a")), Some(path("a")));
        assert_eq!(TreePath::below(Path::new("/srv"), Path::new("/home")), None);
        assert_eq!(path("a").under(Path::new("/srv")), Path::new("/srv/a"));
        assert_eq!(TreePath::root().under(Path::new("/")), Path::new("/"));
    }
}
