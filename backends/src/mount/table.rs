//! The kernel's own table of mounts.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use super::error::Failed;

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mounted {
    /// Major and minor number of the device.
    pub(super) device: (u32, u32),
    /// Where.
    pub(super) point: PathBuf,
    /// The kind of filesystem.
    pub(super) kind: String,
    /// What was mounted, as it was named.
    pub(super) source: Vec<u8>,
}

/// All mounts of this process's namespace, the later above the earlier.
pub(super) struct Table(Vec<Mounted>);

impl Table {
    pub(super) fn read() -> Result<Self, Failed> {
        let text = fs::read("/proc/self/mountinfo").map_err(|cause| Failed::io("read", cause))?;
        Ok(Self::parse(&text))
    }

    /// A line that is not understood is left out.
    pub(super) fn parse(text: &[u8]) -> Self {
        Self(text.split(|&byte| byte == b'\n').filter_map(line).collect())
    }

    /// What is mounted exactly at `point`, the topmost.
    pub(super) fn at(&self, point: &Path) -> Option<Mounted> {
        self.0.iter().rev().find(|mounted| mounted.point == point).cloned()
    }

    /// Every place where this device is mounted.
    pub(super) fn of_device(&self, device: (u32, u32)) -> impl Iterator<Item = &Mounted> {
        self.0.iter().filter(move |mounted| mounted.device == device)
    }
}

/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw`; the number of fields before the dash varies.
fn line(line: &[u8]) -> Option<Mounted> {
    let mut fields = line.split(|&byte| byte == b' ');
    let (device, point) = (fields.nth(2)?, fields.nth(1)?);
    let mut rest = fields.skip_while(|&field| field != b"-").skip(1);
    let (kind, source) = (rest.next()?, rest.next()?);
    let (major, minor) = str::from_utf8(device).ok()?.split_once(':')?;
    Some(Mounted {
        device: (major.parse().ok()?, minor.parse().ok()?),
        point: PathBuf::from(OsString::from_vec(unescape(point))),
        kind: String::from_utf8_lossy(kind).into_owned(),
        source: unescape(source),
    })
}

/// Space, tab, line break and backslash stand there as three octal digits.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after.first_chunk::<3>().filter(|_| byte == b'\\');
        let value = digits.and_then(|digits| u8::from_str_radix(str::from_utf8(digits).ok()?, 8).ok());
        match value {
            Some(value) => {
                out.push(value);
                rest = after.get(3..).unwrap_or_default();
            }
            None => {
                out.push(byte);
                rest = after;
            }
        }
    }
    out
}
