//! Pax records: what a header's fields have no room for.

use engine_api::{EntryKind, Timestamp};

use super::{Header, TarError, TarResult};
use crate::format::extras::parse_time;

/// Where records of Holdfast's own begin.
const OWN: &[u8] = b"HOLDFAST.";
/// Where extended attributes are, as several archivers name them.
const XATTR: &[u8] = b"SCHILY.xattr.";

/// What the records before an entry say of it.
#[derive(Debug, Default)]
pub(super) struct Records {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    user: Option<Vec<u8>>,
    group: Option<Vec<u8>>,
    uid: Option<u32>,
    gid: Option<u32>,
    mtime: Option<Timestamp>,
    size: Option<u64>,
    private: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Records {
    /// GNU's long name.
    pub(super) fn set_name(&mut self, name: Vec<u8>) {
        self.name = Some(name);
    }

    /// GNU's long link target.
    pub(super) fn set_link(&mut self, link: Vec<u8>) {
        self.link = Some(link);
    }

    /// Adds what the records in `data` say; those that mean nothing here are passed over.
    pub(super) fn parse(&mut self, mut data: &[u8]) -> TarResult<()> {
        while !data.is_empty() {
            let (key, value, rest) = split(data).ok_or(TarError::Malformed("a pax record that makes no sense"))?;
            self.take(key, value)?;
            data = rest;
        }
        Ok(())
    }

    fn take(&mut self, key: &[u8], value: &[u8]) -> TarResult<()> {
        let wrong = TarError::Malformed("a pax record with a number that is none");
        match key {
            b"path" => self.name = Some(value.to_vec()),
            b"linkpath" => self.link = Some(value.to_vec()),
            b"uname" => self.user = Some(value.to_vec()),
            b"gname" => self.group = Some(value.to_vec()),
            b"uid" => self.uid = Some(digits(value).ok_or(wrong)?),
            b"gid" => self.gid = Some(digits(value).ok_or(wrong)?),
            b"size" => self.size = Some(digits(value).ok_or(wrong)?),
            b"mtime" => self.mtime = Some(parse_time(value).ok_or(wrong)?),
            _ if key.starts_with(OWN) || key.starts_with(XATTR) => self.private.push((key.to_vec(), value.to_vec())),
            _ if key.starts_with(b"GNU.sparse.") => {
                return Err(TarError::Malformed(
                    "a sparse file in tar's own manner, which has no place in a backup",
                ));
            }
            _ => {}
        }
        Ok(())
    }

    /// Puts into the header what is better known here.
    pub(super) fn apply(self, header: &mut Header) {
        if let Some(name) = self.name {
            header.name = name;
        }
        if let Some(link) = self.link.filter(|_| header.kind == EntryKind::Symlink) {
            header.link = link;
        }
        if let Some(size) = self.size.filter(|_| header.kind == EntryKind::File) {
            header.size = size;
        }
        header.user = self.user.unwrap_or(std::mem::take(&mut header.user));
        header.group = self.group.unwrap_or(std::mem::take(&mut header.group));
        header.uid = self.uid.unwrap_or(header.uid);
        header.gid = self.gid.unwrap_or(header.gid);
        header.mtime = self.mtime.unwrap_or(header.mtime);
        header.private = self.private;
    }
}

/// The first record's key and value, and what follows it.
fn split(data: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = data.iter().take(20).position(|byte| *byte == b' ')?;
    let length: usize = digits(data.get(..space)?)?;
    let record = data.get(space + 1..length)?;
    let (last, record) = record.split_last()?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    let (key, value) = record.split_at(equals);
    (*last == b'\n').then_some((key, value.get(1..)?, data.get(length..)?))
}

fn digits<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    let plain = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| plain)?.parse().ok()
}
