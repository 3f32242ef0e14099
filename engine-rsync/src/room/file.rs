//! An open file that finds the place full.

use std::any::Any;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use engine_api::{FileStat, NewMetadata, StoreError, StoredFile};

use super::Room;

pub(super) struct RoomyFile {
    file: Box<dyn StoredFile>,
    room: Arc<Room>,
}

impl RoomyFile {
    pub(super) fn new(file: Box<dyn StoredFile>, room: &Arc<Room>) -> Self {
        Self {
            file,
            room: Arc::clone(room),
        }
    }
}

#[deny(clippy::missing_trait_methods)]
impl StoredFile for RoomyFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError> {
        self.file.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), StoreError> {
        self.room.with_room(|| self.file.write_at(offset, data))
    }

    fn set_len(&self, len: u64) -> Result<(), StoreError> {
        self.room.with_room(|| self.file.set_len(len))
    }

    fn reserve(&self, len: u64) -> Result<(), StoreError> {
        self.room.with_room(|| self.file.reserve(len))
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
        self.room.with_room(|| self.file.copy_range(source, from.clone(), to))
    }

    fn copy_ranges(&self, source: &dyn StoredFile, ranges: &[Range<u64>]) -> Result<u64, StoreError> {
        self.room.with_room(|| self.file.copy_ranges(source, ranges))
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
