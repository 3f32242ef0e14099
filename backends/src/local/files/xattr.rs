//! Extended attributes, read and written.

use std::ffi::{CStr, CString};

use rustix::fs::XattrFlags;
use rustix::io::Errno;

use super::metadata::Carrier;

/// All attributes, sorted by name; none where the filesystem has no attributes.
pub(super) fn read(carrier: &Carrier<'_>) -> Result<Vec<(CString, Vec<u8>)>, Errno> {
    let mut found = Vec::new();
    for name in names(carrier)? {
        match fill(|buffer| get(carrier, &name, buffer)) {
            Ok(value) => found.push((name, value)),
            // It is gone meanwhile.
            Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(found)
}

/// The names of the attributes, sorted.
pub(super) fn names(carrier: &Carrier<'_>) -> Result<Vec<CString>, Errno> {
    let list = match fill(|buffer| match carrier {
        Carrier::Open(fd) => rustix::fs::flistxattr(fd, buffer),
        Carrier::Entry { .. } => rustix::fs::llistxattr(carrier.path(), buffer),
    }) {
        Ok(list) => list,
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(Vec::new()),
        Err(errno) => return Err(errno),
    };
    let mut names: Vec<CString> = list
        .split_inclusive(|&byte| byte == 0)
        .filter_map(|name| Some(CStr::from_bytes_with_nul(name).ok()?.to_owned()))
        .collect();
    names.sort_unstable();
    Ok(names)
}

/// Whether it has the attribute, or may have it.
pub(super) fn has(carrier: &Carrier<'_>, name: &CStr) -> bool {
    let asked = get(carrier, name, &mut []);
    !matches!(asked, Err(Errno::NODATA | Errno::OPNOTSUPP))
}

fn get(carrier: &Carrier<'_>, name: &CStr, buffer: &mut [u8]) -> Result<usize, Errno> {
    match carrier {
        Carrier::Open(fd) => rustix::fs::fgetxattr(fd, name, buffer),
        Carrier::Entry { .. } => rustix::fs::lgetxattr(carrier.path(), name, buffer),
    }
}

pub(super) fn set(carrier: &Carrier<'_>, name: &CStr, value: &[u8]) -> Result<(), Errno> {
    let flags = XattrFlags::empty();
    match carrier {
        Carrier::Open(fd) => rustix::fs::fsetxattr(fd, name, value, flags),
        Carrier::Entry { .. } => rustix::fs::lsetxattr(carrier.path(), name, value, flags),
    }
}

pub(super) fn remove(carrier: &Carrier<'_>, name: &CStr) -> Result<(), Errno> {
    match carrier {
        Carrier::Open(fd) => rustix::fs::fremovexattr(fd, name),
        Carrier::Entry { .. } => rustix::fs::lremovexattr(carrier.path(), name),
    }
}

/// Most lists and values are short, so one call with a small buffer is all it takes.
fn fill(mut read: impl FnMut(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut small = [0_u8; 512];
    match read(&mut small) {
        Ok(len) => return Ok(small.get(..len).unwrap_or_default().to_vec()),
        Err(Errno::RANGE) => {}
        Err(errno) => return Err(errno),
    }
    let mut large = vec![0_u8; 1 << 16];
    let len = read(&mut large)?;
    large.truncate(len);
    Ok(large)
}
