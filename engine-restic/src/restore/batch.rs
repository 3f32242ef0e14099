//! A batch: files to be written, and what is to be done when they are.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use engine_api::{EntryKind, Metadata, Timestamp};
use fstree::TargetFile;

/// Files of a batch at the most.
const MOST_FILES: usize = 16 << 10;
/// Blobs of a batch after which no further file is added.
const MANY_BLOBS: usize = 256 << 10;
/// Files of several blobs at the most: each may be open for as long as the batch takes.
const MOST_OPEN: usize = 300;

/// Files to be written together.
#[derive(Default)]
pub struct Batch {
    pub files: Vec<FileItem>,
    pub wants: Vec<Want>,
    /// Further names of entries that are written in this batch or were before.
    pub links: Vec<Link>,
    /// Files whose content is right already and whose metadata may not be.
    pub right: Vec<(PathBuf, Metadata)>,
    /// Folders that nothing more is put into, deepest first.
    pub folders: Vec<(PathBuf, Metadata)>,
    open: usize,
}

/// Another name of an entry.
pub struct Link {
    /// Its first name.
    pub existing: PathBuf,
    /// The other.
    pub new: PathBuf,
    /// What it is.
    pub kind: EntryKind,
}

/// A blob that a file wants at a position.
#[derive(Clone, Copy)]
pub struct Want {
    /// Where the blob lies, by its ordinal in the index.
    pub ordinal: u32,
    /// Which file of the batch.
    pub file: u32,
    /// First byte in the file.
    pub position: u64,
}

/// A file to be written.
pub struct FileItem {
    pub path: PathBuf,
    pub metadata: Metadata,
    /// Whether what is there is changed in place, where the system lets it.
    pub update: bool,
    pub handle: Mutex<Handle>,
    /// Blobs that are not written yet.
    pub missing: AtomicU32,
    /// Whether a part of it was lost on the way.
    pub incomplete: AtomicBool,
    /// Whether it has no blobs at all.
    pub empty: bool,
}

/// A file between its first write and its last.
pub enum Handle {
    /// Nothing is written yet.
    Closed,
    /// Open for further writes, shared by the threads that write.
    Open(std::sync::Arc<TargetFile>),
    /// It is finished, or could not be made, which was told.
    Done,
}

impl FileItem {
    pub fn new(path: PathBuf, metadata: Metadata, blobs: usize, update: bool) -> Self {
        Self {
            path,
            metadata,
            update,
            handle: Mutex::new(Handle::Closed),
            missing: AtomicU32::new(u32::try_from(blobs).unwrap_or(u32::MAX)),
            incomplete: AtomicBool::new(false),
            empty: blobs == 0,
        }
    }

    /// Its metadata for when a part of it was lost: the time tells that it is not what was saved.
    pub fn final_metadata(&self) -> Metadata {
        let mut metadata = self.metadata.clone();
        if self.incomplete.load(Ordering::Relaxed) {
            metadata.mtime = Timestamp::now();
        }
        metadata
    }
}

impl Batch {
    /// Adds a file with its blobs.
    pub fn add(&mut self, file: FileItem, wants: impl Iterator<Item = (u32, u64)>) {
        // Below MOST_FILES.
        let number = u32::try_from(self.files.len()).unwrap_or(u32::MAX);
        let before = self.wants.len();
        self.wants.extend(wants.map(|(ordinal, position)| Want {
            ordinal,
            file: number,
            position,
        }));
        if self.wants.len() - before > 1 {
            self.open += 1;
        }
        self.files.push(file);
    }

    /// Whether it is time to begin another.
    pub fn is_full(&self) -> bool {
        let others = self.links.len() + self.right.len() + self.folders.len();
        self.files.len() + others >= MOST_FILES || self.wants.len() >= MANY_BLOBS || self.open >= MOST_OPEN
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.links.is_empty() && self.right.is_empty() && self.folders.is_empty()
    }
}
