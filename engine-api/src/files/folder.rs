//! Folders by name, up to the root of their store.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::KeyError;

/// A folder of one [`FileStore`](super::FileStore): its name in the folder above, up to the store's root. Cheap to clone.
///
/// It says where something is, not that it is there. A store may note on it what it finds out (a descriptor, a path), so
/// a folder must not be used with another store than the one whose root it comes from. When a folder is removed and made
/// again, its old value may still mean the old one: take a new [`child`](Self::child) then.
#[derive(Clone)]
pub struct Folder(Arc<Inner>);

struct Inner {
    name: Box<[u8]>,
    above: Option<Folder>,
    note: OnceLock<Box<dyn Any + Send + Sync>>,
}

impl Folder {
    /// The topmost folder of a store, for its author: everybody else asks the store.
    #[must_use]
    pub fn top() -> Self {
        Self::new(Box::default(), None)
    }

    fn new(name: Box<[u8]>, above: Option<Self>) -> Self {
        Self(Arc::new(Inner {
            name,
            above,
            note: OnceLock::new(),
        }))
    }

    /// The folder `name` in this one; nothing is looked up.
    ///
    /// # Errors
    /// When that cannot be a name: see [`is_name`](Self::is_name).
    pub fn child(&self, name: &[u8]) -> Result<Self, KeyError> {
        if !Self::is_name(name) {
            return Err(KeyError(String::from_utf8_lossy(name).into_owned()));
        }
        Ok(Self::new(name.into(), Some(self.clone())))
    }

    /// Whether `name` can name something in a folder: it is not empty, `.` or `..`, and holds neither `/` nor NUL.
    #[must_use]
    pub fn is_name(name: &[u8]) -> bool {
        !matches!(name, b"" | b"." | b"..") && !name.iter().any(|byte| matches!(byte, b'/' | 0))
    }

    /// Its name in the folder above; empty for the root.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        &self.0.name
    }

    /// The folder it lies in; `None` for the root.
    #[must_use]
    pub fn above(&self) -> Option<&Self> {
        self.0.above.as_ref()
    }

    /// Its path from the store's root, components separated by `/`; empty for the root.
    #[must_use]
    pub fn path(&self) -> Vec<u8> {
        let mut names = Vec::new();
        let mut at = self;
        while let Some(above) = at.above() {
            names.push(at.name());
            at = above;
        }
        names.reverse();
        names.join(&b'/')
    }

    /// The path of `name` in it.
    #[must_use]
    pub fn path_of(&self, name: &[u8]) -> Vec<u8> {
        let mut path = self.path();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        path
    }

    /// What its store noted on it; noted now when nothing is. `None` when another store has noted something else.
    pub fn note<T: Any + Send + Sync>(&self, make: impl FnOnce() -> T) -> Option<&T> {
        self.0.note.get_or_init(|| Box::new(make())).downcast_ref()
    }
}

impl fmt::Debug for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Folder({})", String::from_utf8_lossy(&self.path()))
    }
}

impl Drop for Inner {
    /// Takes the chain apart in a loop: thousands of nested folders would overflow the stack otherwise.
    fn drop(&mut self) {
        let mut above = self.above.take();
        while let Some(mut inner) = above.and_then(|folder| Arc::into_inner(folder.0)) {
            above = inner.above.take();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_names_up_to_the_root() {
        let root = Folder::top();
        assert_eq!(root.path(), b"");
        assert_eq!(root.path_of(b"x"), b"x");
        let deep = root.child(b"a").unwrap().child(b"\xff").unwrap();
        assert_eq!(deep.path(), b"a/\xff");
        assert_eq!(deep.path_of(b"x"), b"a/\xff/x");
        assert_eq!(deep.above().unwrap().name(), b"a");
    }

    #[test]
    fn what_leads_elsewhere_is_no_name() {
        for name in [&b""[..], b".", b"..", b"a/b", b"/", b"a\0b"] {
            assert!(Folder::top().child(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_note_stays_and_is_only_its_owners() {
        let folder = Folder::top();
        assert_eq!(folder.note(|| 5_u32), Some(&5));
        assert_eq!(folder.clone().note(|| 6_u32), Some(&5));
        assert_eq!(folder.note(|| "other"), None);
    }

    #[test]
    fn a_very_deep_folder_can_be_dropped() {
        let mut folder = Folder::top();
        for _ in 0..200_000 {
            folder = folder.child(b"d").unwrap();
        }
        drop(folder);
    }
}
