//! What stands before the first record: fields with a number each, so that a later program may add some.

use super::bytes::{Put, Take};
use super::{About, ManifestError};

const SNAPSHOT: u64 = 1;
const SECONDS: u64 = 2;
const NANOS: u64 = 3;
const HOST: u64 = 4;
const USER: u64 = 5;
const PROGRAM: u64 = 6;
const PATH: u64 = 7;
const TAG: u64 = 8;
const ADOPTED: u64 = 9;

pub(super) fn encode(about: &About) -> Vec<u8> {
    let mut out = Vec::new();
    let mut field = |number: u64, value: &[u8]| {
        out.number(number);
        out.string(value);
    };
    field(SNAPSHOT, about.snapshot.as_bytes());
    field(SECONDS, &about.time.seconds.to_le_bytes());
    field(NANOS, &about.time.nanos.to_le_bytes());
    field(HOST, about.host.as_bytes());
    field(USER, about.user.as_bytes());
    field(PROGRAM, about.program.as_bytes());
    for path in &about.paths {
        field(PATH, path);
    }
    for tag in &about.tags {
        field(TAG, tag.as_bytes());
    }
    if about.adopted {
        field(ADOPTED, &[]);
    }
    out
}

pub(super) fn decode(bytes: &[u8]) -> Result<About, ManifestError> {
    let mut about = About::default();
    let mut take = Take(bytes);
    while !take.is_empty() {
        let number = take.number()?;
        let value = take.string()?;
        match number {
            SNAPSHOT => about.snapshot = text(value)?,
            SECONDS => about.time.seconds = i64::from_le_bytes(fixed(value)?),
            NANOS => about.time.nanos = nanos(u32::from_le_bytes(fixed(value)?))?,
            HOST => about.host = text(value)?,
            USER => about.user = text(value)?,
            PROGRAM => about.program = text(value)?,
            PATH => about.paths.push(value.to_vec()),
            TAG => about.tags.push(text(value)?),
            ADOPTED => about.adopted = true,
            _ => {}
        }
    }
    Ok(about)
}

/// The nanoseconds of a [`Timestamp`].
pub(super) fn nanos(nanos: u32) -> Result<u32, ManifestError> {
    if nanos > 999_999_999 {
        return Err(ManifestError::Damaged("a time in it is none"));
    }
    Ok(nanos)
}

fn text(value: &[u8]) -> Result<String, ManifestError> {
    String::from_utf8(value.to_vec()).map_err(|_| ManifestError::Damaged("a text in it is no UTF-8"))
}

fn fixed<const N: usize>(value: &[u8]) -> Result<[u8; N], ManifestError> {
    <[u8; N]>::try_from(value).map_err(|_| ManifestError::Damaged("a field has the wrong length"))
}
