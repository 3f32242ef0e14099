//! Records within a block: paths share their start with the one before, names of owners are spelled out once.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::sync::Arc;

use engine_api::{EntryKind, Metadata, Timestamp, Xattr};

use super::bytes::{Put, Take};
use super::head::nanos;
use super::order::shared_prefix;
use super::{ManifestError, Record};

const KIND: u64 = 0b111;
const DIGEST: u64 = 1 << 3;
const SPARSE: u64 = 1 << 4;
const XATTRS: u64 = 1 << 5;
const KNOWN: u64 = KIND | DIGEST | SPARSE | XATTRS;

const KINDS: [EntryKind; 7] = [
    EntryKind::File,
    EntryKind::Dir,
    EntryKind::Symlink,
    EntryKind::Fifo,
    EntryKind::Socket,
    EntryKind::CharDevice,
    EntryKind::BlockDevice,
];

/// What one record leaves behind for the next of the same block.
#[derive(Debug, Default)]
pub(super) struct Before {
    pub(super) path: Vec<u8>,
    inode: u64,
    device: u64,
    names: Vec<Arc<str>>,
}

impl Before {
    /// Forgets everything: a block begins.
    pub(super) fn clear(&mut self) {
        self.path.clear();
        self.names.clear();
        (self.inode, self.device) = (0, 0);
    }

    fn put_name(&mut self, out: &mut Vec<u8>, name: Option<&Arc<str>>) {
        let Some(name) = name else { return out.number(0) };
        if let Some(place) = self.names.iter().position(|known| known == name) {
            return out.number(place as u64 + 1);
        }
        out.number(self.names.len() as u64 + 1);
        out.string(name.as_bytes());
        self.names.push(Arc::clone(name));
    }

    fn take_name(&mut self, take: &mut Take<'_>) -> Result<Option<Arc<str>>, ManifestError> {
        let Some(place) = take.small::<usize>()?.checked_sub(1) else {
            return Ok(None);
        };
        if place == self.names.len() {
            let name = std::str::from_utf8(take.string()?);
            let name = name.map_err(|_| ManifestError::Damaged("an owner's name is no UTF-8"))?;
            self.names.push(Arc::from(name));
        }
        let name = self.names.get(place).cloned();
        Ok(Some(name.ok_or(ManifestError::Damaged("an owner's name is missing"))?))
    }
}

pub(super) fn encode(out: &mut Vec<u8>, record: &Record, before: &mut Before) {
    let metadata = &record.metadata;
    let shared = shared_prefix(&before.path, &record.path);
    out.number(shared as u64);
    out.string(record.path.get(shared..).unwrap_or_default());
    let kind = KINDS.iter().position(|kind| *kind == metadata.kind).unwrap_or(0) as u64;
    let flag = |set: bool, bit| if set { bit } else { 0 };
    out.number(
        kind | flag(record.digest.is_some(), DIGEST)
            | flag(record.sparse, SPARSE)
            | flag(!metadata.xattrs.is_empty(), XATTRS),
    );
    out.number(u64::from(metadata.mode));
    out.number(u64::from(metadata.uid));
    out.number(u64::from(metadata.gid));
    before.put_name(out, metadata.user.as_ref());
    before.put_name(out, metadata.group.as_ref());
    put_times(out, metadata);
    out.signed(metadata.inode.wrapping_sub(before.inode).cast_signed());
    out.signed(metadata.device.wrapping_sub(before.device).cast_signed());
    out.number(metadata.links);
    match metadata.kind {
        EntryKind::File => out.number(metadata.size),
        EntryKind::CharDevice | EntryKind::BlockDevice => out.number(metadata.rdev),
        EntryKind::Symlink => {
            let target = metadata.link_target.as_ref();
            out.string(target.map_or(&[][..], |target| target.as_os_str().as_bytes()));
        }
        _ => {}
    }
    if !metadata.xattrs.is_empty() {
        out.number(metadata.xattrs.len() as u64);
        for xattr in &metadata.xattrs {
            out.string(xattr.name.as_bytes());
            out.string(&xattr.value);
        }
    }
    out.extend(record.digest.iter().flatten());
    before.path.clone_from(&record.path);
    (before.inode, before.device) = (metadata.inode, metadata.device);
}

/// The other two times are mostly near the first.
fn put_times(out: &mut Vec<u8>, metadata: &Metadata) {
    out.signed(metadata.mtime.seconds);
    out.number(u64::from(metadata.mtime.nanos));
    for time in [metadata.ctime, metadata.atime] {
        out.signed(time.seconds.wrapping_sub(metadata.mtime.seconds));
        out.number(u64::from(time.nanos));
    }
}

pub(super) fn decode(take: &mut Take<'_>, before: &mut Before) -> Result<Record, ManifestError> {
    let path = take_path(take, &before.path)?;
    let flags = take.number()?;
    if flags & !KNOWN != 0 {
        return Err(ManifestError::Version);
    }
    let place = usize::try_from(flags & KIND).unwrap_or(usize::MAX);
    let kind = *KINDS.get(place).ok_or(ManifestError::Version)?;
    let mode = take.small()?;
    let (uid, gid) = (take.small()?, take.small()?);
    let (user, group) = (before.take_name(take)?, before.take_name(take)?);
    let [mtime, ctime, atime] = take_times(take)?;
    let inode = before.inode.wrapping_add(take.signed()?.cast_unsigned());
    let device = before.device.wrapping_add(take.signed()?.cast_unsigned());
    let links = take.number()?;
    let (mut size, mut rdev, mut link_target) = (0, 0, None);
    match kind {
        EntryKind::File => size = take.number()?,
        EntryKind::CharDevice | EntryKind::BlockDevice => rdev = take.number()?,
        EntryKind::Symlink => link_target = Some(PathBuf::from(OsString::from_vec(take.string()?.to_vec()))),
        _ => {}
    }
    let xattrs = if flags & XATTRS == 0 {
        Vec::new()
    } else {
        take_xattrs(take)?
    };
    let digest = if flags & DIGEST == 0 { None } else { Some(take.array()?) };
    before.path.clone_from(&path);
    (before.inode, before.device) = (inode, device);
    let metadata = Metadata {
        kind,
        mode,
        uid,
        gid,
        user,
        group,
        mtime,
        atime,
        ctime,
        size,
        inode,
        device,
        links,
        rdev,
        link_target,
        xattrs,
    };
    Ok(Record {
        path,
        metadata,
        digest,
        sparse: flags & SPARSE != 0,
    })
}

fn take_path(take: &mut Take<'_>, before: &[u8]) -> Result<Vec<u8>, ManifestError> {
    let shared: usize = take.small()?;
    let start = before.get(..shared);
    let mut path = start.ok_or(ManifestError::Damaged("a path has no start"))?.to_vec();
    path.extend_from_slice(take.string()?);
    let bad = |part: &[u8]| part.is_empty() || part == b"." || part == b".." || part.contains(&0);
    // A restore goes where these paths lead.
    if !path.is_empty() && path.split(|&byte| byte == b'/').any(bad) {
        return Err(ManifestError::Damaged("a path is none"));
    }
    Ok(path)
}

fn take_times(take: &mut Take<'_>) -> Result<[Timestamp; 3], ManifestError> {
    let mut time = |from: i64| {
        let seconds = take.signed()?.wrapping_add(from);
        let nanos = nanos(take.small()?)?;
        Ok::<_, ManifestError>(Timestamp { seconds, nanos })
    };
    let mtime = time(0)?;
    Ok([mtime, time(mtime.seconds)?, time(mtime.seconds)?])
}

fn take_xattrs(take: &mut Take<'_>) -> Result<Vec<Xattr>, ManifestError> {
    // The kernel lists 64 KiB of names at the most.
    const MOST: usize = 1 << 15;
    let count: usize = take.small()?;
    if count > MOST {
        return Err(ManifestError::Damaged("an entry has too many attributes"));
    }
    let mut xattrs = Vec::new();
    for _ in 0..count {
        let name = OsString::from_vec(take.string()?.to_vec());
        let value = take.string()?.to_vec();
        xattrs.push(Xattr { name, value });
    }
    Ok(xattrs)
}
