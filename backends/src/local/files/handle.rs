//! A file that is open.

use std::any::Any;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use engine_api::{FileStat, Folder, NewMetadata, StoreError, StoredFile};
use rustix::fs::{FallocateFlags, SeekFrom, copy_file_range, fallocate, fstat, fsync, ftruncate, ioctl_ficlone, seek};
use rustix::io::{Errno, pread, pwrite};

use super::metadata::Carrier;
use super::{Shared, metadata, node};

pub(super) struct LocalFile {
    shared: Arc<Shared>,
    folder: Folder,
    name: Box<[u8]>,
    fd: OwnedFd,
    is_new: bool,
}

impl LocalFile {
    pub(super) fn new(shared: Arc<Shared>, folder: Folder, name: &[u8], fd: OwnedFd, is_new: bool) -> Self {
        Self {
            shared,
            folder,
            name: name.into(),
            fd,
            is_new,
        }
    }

    fn error(&self, operation: &'static str, errno: Errno) -> StoreError {
        self.shared.error(operation, &self.folder, &self.name, errno)
    }

    /// Whether it can only have attributes that were set here.
    fn is_plain(&self) -> bool {
        self.is_new && !self.shared.folders.inherits(&self.folder)
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), Errno> {
        let (mut at, mut rest) = (offset, data);
        while !rest.is_empty() {
            match pwrite(&self.fd, rest, at) {
                Ok(0) => return Err(Errno::IO),
                Ok(written) => {
                    rest = rest.get(written..).unwrap_or_default();
                    at += written as u64;
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    fn find_data(&self, offset: u64) -> Result<Option<Range<u64>>, Errno> {
        let start = match seek(&self.fd, SeekFrom::Data(offset)) {
            Ok(start) => start,
            Err(Errno::NXIO) => return Ok(None),
            Err(Errno::INVAL | Errno::OPNOTSUPP) => return self.rest(offset),
            Err(errno) => return Err(errno),
        };
        match seek(&self.fd, SeekFrom::Hole(start)) {
            Ok(end) => Ok(Some(start..end)),
            Err(Errno::NXIO) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    fn rest(&self, offset: u64) -> Result<Option<Range<u64>>, Errno> {
        let end = u64::try_from(fstat(&self.fd)?.st_size).unwrap_or(0);
        Ok((offset < end).then_some(offset..end))
    }

    fn copy(&self, source: &Self, from: Range<u64>, to: u64) -> Result<u64, Errno> {
        let (mut input, mut output) = (from.start, to);
        while input < from.end {
            let wanted = usize::try_from(from.end - input).unwrap_or(usize::MAX).min(1 << 30);
            match copy_file_range(&source.fd, Some(&mut input), &self.fd, Some(&mut output), wanted) {
                Ok(0) => break,
                Ok(_) | Err(Errno::INTR) => {}
                // Some old kernels and filesystems find out only by trying.
                Err(Errno::NOSYS | Errno::XDEV | Errno::INVAL | Errno::OPNOTSUPP) => return Err(Errno::OPNOTSUPP),
                Err(errno) => return Err(errno),
            }
        }
        Ok(input.saturating_sub(from.start))
    }
}

impl StoredFile for LocalFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError> {
        loop {
            match pread(&self.fd, &mut *buffer, offset) {
                Err(Errno::INTR) => {}
                other => return other.map_err(|errno| self.error("read", errno)),
            }
        }
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), StoreError> {
        self.write(offset, data).map_err(|errno| self.error("write", errno))
    }

    fn set_len(&self, len: u64) -> Result<(), StoreError> {
        ftruncate(&self.fd, len).map_err(|errno| self.error("set the length of", errno))
    }

    fn reserve(&self, len: u64) -> Result<(), StoreError> {
        match fallocate(&self.fd, FallocateFlags::KEEP_SIZE, 0, len) {
            Err(errno @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG)) => Err(self.error("write", errno)),
            // Not every filesystem can, and it is only an advice.
            _ => Ok(()),
        }
    }

    fn stat(&self) -> Result<FileStat, StoreError> {
        let stat = fstat(&self.fd).map_err(|errno| self.error("look at", errno))?;
        Ok(node::file_stat(&stat))
    }

    fn set_metadata(&self, metadata: &NewMetadata<'_>) -> Vec<StoreError> {
        let mut failed = Vec::new();
        let plain = metadata.xattrs.is_some() && self.is_plain();
        metadata::set(
            &Carrier::Open(&self.fd),
            metadata,
            self.shared.euid,
            plain,
            &mut |operation, errno| failed.push(self.error(operation, errno)),
        );
        failed
    }

    fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>, StoreError> {
        self.find_data(offset).map_err(|errno| self.error("read", errno))
    }

    fn copy_range(&self, source: &dyn StoredFile, from: Range<u64>, to: u64) -> Result<u64, StoreError> {
        let source = source.as_any().downcast_ref::<Self>().ok_or(Errno::OPNOTSUPP);
        source
            .and_then(|source| self.copy(source, from, to))
            .map_err(|errno| self.error("copy to", errno))
    }

    fn reflink(&self, source: &dyn StoredFile) -> Result<(), StoreError> {
        let source = source.as_any().downcast_ref::<Self>().ok_or(Errno::OPNOTSUPP);
        let linked = source.and_then(|source| match ioctl_ficlone(&self.fd, &source.fd) {
            Err(Errno::NOTTY | Errno::INVAL | Errno::XDEV | Errno::NOSYS) => Err(Errno::OPNOTSUPP),
            other => other,
        });
        linked.map_err(|errno| self.error("copy to", errno))
    }

    fn sync(&self) -> Result<(), StoreError> {
        match fsync(&self.fd) {
            Ok(()) | Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(()),
            Err(errno) => Err(self.error("sync", errno)),
        }
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        Ok(())
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.fd.as_fd())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
