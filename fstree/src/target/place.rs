//! Where paths lead below the root of a restore.

use std::collections::HashMap;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustix::io::Errno;

use crate::dir::Dir;

/// How many folders are remembered.
const KEPT: usize = 4096;

/// A folder of the target.
pub(super) struct Folder {
    pub(super) dir: Arc<Dir>,
    inherits: OnceLock<bool>,
}

/// The folders that were used, by their path.
pub(super) struct Places {
    root: Arc<Folder>,
    root_path: PathBuf,
    known: Mutex<HashMap<PathBuf, Arc<Folder>>>,
}

impl Folder {
    fn new(dir: Arc<Dir>) -> Arc<Self> {
        Arc::new(Self {
            dir,
            inherits: OnceLock::new(),
        })
    }

    /// Whether what is made in it gets an ACL from it. When that cannot be found out it is taken to be so.
    pub(super) fn inherits(&self) -> bool {
        *self.inherits.get_or_init(|| {
            let Ok(fd) = self.dir.fd() else { return true };
            let path = format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd());
            let asked = rustix::fs::getxattr(path, c"system.posix_acl_default", &mut [0_u8; 0]);
            !matches!(asked, Err(Errno::NODATA | Errno::NOTSUP))
        })
    }
}

impl Places {
    pub(super) fn new(root: Arc<Dir>) -> Self {
        let root_path = root.path();
        Self {
            root: Folder::new(root),
            root_path,
            known: Mutex::default(),
        }
    }

    pub(super) fn root(&self) -> &Arc<Dir> {
        &self.root.dir
    }

    pub(super) fn root_path(&self) -> &Path {
        &self.root_path
    }

    /// The folder that `rel` lies in, and its name there; the root lies in itself as `.`.
    pub(super) fn find(&self, rel: &Path) -> io::Result<(Arc<Folder>, CString)> {
        let Some(name) = rel.file_name() else {
            let is_root = rel
                .components()
                .all(|part| matches!(part, Component::RootDir | Component::CurDir));
            return if is_root {
                Ok((Arc::clone(&self.root), c".".to_owned()))
            } else {
                Err(leads_out())
            };
        };
        let name = CString::new(name.as_bytes())?;
        Ok((self.folder(rel.parent().unwrap_or(Path::new("")))?, name))
    }

    /// Forgets every folder, so that each is looked up anew: folders are gone, or hand down something else.
    pub(super) fn forget(&self) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn folder(&self, path: &Path) -> io::Result<Arc<Folder>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut unknown = Vec::new();
        let mut at = path;
        let mut folder = loop {
            if let Some(folder) = known.get(at) {
                break Arc::clone(folder);
            }
            let (Some(name), Some(above)) = (at.file_name(), at.parent()) else {
                if at.components().any(|part| part == Component::ParentDir) {
                    return Err(leads_out());
                }
                break Arc::clone(&self.root);
            };
            unknown.push((at, name));
            at = above;
        };
        if known.len() + unknown.len() > KEPT {
            known.clear();
        }
        for (path, name) in unknown.into_iter().rev() {
            folder = Folder::new(folder.dir.child(&CString::new(name.as_bytes())?));
            known.insert(path.to_owned(), Arc::clone(&folder));
        }
        Ok(folder)
    }
}

fn leads_out() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "a path with `..` is refused")
}
