//! Writing entries as Python's `tarfile` writes them, byte for byte: ustar, with pax records where a field is too small.

use engine_api::EntryKind;

use super::{BLOCK, Header};

/// The multiple of bytes that a whole stream is padded to.
pub(crate) const RECORD: usize = 20 * BLOCK;

/// Values from here on do not fit seven octal digits.
const MOST_ID: u32 = 0o7_777_777;
/// Values above do not fit eleven octal digits.
const MOST_NUMBER: u64 = 0o77_777_777_777;

/// Appends the header of an entry, with the pax records that it needs and its private ones; `size` bytes of data and
/// [`padding`] must follow.
///
/// Of the time only whole seconds are written, and 0 for what lies before 1970: the original cannot read anything else.
pub(crate) fn write_header(out: &mut Vec<u8>, header: &Header) {
    let records = records(header);
    if !records.is_empty() {
        let fields = Fields {
            name: b"././@PaxHeader",
            size: records.len() as u64,
            typeflag: b'x',
            ..Fields::default()
        };
        out.extend_from_slice(&fields.block());
        out.extend_from_slice(&records);
        pad(out, records.len() as u64);
    }
    let is_device = matches!(header.kind, EntryKind::CharDevice | EntryKind::BlockDevice);
    let fields = Fields {
        name: &header.name,
        mode: header.mode & 0o7777,
        uid: if header.uid > MOST_ID { 0 } else { header.uid },
        gid: if header.gid > MOST_ID { 0 } else { header.gid },
        size: if header.size > MOST_NUMBER { 0 } else { header.size },
        mtime: Some(mtime(header)).filter(|time| *time <= MOST_NUMBER).unwrap_or(0),
        typeflag: typeflag(header.kind),
        link: &header.link,
        user: &header.user,
        group: &header.group,
        device: is_device.then_some(header.device),
    };
    out.extend_from_slice(&fields.block());
}

/// Fills up to the next block after `size` bytes of data.
pub(crate) fn pad(out: &mut Vec<u8>, size: u64) {
    out.resize(out.len() + padding(size), 0);
}

/// Bytes missing to the next block after `size` bytes of data.
#[allow(clippy::cast_possible_truncation, reason = "it is less than a block")]
pub(crate) const fn padding(size: u64) -> usize {
    (size.wrapping_neg() % BLOCK as u64) as usize
}

/// The zeros that end a stream of `len` bytes: two blocks at the least, and up to a whole record.
pub(crate) fn end_of_stream(len: u64) -> Vec<u8> {
    let least = len + 2 * BLOCK as u64;
    let end = least.next_multiple_of(RECORD as u64);
    vec![0; usize::try_from(end - len).unwrap_or(RECORD)]
}

fn mtime(header: &Header) -> u64 {
    u64::try_from(header.mtime.seconds).unwrap_or(0)
}

const fn typeflag(kind: EntryKind) -> u8 {
    match kind {
        EntryKind::File | EntryKind::Socket => b'0',
        EntryKind::Symlink => b'2',
        EntryKind::CharDevice => b'3',
        EntryKind::BlockDevice => b'4',
        EntryKind::Dir => b'5',
        EntryKind::Fifo => b'6',
    }
}

/// The pax records of an entry, in the order that Python puts them.
fn records(header: &Header) -> Vec<u8> {
    let texts: [(&[u8], &[u8], usize); 4] = [
        (b"path", &header.name, 100),
        (b"linkpath", &header.link, 100),
        (b"uname", &header.user, 32),
        (b"gname", &header.group, 32),
    ];
    let numbers: [(&[u8], u64, u64); 4] = [
        (b"uid", u64::from(header.uid), u64::from(MOST_ID)),
        (b"gid", u64::from(header.gid), u64::from(MOST_ID)),
        (b"size", header.size, MOST_NUMBER),
        (b"mtime", mtime(header), MOST_NUMBER),
    ];
    let texts = texts
        .into_iter()
        .filter(|(_, value, most)| !value.is_ascii() || value.len() > *most);
    let mut out = Vec::new();
    if texts.clone().any(|(_, value, _)| std::str::from_utf8(value).is_err()) {
        out.extend_from_slice(b"21 hdrcharset=BINARY\n");
    }
    for (key, value, _) in texts {
        record(&mut out, key, value);
    }
    for (key, value, _) in numbers.into_iter().filter(|(_, value, most)| value > most) {
        record(&mut out, key, value.to_string().as_bytes());
    }
    for (key, value) in &header.private {
        record(&mut out, key, value);
    }
    out
}

/// Appends `LEN key=value\n`, where LEN counts itself.
fn record(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut len = rest;
    while len != rest + digits(len) {
        len = rest + digits(len);
    }
    out.extend_from_slice(len.to_string().as_bytes());
    out.push(b' ');
    out.extend_from_slice(key);
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
}

const fn digits(number: usize) -> usize {
    match number.checked_ilog10() {
        Some(log) => log as usize + 1,
        None => 1,
    }
}

/// The fields of a ustar header.
#[derive(Default)]
struct Fields<'a> {
    name: &'a [u8],
    mode: u32,
    uid: u32,
    gid: u32,
    size: u64,
    mtime: u64,
    typeflag: u8,
    link: &'a [u8],
    user: &'a [u8],
    group: &'a [u8],
    device: Option<(u32, u32)>,
}

impl Fields<'_> {
    fn block(&self) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        put_text(&mut block, 0, 100, self.name);
        put_octal(&mut block, 100, 7, u64::from(self.mode));
        put_octal(&mut block, 108, 7, u64::from(self.uid));
        put_octal(&mut block, 116, 7, u64::from(self.gid));
        put_octal(&mut block, 124, 11, self.size);
        put_octal(&mut block, 136, 11, self.mtime);
        put(&mut block, 148, b"        ");
        put(&mut block, 156, &[self.typeflag]);
        put_text(&mut block, 157, 100, self.link);
        put(&mut block, 257, b"ustar\x0000");
        put_text(&mut block, 265, 32, self.user);
        put_text(&mut block, 297, 32, self.group);
        if let Some((major, minor)) = self.device {
            put_octal(&mut block, 329, 7, u64::from(major));
            put_octal(&mut block, 337, 7, u64::from(minor));
        }
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        put_octal(&mut block, 148, 6, u64::from(sum));
        // What follows the sum's NUL stays the blank it was.
        put(&mut block, 154, b"\0 ");
        block
    }
}

fn put(block: &mut [u8; BLOCK], at: usize, bytes: &[u8]) {
    for (to, from) in block.iter_mut().skip(at).zip(bytes) {
        *to = *from;
    }
}

/// Octal digits with zeros in front; a NUL ends them, which is there already.
fn put_octal(block: &mut [u8; BLOCK], at: usize, digits: usize, mut value: u64) {
    for place in block.iter_mut().skip(at).take(digits).rev() {
        #[allow(clippy::cast_possible_truncation, reason = "it is one octal digit")]
        let digit = (value & 7) as u8;
        *place = b'0' + digit;
        value >>= 3;
    }
}

/// A question mark for each character outside ASCII, and for each byte that belongs to none; cut where the field ends.
fn put_text(block: &mut [u8; BLOCK], at: usize, len: usize, text: &[u8]) {
    if text.is_ascii() {
        put(block, at, text.get(..len).unwrap_or(text));
        return;
    }
    let lossy: Vec<u8> = text
        .utf8_chunks()
        .flat_map(|chunk| {
            let valid = chunk.valid().chars().map(|c| u8::try_from(c).ok().filter(u8::is_ascii));
            valid.chain(chunk.invalid().iter().map(|_| None))
        })
        .map(|byte| byte.unwrap_or(b'?'))
        .take(len)
        .collect();
    put(block, at, &lossy);
}

#[cfg(test)]
mod tests {
    use engine_api::Timestamp;
    use proptest::prelude::*;

    use super::super::TarReader;
    use super::*;

    pub(super) fn header(name: &[u8]) -> Header {
        Header {
            name: name.to_vec(),
            kind: EntryKind::File,
            mode: 0o644,
            uid: 0,
            gid: 0,
            user: b"root".to_vec(),
            group: b"root".to_vec(),
            mtime: Timestamp {
                seconds: 1_600_000_000,
                nanos: 5,
            },
            size: 0,
            link: Vec::new(),
            device: (0, 0),
            private: Vec::new(),
        }
    }

    fn written(header: &Header) -> Vec<u8> {
        let mut out = Vec::new();
        write_header(&mut out, header);
        out
    }

    #[test]
    fn a_plain_header_is_pythons() {
        let mut folder = header(b"snapshot/./");
        folder.kind = EntryKind::Dir;
        folder.mode = 0o755;
        folder.mtime.seconds = 0o15_300_372_550;
        let block = written(&folder);
        assert_eq!(block.len(), BLOCK);
        assert!(block.starts_with(b"snapshot/./\0"));
        assert_eq!(&block[0x64..0x6c], b"0000755\0");
        assert_eq!(&block[0x88..0x94], b"15300372550\0");
        assert_eq!(&block[0x94..0x9c], b"011610\0 ");
        assert_eq!(&block[0x101..0x109], b"ustar\x0000");
        assert_eq!(&block[0x149..0x159], [0; 16]);
    }

    #[test]
    fn records_are_pythons() {
        let mut odd = header(b"snapshot/nonutf8-\xff\xfe-x");
        let block = written(&odd);
        assert!(block[BLOCK..].starts_with(b"21 hdrcharset=BINARY\n30 path=snapshot/nonutf8-\xff\xfe-x\n\0"));
        assert!(block[2 * BLOCK..].starts_with(b"snapshot/nonutf8-??-x\0"));
        odd = header(b"x");
        (odd.uid, odd.gid, odd.mtime.seconds) = (3_000_000, 3_000_000, 9_000_000_000);
        let block = written(&odd);
        assert!(block[BLOCK..].starts_with(b"15 uid=3000000\n15 gid=3000000\n20 mtime=9000000000\n\0"));
        assert_eq!(&block[2 * BLOCK + 108..2 * BLOCK + 124], b"0000000\x000000000\0");
        odd = header("snapshot/uni-\u{e9}-".as_bytes());
        assert!(written(&odd)[2 * BLOCK..].starts_with(b"snapshot/uni-?-\0"));
    }

    #[test]
    fn no_time_before_1970_is_written() {
        let mut old = header(b"x");
        old.mtime = Timestamp { seconds: -5, nanos: 1 };
        assert_eq!(&written(&old)[136..148], b"00000000000\0");
    }

    #[test]
    fn a_stream_ends_at_a_record() {
        assert_eq!(end_of_stream(0).len(), RECORD);
        assert_eq!(end_of_stream(RECORD as u64).len(), RECORD);
        assert_eq!(end_of_stream(RECORD as u64 - 512).len(), RECORD + 512);
        assert_eq!(end_of_stream(512).len(), RECORD - 512);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            name in prop::collection::vec(1_u8..=255, 1..300),
            link in prop::collection::vec(1_u8..=255, 0..200),
            user in "\\PC{0,40}",
            (uid, gid, mode) in (0..u32::MAX, 0..u32::MAX, 0_u32..0o10000),
            seconds in 0..20_000_000_000_i64,
            value in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut written_header = header(&name);
            written_header.kind = EntryKind::Symlink;
            written_header.link = link;
            written_header.user = user.into_bytes();
            (written_header.uid, written_header.gid, written_header.mode) = (uid, gid, mode);
            written_header.mtime = Timestamp { seconds, nanos: 0 };
            written_header.private = vec![(b"SCHILY.xattr.user.x".to_vec(), value)];
            let bytes = written(&written_header);
            let read = TarReader::new(bytes.as_slice()).next().unwrap().unwrap();
            prop_assert_eq!(read, written_header);
        }
    }
}
