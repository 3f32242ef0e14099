use std::any::Any;
use std::ops::{ControlFlow, Range};
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use engine_api::{
    EntryKind, FileCapabilities, FileStat, FileStore, Folder, Listed, NewMetadata, Space, StoreError, StoredFile, Xattr,
};

use super::Rate;

/// Holds the content that goes to and comes from a tree of files down to a [`Rate`] each way.
///
/// What a place does by itself (copies there, shared blocks, hard links, names, metadata) is no traffic to speak of, and not
/// held down.
pub struct BandwidthFiles {
    inner: Arc<dyn FileStore>,
    up: Arc<Rate>,
    down: Arc<Rate>,
}

impl BandwidthFiles {
    /// `inner`, with what is written limited by `up` and what is read by `down`.
    #[must_use]
    pub fn new(inner: Arc<dyn FileStore>, up: Arc<Rate>, down: Arc<Rate>) -> Self {
        Self { inner, up, down }
    }

    fn paced(&self, file: Box<dyn StoredFile>) -> Box<dyn StoredFile> {
        Box::new(Paced {
            file,
            up: Arc::clone(&self.up),
            down: Arc::clone(&self.down),
        })
    }
}

// A method with a default body that is forgotten here would not be limited.
#[deny(clippy::missing_trait_methods)]
impl FileStore for BandwidthFiles {
    fn location(&self) -> &str {
        self.inner.location()
    }

    fn capabilities(&self) -> &FileCapabilities {
        self.inner.capabilities()
    }

    fn root(&self) -> Folder {
        self.inner.root()
    }

    fn get_ready(&self) {
        self.inner.get_ready();
    }

    fn syncs_all(&self) -> bool {
        self.inner.syncs_all()
    }

    fn stat(&self, folder: &Folder, name: &[u8]) -> Result<Option<FileStat>, StoreError> {
        self.inner.stat(folder, name)
    }

    fn list(&self, folder: &Folder, each: &mut dyn FnMut(Listed<'_>) -> ControlFlow<()>) -> Result<(), StoreError> {
        self.inner.list(folder, each)
    }

    fn read_link(&self, folder: &Folder, name: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.inner.read_link(folder, name)
    }

    fn xattrs(&self, folder: &Folder, name: &[u8]) -> Result<Vec<Xattr>, StoreError> {
        self.inner.xattrs(folder, name)
    }

    fn make_folder(&self, folder: &Folder, name: &[u8]) -> Result<(), StoreError> {
        self.inner.make_folder(folder, name)
    }

    fn make_folders(&self, folders: &[&Folder]) -> Vec<Result<(), StoreError>> {
        self.inner.make_folders(folders)
    }

    fn create(&self, folder: &Folder, name: &[u8]) -> Result<Box<dyn StoredFile>, StoreError> {
        self.inner.create(folder, name).map(|file| self.paced(file))
    }

    fn open(&self, folder: &Folder, name: &[u8]) -> Result<Box<dyn StoredFile>, StoreError> {
        self.inner.open(folder, name).map(|file| self.paced(file))
    }

    fn read_start(&self, folder: &Folder, name: &[u8], most: usize) -> Result<(FileStat, Vec<u8>), StoreError> {
        let (stat, content) = self.inner.read_start(folder, name, most)?;
        self.down.take(content.len() as u64);
        Ok((stat, content))
    }

    fn symlink(&self, folder: &Folder, name: &[u8], points_to: &[u8]) -> Result<(), StoreError> {
        self.inner.symlink(folder, name, points_to)
    }

    fn hard_link(&self, from: (&Folder, &[u8]), to: (&Folder, &[u8])) -> Result<(), StoreError> {
        self.inner.hard_link(from, to)
    }

    fn hard_links_if(
        &self,
        from: &Folder,
        to: &Folder,
        names: &[&[u8]],
        fits: &dyn Fn(usize, &FileStat) -> bool,
    ) -> Vec<Result<bool, StoreError>> {
        self.inner.hard_links_if(from, to, names, fits)
    }

    fn make_node(&self, folder: &Folder, name: &[u8], kind: EntryKind, rdev: u64) -> Result<(), StoreError> {
        self.inner.make_node(folder, name, kind, rdev)
    }

    fn rename(&self, from: (&Folder, &[u8]), to: (&Folder, &[u8])) -> Result<(), StoreError> {
        self.inner.rename(from, to)
    }

    fn rename_durably(&self, from: (&Folder, &[u8]), to: (&Folder, &[u8])) -> Result<(), StoreError> {
        self.inner.rename_durably(from, to)
    }

    fn remove(&self, folder: &Folder, name: &[u8]) -> Result<(), StoreError> {
        self.inner.remove(folder, name)
    }

    fn remove_all(&self, folder: &Folder, names: &[&[u8]]) -> Vec<Result<(), StoreError>> {
        self.inner.remove_all(folder, names)
    }

    fn remove_folder(&self, folder: &Folder, name: &[u8]) -> Result<(), StoreError> {
        self.inner.remove_folder(folder, name)
    }

    fn set_metadata(&self, folder: &Folder, name: &[u8], metadata: &NewMetadata<'_>) -> Vec<StoreError> {
        self.inner.set_metadata(folder, name, metadata)
    }

    fn sync_folder(&self, folder: &Folder) -> Result<(), StoreError> {
        self.inner.sync_folder(folder)
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.inner.sync()
    }

    fn space(&self) -> Result<Option<Space>, StoreError> {
        self.inner.space()
    }
}

struct Paced {
    file: Box<dyn StoredFile>,
    up: Arc<Rate>,
    down: Arc<Rate>,
}

#[deny(clippy::missing_trait_methods)]
impl StoredFile for Paced {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError> {
        let length = self.file.read_at(offset, buffer)?;
        self.down.take(length as u64);
        Ok(length)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), StoreError> {
        self.up.take(data.len() as u64);
        self.file.write_at(offset, data)
    }

    fn set_len(&self, len: u64) -> Result<(), StoreError> {
        self.file.set_len(len)
    }

    fn reserve(&self, len: u64) -> Result<(), StoreError> {
        self.file.reserve(len)
    }

    fn stat(&self) -> Result<FileStat, StoreError> {
        self.file.stat()
    }

    fn set_metadata(&self, metadata: &NewMetadata<'_>) -> Vec<StoreError> {
        self.file.set_metadata(metadata)
    }

    fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>, StoreError> {
        self.file.next_data(offset)
    }

    fn copy_range(&self, source: &dyn StoredFile, from: Range<u64>, to: u64) -> Result<u64, StoreError> {
        self.file.copy_range(source, from, to)
    }

    fn copy_ranges(&self, source: &dyn StoredFile, ranges: &[Range<u64>]) -> Result<u64, StoreError> {
        self.file.copy_ranges(source, ranges)
    }

    fn reflink(&self, source: &dyn StoredFile) -> Result<(), StoreError> {
        self.file.reflink(source)
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.file.sync()
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        self.file.close()
    }

    fn complete(self: Box<Self>, metadata: &NewMetadata<'_>, sync: bool) -> Result<Vec<StoreError>, StoreError> {
        self.file.complete(metadata, sync)
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.file.descriptor()
    }

    fn as_any(&self) -> &dyn Any {
        self.file.as_any()
    }
}
