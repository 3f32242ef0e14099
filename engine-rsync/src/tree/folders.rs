//! From paths to folders, for paths that come in the order of a walk.

use engine_api::{Folder, KeyError};

/// The folders above the last path that was asked for, so that siblings share them.
#[derive(Debug, Clone)]
pub struct Folders {
    top: Folder,
    path: Vec<u8>,
    /// Each with the length of its path.
    stack: Vec<(usize, Folder)>,
}

impl Folders {
    /// Below the folder of a snapshot.
    pub const fn new(top: Folder) -> Self {
        Self {
            top,
            path: Vec::new(),
            stack: Vec::new(),
        }
    }

    /// The folder that `path` lies in, and its name there. The empty path is the top folder itself and lies above it.
    ///
    /// # Errors
    /// When a component is no name.
    pub fn find<'p>(&mut self, path: &'p [u8]) -> Result<(Folder, &'p [u8]), KeyError> {
        let slash = path.iter().rposition(|byte| *byte == b'/');
        let (above, name) = match slash {
            Some(slash) => (
                path.get(..slash).unwrap_or_default(),
                path.get(slash + 1..).unwrap_or_default(),
            ),
            None => (&[][..], path),
        };
        Ok((self.folder(above)?, name))
    }

    /// The folder at `path`.
    ///
    /// # Errors
    /// As [`Folders::find`].
    pub fn folder(&mut self, path: &[u8]) -> Result<Folder, KeyError> {
        while let Some((len, _)) = self.stack.last() {
            let known = self.path.get(..*len).unwrap_or_default();
            if crate::manifest::is_below(path, known) {
                break;
            }
            self.stack.pop();
        }
        let (mut at, mut folder) = self
            .stack
            .last()
            .map_or((0, self.top.clone()), |(len, folder)| (*len, folder.clone()));
        self.path.truncate(at);
        while at < path.len() {
            let rest = path.get(at..).unwrap_or_default();
            let rest = rest.strip_prefix(b"/").unwrap_or(rest);
            let name = rest.split(|byte| *byte == b'/').next().unwrap_or_default();
            folder = folder.child(name)?;
            at = path.len() - rest.len() + name.len();
            self.path.clear();
            self.path.extend_from_slice(path.get(..at).unwrap_or_default());
            self.stack.push((at, folder.clone()));
        }
        Ok(folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_leads_to_its_folder() {
        let top = Folder::top().child(b"snapshot").unwrap();
        let mut folders = Folders::new(top);
        for path in ["a", "a/b", "a/b/c/d", "a/b/c/e", "a/bc/d", "x", "a/b", "aa/b/c"] {
            let (folder, name) = folders.find(path.as_bytes()).unwrap();
            assert_eq!(folder.path_of(name), [b"snapshot/", path.as_bytes()].concat(), "{path}");
        }
        assert_eq!(folders.folder(b"").unwrap().path(), b"snapshot");
        assert!(folders.find(b"a/../b").is_err());
        assert!(folders.find(b"a//b").is_err());
    }
}
