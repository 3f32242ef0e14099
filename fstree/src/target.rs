//! The restorer.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::Path;

use engine_api::{Metadata, Problem};

use crate::{Error, Stat};

/// How a [`Target`] restores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TargetOptions {
    /// Make the root folder, and what is missing above it, when it is not there.
    pub create: bool,
    /// Write runs of zeros as holes.
    pub sparse: bool,
    /// Give entries their owner and group.
    pub owners: bool,
    /// Take owners by their number; otherwise by name, and by number where this system has not that name.
    pub numeric_ids: bool,
}

impl Default for TargetOptions {
    fn default() -> Self {
        Self {
            create: true,
            sparse: false,
            owners: true,
            numeric_ids: false,
        }
    }
}

/// Whether [`Target::make_dir`] found the folder or made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// It was there; its metadata is as it was.
    Existed,
    /// It is new, with mode 0700 until its metadata is set.
    Created,
}

/// A folder under which a tree is restored. All paths are relative to it; none leads out of it, whatever symbolic links
/// lie in the way. May be used by many threads.
pub struct Target {}

impl Target {
    /// Opens the root of a restore.
    ///
    /// # Errors
    /// When it is not there, cannot be made or is no folder.
    pub fn open(root: &Path, options: TargetOptions) -> Result<Self, Error> {
        let _ = (root, options);
        Ok(Self {})
    }

    /// What is at `rel`; `None` when nothing is.
    ///
    /// # Errors
    /// When that cannot be found out, such as when a folder above it is a symbolic link.
    pub fn stat(&self, rel: &Path) -> io::Result<Option<Stat>> {
        let _ = rel;
        Ok(None)
    }

    /// Everything about what is at `rel`, and what of it could not be read.
    ///
    /// # Errors
    /// When there is nothing or it cannot be reached.
    pub fn metadata(&self, rel: &Path) -> io::Result<(Metadata, Vec<Problem>)> {
        let _ = rel;
        Err(io::ErrorKind::NotFound.into())
    }

    /// Opens a regular file for reading.
    ///
    /// # Errors
    /// When it is no regular file or cannot be opened.
    pub fn open_existing(&self, rel: &Path) -> io::Result<File> {
        let _ = rel;
        Err(io::ErrorKind::NotFound.into())
    }

    /// Makes a folder whose parent is there. What is there and no folder is replaced only if `replace` says so.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn make_dir(&self, rel: &Path, replace: bool) -> io::Result<Made> {
        let _ = (rel, replace);
        Ok(Made::Existed)
    }

    /// Makes a new file that will be `size` bytes long; what is in the way is removed first, unless it is a folder with
    /// something in it. Until it is finished its mode is 0600.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create_file(&self, rel: &Path, size: u64) -> io::Result<TargetFile> {
        let _ = (rel, size);
        Err(io::ErrorKind::NotFound.into())
    }

    /// Opens a file to change parts of it in place: only a regular file with a single link that may be written; else
    /// this is [`Target::create_file`], as [`TargetFile::is_new`] tells.
    ///
    /// # Errors
    /// When neither works.
    pub fn update_file(&self, rel: &Path, size: u64) -> io::Result<TargetFile> {
        self.create_file(rel, size)
    }

    /// Makes a symbolic link; replaces what is in the way like [`Target::create_file`].
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn symlink(&self, rel: &Path, points_to: &Path) -> io::Result<()> {
        let _ = (rel, points_to);
        Ok(())
    }

    /// Makes `rel` another name of `existing`; replaces what is in the way.
    ///
    /// # Errors
    /// When it cannot be made: the filesystem has no hard links, or `existing` has too many.
    pub fn hard_link(&self, existing: &Path, rel: &Path) -> io::Result<()> {
        let _ = (existing, rel);
        Ok(())
    }

    /// Makes a named pipe; replaces what is in the way.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn fifo(&self, rel: &Path) -> io::Result<()> {
        let _ = rel;
        Ok(())
    }

    /// Makes a device, of the kind and number that `metadata` has; replaces what is in the way.
    ///
    /// # Errors
    /// When it cannot be made, such as when the user is not root.
    pub fn device(&self, rel: &Path, metadata: &Metadata) -> io::Result<()> {
        let _ = (rel, metadata);
        Ok(())
    }

    /// Gives what is at `rel` its owner, mode, attributes and times, in this order; each failure is its own problem.
    #[must_use]
    pub fn set_metadata(&self, rel: &Path, metadata: &Metadata) -> Vec<Problem> {
        let _ = (rel, metadata);
        Vec::new()
    }

    /// The names in a folder, sorted by bytes.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn list(&self, rel: &Path) -> io::Result<Vec<OsString>> {
        let _ = rel;
        Ok(Vec::new())
    }

    /// Removes what is at `rel` with all below it; symbolic links are removed, not followed.
    ///
    /// # Errors
    /// When something could not be removed; the rest stays too then.
    pub fn remove(&self, rel: &Path) -> io::Result<u64> {
        let _ = rel;
        Ok(0)
    }

    /// Makes everything that was restored durable, and tells of writes that failed after they seemed done.
    ///
    /// # Errors
    /// When the filesystem reports one.
    pub fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A file that is being restored. May be written by many threads.
#[derive(Debug)]
pub struct TargetFile {}

impl TargetFile {
    /// Whether it is a new, empty file; otherwise it still holds what it held.
    #[must_use]
    pub fn is_new(&self) -> bool {
        true
    }

    /// Writes `data` at `offset`.
    ///
    /// # Errors
    /// When it could not be written whole.
    pub fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        let _ = (data, offset);
        Ok(())
    }

    /// Brings it to its size and sets its metadata; each failure is its own problem.
    #[must_use]
    pub fn finish(self, metadata: &Metadata) -> Vec<Problem> {
        let _ = metadata;
        Vec::new()
    }
}
