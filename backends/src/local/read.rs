use std::fs::File;
use std::os::unix::fs::FileExt;

use engine_api::{Key, StoreError};
use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;

use super::errors::Context;
use super::root::{Root, regular_size, size_if_regular};
use super::{LocalStore, is_reserved};

/// Why a read failed.
pub(super) enum Failure {
    System(Errno),
    Truncated { found: u64, wanted: u64 },
}

impl Failure {
    pub(super) fn into_error(self, store: &LocalStore, context: &Context<'_>) -> StoreError {
        match self {
            Self::System(errno) => store.error(context, errno),
            Self::Truncated { found, wanted } => context.truncated(found, wanted),
        }
    }
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Self::System(errno)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::System(Errno::from_io_error(&error).unwrap_or(Errno::IO))
    }
}

pub(super) fn whole(root: &Root, key: &Key) -> Result<Vec<u8>, Failure> {
    let (file, size) = open(root, key)?;
    let length = usize::try_from(size).map_err(|_| Errno::FBIG)?;
    let mut bytes = vec![0; length];
    fill(&file, 0, &mut bytes, size)?;
    Ok(bytes)
}

pub(super) fn range(root: &Root, key: &Key, offset: u64, buffer: &mut [u8]) -> Result<(), Failure> {
    let (file, size) = open(root, key)?;
    fill(&file, offset, buffer, size)
}

pub(super) fn size(root: &Root, key: &Key) -> Result<u64, Failure> {
    if is_reserved(key) {
        return Err(Errno::NOENT.into());
    }
    regular_size(root, key.as_bytes())
        .map_err(absent_if_no_folder)
        .map_err(Failure::from)
}

fn open(root: &Root, key: &Key) -> Result<(File, u64), Failure> {
    if is_reserved(key) {
        return Err(Errno::NOENT.into());
    }
    // Without NONBLOCK a fifo in the place of an object would hold the program for ever.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let fd = fs::openat(root, key.as_bytes(), flags, Mode::empty()).map_err(absent_if_no_folder)?;
    let size = size_if_regular(&fs::fstat(&fd)?)?;
    Ok((File::from(fd), size))
}

/// Where a folder of the name is a file there is no such object.
fn absent_if_no_folder(errno: Errno) -> Errno {
    if errno == Errno::NOTDIR { Errno::NOENT } else { errno }
}

fn fill(file: &File, offset: u64, buffer: &mut [u8], size: u64) -> Result<(), Failure> {
    let wanted = offset.saturating_add(buffer.len() as u64);
    if wanted > size {
        return Err(Failure::Truncated { found: size, wanted });
    }
    match file.read_exact_at(buffer, offset) {
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            let found = file.metadata().map_or(size, |metadata| metadata.len());
            Err(Failure::Truncated { found, wanted })
        }
        other => Ok(other?),
    }
}
