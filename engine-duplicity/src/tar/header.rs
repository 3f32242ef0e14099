//! One entry's header: 512 bytes, in the ustar, GNU or v7 layout.

use engine_api::{EntryKind, Timestamp};

use super::{TarError, TarResult};

/// Length of a header and the unit of everything.
pub(crate) const BLOCK: usize = 512;

/// Everything an entry's header and its pax records say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    /// The whole name, as bytes.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
    /// The low twelve bits.
    pub mode: u32,
    /// Owner by number.
    pub uid: u32,
    /// Group by number.
    pub gid: u32,
    /// Owner by name; empty where there is none.
    pub user: Vec<u8>,
    /// Group by name; empty where there is none.
    pub group: Vec<u8>,
    /// When the content last changed.
    pub mtime: Timestamp,
    /// Length of what follows in the stream.
    pub size: u64,
    /// Where a symbolic link points.
    pub link: Vec<u8>,
    /// A device's major and minor number.
    pub device: (u32, u32),
    /// Records under `HOLDFAST.` and `SCHILY.xattr.`, in their order.
    pub private: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What a header block turns out to be.
pub(super) enum Block {
    /// Nothing but zeros: the end.
    Zero,
    /// An entry.
    Entry(Header),
    /// Pax records for the next entry, so many bytes.
    Pax(u64),
    /// Pax records for all that follow: of no use here.
    Global(u64),
    /// The next entry's name, so many bytes.
    LongName(u64),
    /// The next entry's link target, so many bytes.
    LongLink(u64),
}

/// Understands one block.
pub(super) fn parse(block: &[u8; BLOCK]) -> TarResult<Block> {
    if block.iter().all(|byte| *byte == 0) {
        return Ok(Block::Zero);
    }
    check_sum(block)?;
    let size = u64::try_from(number(field(block, 124, 12))?).map_err(|_| TarError::Malformed("a negative size"))?;
    let typeflag = *field(block, 156, 1).first().unwrap_or(&0);
    match typeflag {
        b'x' => return Ok(Block::Pax(size)),
        b'g' => return Ok(Block::Global(size)),
        b'L' => return Ok(Block::LongName(size)),
        b'K' => return Ok(Block::LongLink(size)),
        _ => {}
    }
    let name = name(block);
    let kind = kind(typeflag, &name)?;
    let has_device = matches!(kind, EntryKind::CharDevice | EntryKind::BlockDevice);
    let device = if has_device {
        (small(field(block, 329, 8))?, small(field(block, 337, 8))?)
    } else {
        (0, 0)
    };
    Ok(Block::Entry(Header {
        name,
        kind,
        mode: small(field(block, 100, 8))? & 0o7777,
        uid: small(field(block, 108, 8))?,
        gid: small(field(block, 116, 8))?,
        user: text(field(block, 265, 32)).to_vec(),
        group: text(field(block, 297, 32)).to_vec(),
        mtime: Timestamp {
            seconds: number(field(block, 136, 12))?,
            nanos: 0,
        },
        size: if kind == EntryKind::File { size } else { 0 },
        link: if kind == EntryKind::Symlink {
            text(field(block, 157, 100)).to_vec()
        } else {
            Vec::new()
        },
        device,
        private: Vec::new(),
    }))
}

fn field(block: &[u8; BLOCK], at: usize, len: usize) -> &[u8] {
    block.get(at..at + len).unwrap_or_default()
}

/// Up to the first NUL.
fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// The prefix field counts in POSIX headers only: GNU keeps times there.
fn name(block: &[u8; BLOCK]) -> Vec<u8> {
    let name = text(field(block, 0, 100));
    let prefix = text(field(block, 345, 155));
    if prefix.is_empty() || field(block, 257, 6) != b"ustar\0" {
        return name.to_vec();
    }
    [prefix, name].join(&b'/')
}

fn kind(typeflag: u8, name: &[u8]) -> TarResult<EntryKind> {
    Ok(match typeflag {
        // The oldest tar told folders by their name alone.
        0 if name.ends_with(b"/") => EntryKind::Dir,
        0 | b'0' | b'7' => EntryKind::File,
        b'2' => EntryKind::Symlink,
        b'3' => EntryKind::CharDevice,
        b'4' => EntryKind::BlockDevice,
        b'5' => EntryKind::Dir,
        b'6' => EntryKind::Fifo,
        b'1' => return Err(TarError::Malformed("a hard link, which has no place in a backup")),
        b'S' => {
            return Err(TarError::Malformed(
                "a sparse file in tar's own manner, which has no place in a backup",
            ));
        }
        _ => return Err(TarError::Malformed("an entry of an unknown type")),
    })
}

/// The sum of all bytes with the sum's own field as spaces; some old writers took bytes as signed.
fn check_sum(block: &[u8; BLOCK]) -> TarResult<()> {
    let stated = number(field(block, 148, 8))?;
    let mut unsigned = 0_i64;
    let mut signed = 0_i64;
    for (at, byte) in block.iter().enumerate() {
        let byte = if (148..156).contains(&at) { b' ' } else { *byte };
        unsigned += i64::from(byte);
        signed += i64::from(byte.cast_signed());
    }
    if stated == unsigned || stated == signed {
        Ok(())
    } else {
        Err(TarError::Malformed("a header whose checksum is wrong"))
    }
}

/// Octal digits, or GNU's base-256 where the first bit is set.
fn number(field: &[u8]) -> TarResult<i64> {
    match field.first() {
        Some(first) if first & 0x80 != 0 => base_256(field),
        _ => octal(field),
    }
}

fn octal(field: &[u8]) -> TarResult<i64> {
    let wrong = || TarError::Malformed("a header with a number that is none");
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    let digits = field.get(..end).unwrap_or_default().trim_ascii();
    let mut value = 0_i64;
    for digit in digits {
        if !(b'0'..=b'7').contains(digit) {
            return Err(wrong());
        }
        value = value
            .checked_mul(8)
            .and_then(|value| value.checked_add(i64::from(digit - b'0')))
            .ok_or_else(wrong)?;
    }
    Ok(value)
}

/// Two's complement over the whole field, but for the bit that marks it.
fn base_256(field: &[u8]) -> TarResult<i64> {
    let (first, rest) = field.split_first().map_or((0, &[][..]), |(first, rest)| (*first, rest));
    // The sign is the bit below the mark.
    let negative = first & 0x40 != 0;
    let mut value = i128::from(first & 0x3f) - if negative { 0x40 } else { 0 };
    for byte in rest {
        value = value << 8 | i128::from(*byte);
    }
    i64::try_from(value).map_err(|_| TarError::Malformed("a header with a number that is too large"))
}

fn small(field: &[u8]) -> TarResult<u32> {
    let value = number(field)?;
    // Old writers put -1 and -2 for nobody.
    let wrapped = i32::try_from(value).ok().filter(|value| *value < 0);
    if let Some(value) = wrapped {
        return Ok(value.cast_unsigned());
    }
    u32::try_from(value).map_err(|_| TarError::Malformed("a header with a number that is too large"))
}
