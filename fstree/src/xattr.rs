//! Extended attributes, read and written.

use std::ffi::{CStr, CString, OsString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStringExt;

use engine_api::Xattr;
use rustix::io::Errno;

/// What carries attributes: an open file, or a name in an open folder (links are not followed).
pub(crate) enum Carrier<'a> {
    Open(BorrowedFd<'a>),
    Path(Vec<u8>),
}

impl<'a> Carrier<'a> {
    /// The kernel has no call for a name below a descriptor (before 6.13), so the way leads through /proc.
    pub(crate) fn entry(folder: BorrowedFd<'a>, name: &CStr) -> Self {
        let mut path = format!("/proc/self/fd/{}/", folder.as_raw_fd()).into_bytes();
        path.extend_from_slice(name.to_bytes());
        Self::Path(path)
    }

    fn list_into(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        match self {
            Self::Open(fd) => rustix::fs::flistxattr(fd, buffer),
            Self::Path(path) => rustix::fs::llistxattr(path.as_slice(), buffer),
        }
    }

    fn get_into(&self, name: &CStr, buffer: &mut [u8]) -> Result<usize, Errno> {
        match self {
            Self::Open(fd) => rustix::fs::fgetxattr(fd, name, buffer),
            Self::Path(path) => rustix::fs::lgetxattr(path.as_slice(), name, buffer),
        }
    }
}

/// The attributes of `carrier`, sorted by name, and for each that could not be read what was being done and the cause.
pub(crate) fn read(carrier: &Carrier<'_>) -> (Vec<Xattr>, Vec<(&'static str, String)>) {
    let names = match names(carrier) {
        Ok(names) => names,
        Err(error) => return (Vec::new(), vec![("list the extended attributes", error.to_string())]),
    };
    let mut xattrs = Vec::new();
    let mut failed = Vec::new();
    for name in names {
        match value(carrier, &name) {
            Ok(Some(value)) => {
                let name = OsString::from_vec(name.into_bytes());
                xattrs.push(Xattr { name, value });
            }
            Ok(None) => {}
            Err(error) => failed.push((
                "read an extended attribute",
                format!("{}: {error}", name.to_string_lossy()),
            )),
        }
    }
    (xattrs, failed)
}

/// The names of the attributes, sorted; none where the filesystem has no attributes.
pub(crate) fn names(carrier: &Carrier<'_>) -> io::Result<Vec<CString>> {
    let list = match fill(|buffer| carrier.list_into(buffer)) {
        Ok(list) => list,
        Err(Errno::NOTSUP | Errno::NOSYS) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut names: Vec<CString> = list
        .split_inclusive(|&byte| byte == 0)
        .filter_map(|name| Some(CStr::from_bytes_with_nul(name).ok()?.to_owned()))
        .collect();
    names.sort_unstable();
    Ok(names)
}

/// One value; `None` when the attribute is gone meanwhile.
fn value(carrier: &Carrier<'_>, name: &CStr) -> io::Result<Option<Vec<u8>>> {
    match fill(|buffer| carrier.get_into(name, buffer)) {
        Ok(value) => Ok(Some(value)),
        Err(Errno::NODATA | Errno::NOTSUP) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Most lists and values are short, so one call with a small buffer is all it takes.
fn fill(mut read: impl FnMut(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    const FIRST: usize = 512;
    const LARGEST: usize = 1 << 16;
    let mut small = [0_u8; FIRST];
    match read(&mut small) {
        Ok(len) => return Ok(small.get(..len).unwrap_or_default().to_vec()),
        Err(Errno::RANGE) => {}
        Err(error) => return Err(error),
    }
    let mut large = vec![0_u8; LARGEST];
    let len = read(&mut large)?;
    large.truncate(len);
    Ok(large)
}

/// Sets one attribute.
pub(crate) fn set(carrier: &Carrier<'_>, name: &CStr, value: &[u8]) -> Result<(), Errno> {
    let flags = rustix::fs::XattrFlags::empty();
    match carrier {
        Carrier::Open(fd) => rustix::fs::fsetxattr(fd, name, value, flags),
        Carrier::Path(path) => rustix::fs::lsetxattr(path.as_slice(), name, value, flags),
    }
}

/// Removes one attribute.
pub(crate) fn remove(carrier: &Carrier<'_>, name: &CStr) -> Result<(), Errno> {
    match carrier {
        Carrier::Open(fd) => rustix::fs::fremovexattr(fd, name),
        Carrier::Path(path) => rustix::fs::lremovexattr(path.as_slice(), name),
    }
}
