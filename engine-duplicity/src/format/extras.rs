//! What the original's headers have no room for, in pax records that it passes over.
//!
//! In volumes and in signature files alike, before the entry they belong to. Times are seconds with a fraction, negative
//! before 1970; extended attributes are named as several archivers name them.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use engine_api::{Timestamp, Xattr};

const XATTR: &[u8] = b"SCHILY.xattr.";

/// What private records say of an entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extras {
    /// `HOLDFAST.mtime`: when the content last changed, where the header's whole seconds do not say it.
    pub mtime: Option<Timestamp>,
    /// `HOLDFAST.atime`: when it was last read.
    pub atime: Option<Timestamp>,
    /// `HOLDFAST.ctime`: when the inode last changed.
    pub ctime: Option<Timestamp>,
    /// `HOLDFAST.size`: a file's whole length in bytes.
    pub size: Option<u64>,
    /// `HOLDFAST.inode`: device, inode and number of hard links, decimal with blanks between.
    pub inode: Option<Inode>,
    /// `HOLDFAST.sha256`: of a file's whole content, in hexadecimal.
    pub sha256: Option<[u8; 32]>,
    /// `SCHILY.xattr.NAME`: extended attributes and ACLs, sorted by name.
    pub xattrs: Vec<Xattr>,
}

/// Which inode an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Inode {
    /// Number of the filesystem.
    pub device: u64,
    /// Number in it.
    pub number: u64,
    /// Hard links to it.
    pub links: u64,
}

/// A record's key and value.
pub type Record = (Vec<u8>, Vec<u8>);

impl Extras {
    /// Reads the records; those that make no sense are passed over.
    #[must_use]
    pub fn read(records: &[Record]) -> Self {
        let mut extras = Self::default();
        for (key, value) in records {
            if let Some(name) = key.strip_prefix(XATTR) {
                extras.xattrs.push(Xattr {
                    name: OsString::from_vec(name.to_vec()),
                    value: value.clone(),
                });
                continue;
            }
            match key.as_slice() {
                b"HOLDFAST.mtime" => extras.mtime = parse_time(value),
                b"HOLDFAST.atime" => extras.atime = parse_time(value),
                b"HOLDFAST.ctime" => extras.ctime = parse_time(value),
                b"HOLDFAST.size" => extras.size = number(value),
                b"HOLDFAST.inode" => extras.inode = Inode::parse(value),
                b"HOLDFAST.sha256" => extras.sha256 = digest(value),
                _ => {}
            }
        }
        extras.xattrs.sort();
        extras
    }

    /// The records that say this.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        let mut records: Vec<Record> = Vec::new();
        let mut add = |key: &str, value: Option<String>| {
            records.extend(value.map(|value| (format!("HOLDFAST.{key}").into_bytes(), value.into_bytes())));
        };
        add("mtime", self.mtime.map(format_time));
        add("atime", self.atime.map(format_time));
        add("ctime", self.ctime.map(format_time));
        add("size", self.size.map(|size| size.to_string()));
        let inode = |inode: Inode| format!("{} {} {}", inode.device, inode.number, inode.links);
        add("inode", self.inode.map(inode));
        let hex = |digest: [u8; 32]| super::quote::hex(&digest);
        add("sha256", self.sha256.map(hex));
        let xattr = |xattr: &Xattr| ([XATTR, xattr.name.as_bytes()].concat(), xattr.value.clone());
        // A name with an equals sign could not be told from its value.
        let named = self
            .xattrs
            .iter()
            .filter(|xattr| !xattr.name.as_bytes().contains(&b'='));
        records.extend(named.map(xattr));
        records
    }
}

impl Inode {
    fn parse(text: &[u8]) -> Option<Self> {
        let mut numbers = text.split(|byte| *byte == b' ').map(number);
        let mut next = || numbers.next().flatten();
        Some(Self {
            device: next()?,
            number: next()?,
            links: next()?,
        })
    }
}

fn number(text: &[u8]) -> Option<u64> {
    let plain = text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| plain)?.parse().ok()
}

fn digest(text: &[u8]) -> Option<[u8; 32]> {
    super::quote::unhex(text)?.try_into().ok()
}

/// Seconds since 1970 with an optional sign and fraction; digits beyond nanoseconds are cut.
#[must_use]
pub fn parse_time(text: &[u8]) -> Option<Timestamp> {
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut halves = text.splitn(2, |byte| *byte == b'.');
    let seconds = halves.next().filter(|digits| !digits.is_empty())?;
    let seconds = i64::try_from(number(seconds)?).ok()?;
    let fraction = halves.next().unwrap_or_default();
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let nanos = (0..9).fold(0, |nanos, at| {
        nanos * 10 + fraction.get(at).map_or(0, |digit| u32::from(digit - b'0'))
    });
    Some(match (negative, nanos) {
        (false, nanos) => Timestamp { seconds, nanos },
        (true, 0) => Timestamp {
            seconds: -seconds,
            nanos,
        },
        (true, nanos) => Timestamp {
            seconds: -seconds - 1,
            nanos: 1_000_000_000 - nanos,
        },
    })
}

/// The same as text, without a fraction where there is none.
#[must_use]
pub fn format_time(time: Timestamp) -> String {
    let (sign, seconds, nanos) = match (time.seconds, time.nanos) {
        (seconds @ ..0, 0) => ("-", seconds.unsigned_abs(), 0),
        (seconds @ ..0, nanos) => ("-", seconds.unsigned_abs() - 1, 1_000_000_000 - nanos),
        (seconds, nanos) => ("", seconds.unsigned_abs(), nanos),
    };
    if nanos == 0 {
        return format!("{sign}{seconds}");
    }
    let text = format!("{sign}{seconds}.{nanos:09}");
    text.trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_before_1970_and_with_fractions() {
        let time = |seconds, nanos| Some(Timestamp { seconds, nanos });
        assert_eq!(parse_time(b"12"), time(12, 0));
        assert_eq!(parse_time(b"12.5"), time(12, 500_000_000));
        assert_eq!(parse_time(b"12.1234567899"), time(12, 123_456_789));
        assert_eq!(parse_time(b"-1.25"), time(-2, 750_000_000));
        assert_eq!(parse_time(b"-3"), time(-3, 0));
        for wrong in ["", "-", "1.x", "1e5", "+1", "99999999999999999999"] {
            assert_eq!(parse_time(wrong.as_bytes()), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            seconds in -(1_i64 << 62)..1 << 62, nanos in 0..1_000_000_000_u32, size: Option<u64>,
            inode: Option<(u64, u64, u64)>, sha256: Option<[u8; 32]>,
            xattrs in prop::collection::btree_map("[a-z.]{1,9}", prop::collection::vec(any::<u8>(), 0..9), 0..4),
        ) {
            let time = Some(Timestamp { seconds, nanos });
            let extras = Extras {
                mtime: time,
                atime: time,
                ctime: None,
                size,
                inode: inode.map(|(device, number, links)| Inode { device, number, links }),
                sha256,
                xattrs: xattrs.into_iter().map(|(name, value)| Xattr { name: name.into(), value }).collect(),
            };
            prop_assert_eq!(Extras::read(&extras.records()), extras);
        }
    }
}
