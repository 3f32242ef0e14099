//! Metadata as SFTP has it: seconds, no names of owners, nothing extended.

use std::sync::Arc;

use engine_api::{EntryKind, FileStat, NewMetadata, StoreErrorKind, Timestamp};

use crate::sftp::errors::Problem;
use crate::sftp::link::Link;
use crate::sftp::requests::{Answer, Handle, Requests};
use crate::sftp::wire::{Attributes, FileKind};

/// What `found` tells of an entry.
pub(super) fn stat(found: &Attributes) -> Result<FileStat, Problem> {
    let kind = match found.kind() {
        FileKind::File => EntryKind::File,
        FileKind::Folder => EntryKind::Dir,
        FileKind::Symlink => EntryKind::Symlink,
        FileKind::Fifo => EntryKind::Fifo,
        FileKind::Socket => EntryKind::Socket,
        FileKind::CharDevice => EntryKind::CharDevice,
        FileKind::BlockDevice => EntryKind::BlockDevice,
        FileKind::Unknown => return Err(Problem::Nonsense("it does not tell what an entry is")),
    };
    let (uid, gid) = found.owner.unwrap_or_default();
    let size = if kind == EntryKind::File {
        found.size.unwrap_or(0)
    } else {
        0
    };
    Ok(FileStat {
        kind,
        mode: found.mode.unwrap_or(0) & 0o7777,
        uid,
        gid,
        size,
        mtime: Timestamp {
            seconds: found.times.map_or(0, |(_, changed)| i64::from(changed)),
            nanos: 0,
        },
        rdev: 0,
        identity: None,
        links: None,
    })
}

/// What is there where a folder was just made.
pub(super) fn folder() -> Attributes {
    Attributes::with_mode(0o040_700)
}

/// The number of links from an entry as `ls -l` shows it, where it looks like one.
pub(super) fn links(shown: &[u8]) -> Option<u64> {
    let mut fields = shown.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
    let mode = fields
        .next()
        .filter(|mode| mode.len() >= 10 && b"-dlpsbc".contains(mode.first().unwrap_or(&0)));
    let links = std::str::from_utf8(mode.and(fields.next())?).ok()?;
    links.parse().ok()
}

/// What metadata is given to.
pub(super) enum Target<'a> {
    Open(&'a Handle),
    Path {
        link: &'a Arc<Link>,
        path: &'a [u8],
        /// What is there.
        found: Attributes,
    },
}

impl Target<'_> {
    fn is_symlink(&self) -> bool {
        matches!(self, Self::Path { found, .. } if found.kind() == FileKind::Symlink)
    }

    fn set(&self, attributes: &Attributes) -> Result<Answer, Problem> {
        match self {
            Self::Open(handle) => handle.set(attributes),
            Self::Path { link, path, .. } if !self.is_symlink() => link.set(path, attributes),
            Self::Path { link, path, .. } if link.extensions().lsetstat => link.set_link(path, attributes),
            Self::Path { .. } => Err(Problem::known(
                StoreErrorKind::Unsupported,
                "the server cannot change symbolic links",
            )),
        }
    }

    fn changed(&self) -> Result<u32, Problem> {
        let found = match self {
            Self::Open(handle) => handle.attributes()?.attributes()?,
            Self::Path { found, .. } => *found,
        };
        Ok(found.times.unwrap_or_default().1)
    }
}

/// Sets `metadata`, and waits for it.
pub(super) fn set(
    target: &Target<'_>,
    metadata: &NewMetadata<'_>,
    failed: &mut dyn FnMut(&'static str, Problem),
) -> Result<(), Problem> {
    ask(target, metadata, failed)?.take(target, metadata, failed)
}

/// Metadata that is being set.
pub(super) enum Asked {
    Together(Answer),
    Parts([(&'static str, Option<Answer>); 3]),
}

impl Asked {
    /// Waits for all of it. What fails together is set on `target` part by part, so that one does not keep another from it.
    pub(super) fn take(
        self,
        target: &Target<'_>,
        metadata: &NewMetadata<'_>,
        failed: &mut dyn FnMut(&'static str, Problem),
    ) -> Result<(), Problem> {
        let parts = match self {
            Self::Parts(parts) => parts,
            Self::Together(answer) => match answer.done() {
                Err(problem) if !problem.is_connections() => self::parts(target, metadata, failed)?,
                done => return done,
            },
        };
        if let Some(last) = parts.iter().rev().find_map(|(_, answer)| answer.as_ref()) {
            last.come();
        }
        for (operation, answer) in parts {
            if let Some(answer) = answer
                && let Err(problem) = answer.done()
            {
                failed(operation, problem);
            }
        }
        Ok(())
    }
}

/// Begins to set `metadata`, with one request where the order of its parts does not matter.
pub(super) fn ask(
    target: &Target<'_>,
    metadata: &NewMetadata<'_>,
    failed: &mut dyn FnMut(&'static str, Problem),
) -> Result<Asked, Problem> {
    match together(target, metadata) {
        Some(all) => Ok(Asked::Together(target.set(&all)?)),
        None => Ok(Asked::Parts(parts(target, metadata, failed)?)),
    }
}

/// What can be set at once: servers do the parts of a request in an order of their own, and a change of the owner clears
/// setuid.
fn together(target: &Target<'_>, metadata: &NewMetadata<'_>) -> Option<Attributes> {
    let is_plain = metadata.mode.is_none_or(|mode| mode & 0o6000 == 0) && metadata.xattrs.is_none_or(<[_]>::is_empty);
    let mode = metadata.mode.filter(|_| !target.is_symlink());
    // The time of a change alone does not have to be asked for.
    let times = metadata.mtime.and_then(|_| times(target, metadata).ok().flatten())?;
    (is_plain && (mode.is_some() || metadata.owner.is_some())).then(|| Attributes {
        owner: metadata.owner,
        mode: mode.map(|mode| mode & 0o7777),
        times: Some(times),
        size: None,
    })
}

/// Begins to set each part with a request of its own: the owner first, because that clears setuid; the times last, because
/// the rest changes them. All are under way at once.
fn parts(
    target: &Target<'_>,
    metadata: &NewMetadata<'_>,
    failed: &mut dyn FnMut(&'static str, Problem),
) -> Result<[(&'static str, Option<Answer>); 3], Problem> {
    let owner = metadata.owner.map(|owner| {
        target.set(&Attributes {
            owner: Some(owner),
            ..Attributes::default()
        })
    });
    let mut owner = owner.transpose()?;
    let mut mode = metadata.mode.filter(|_| !target.is_symlink());
    if mode.is_some_and(|mode| mode & 0o6000 != 0)
        && let Some(owner) = owner.take()
        && let Err(problem) = owner.done()
    {
        // What runs as its owner must not run as another.
        mode = mode.map(|mode| mode & !0o6000);
        failed("set the owner of", problem);
    }
    let mode = mode
        .map(|mode| target.set(&Attributes::with_mode(mode & 0o7777)))
        .transpose()?;
    let times = match times(target, metadata) {
        Ok(times) => times.map(|times| set_times(target, times)).transpose()?,
        Err(problem) => {
            failed("set the times of", problem);
            None
        }
    };
    if metadata.xattrs.is_some_and(|xattrs| !xattrs.is_empty()) {
        let problem = Problem::known(StoreErrorKind::Unsupported, "SFTP has no extended attributes");
        failed("set the attributes of", problem);
    }
    Ok([
        ("set the owner of", owner),
        ("set the mode of", mode),
        ("set the times of", times),
    ])
}

fn set_times(target: &Target<'_>, times: (u32, u32)) -> Result<Answer, Problem> {
    target.set(&Attributes {
        times: Some(times),
        ..Attributes::default()
    })
}

/// When it was read and changed; the protocol sets both or none.
fn times(target: &Target<'_>, metadata: &NewMetadata<'_>) -> Result<Option<(u32, u32)>, Problem> {
    let (read, changed) = match (metadata.atime, metadata.mtime) {
        (None, None) => return Ok(None),
        (None, Some(changed)) => (changed, changed),
        (Some(read), Some(changed)) => (read, changed),
        (Some(read), None) => return Ok(Some((seconds(read)?, target.changed()?))),
    };
    let changed = seconds(changed)?;
    // When it was read is no reason to fail.
    Ok(Some((seconds(read).unwrap_or(changed), changed)))
}

fn seconds(time: Timestamp) -> Result<u32, Problem> {
    u32::try_from(time.seconds)
        .map_err(|_| Problem::known(StoreErrorKind::Unsupported, "SFTP knows the years 1970 to 2106 only"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_read_where_the_line_looks_like_one() {
        assert_eq!(links(b"-rw-r--r--    3 root     root   5 Nov 21 20:42 a b"), Some(3));
        assert_eq!(links(b"drwxr-xr-x. 12 0 0 4096 Jan  1  1970 x"), Some(12));
        assert_eq!(links(b"-rw-r--r--    ? root     root   5 Nov 21 20:42 a"), None);
        assert_eq!(links(b"a b 5 c"), None);
        assert_eq!(links(b""), None);
    }

    #[test]
    fn times_beyond_the_protocol_are_refused_not_bent() {
        let at = |seconds| self::seconds(Timestamp { seconds, nanos: 0 });
        assert_eq!(at(4_000_000_000).ok(), Some(4_000_000_000));
        assert!(at(-1).is_err() && at(1 << 32).is_err());
    }
}
