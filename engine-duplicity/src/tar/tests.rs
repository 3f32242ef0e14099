use engine_api::{EntryKind, Timestamp};
use proptest::prelude::*;

use super::*;

/// A header as a test needs it, in ustar's layout.
fn header(name: &[u8], typeflag: u8, size: u64) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    block[..name.len()].copy_from_slice(name);
    block[100..108].copy_from_slice(b"0000644\0");
    block[108..116].copy_from_slice(b"0001750\0");
    block[116..124].copy_from_slice(b"0000144\0");
    block[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    block[136..148].copy_from_slice(b"15300372550\0");
    block[156] = typeflag;
    block[257..265].copy_from_slice(b"ustar\x0000");
    block[265..269].copy_from_slice(b"alan");
    seal(block)
}

fn seal(mut block: [u8; BLOCK]) -> [u8; BLOCK] {
    block[148..156].copy_from_slice(b"        ");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

fn entry(name: &[u8], typeflag: u8, data: &[u8]) -> Vec<u8> {
    let mut out = header(name, typeflag, data.len() as u64).to_vec();
    out.extend_from_slice(data);
    out.resize(out.len().next_multiple_of(BLOCK), 0);
    out
}

fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let length = (1..)
        .find(|length: &usize| length.to_string().len() + rest == *length)
        .unwrap();
    [format!("{length} {key}=").as_bytes(), value, b"\n"].concat()
}

fn read_all(bytes: &[u8]) -> TarResult<Vec<(Header, Vec<u8>)>> {
    let mut reader = TarReader::new(bytes);
    let mut all = Vec::new();
    while let Some(header) = reader.next()? {
        let data = reader.read(usize::MAX)?;
        all.push((header, data));
    }
    Ok(all)
}

#[test]
fn entries_come_one_by_one() {
    let stream = [entry(b"snapshot/a", b'0', b"hello"), entry(b"snapshot/d/", b'5', b"")].concat();
    let all = read_all(&stream).unwrap();
    let (first, data) = &all[0];
    assert_eq!(data, b"hello");
    assert_eq!(first.name, b"snapshot/a");
    assert_eq!((first.mode, first.uid, first.gid), (0o644, 1000, 100));
    assert_eq!(first.user, b"alan");
    assert_eq!(first.mtime.seconds, 0o15_300_372_550);
    assert_eq!((all[1].0.kind, all[1].1.len()), (EntryKind::Dir, 0));
}

#[test]
fn the_end_is_zeros_or_the_stream_s_end_and_what_follows_is_nothing() {
    let one = entry(b"snapshot/a", b'0', b"hello");
    for tail in [&[][..], &[0; 512], &[0; 10240]] {
        assert_eq!(read_all(&[&one, tail].concat()).unwrap().len(), 1);
    }
    let garbage = [one.clone(), vec![0; 512], b"\x8c\x0d\x04\x09 whatever".repeat(100)].concat();
    assert_eq!(read_all(&garbage).unwrap().len(), 1);
    assert_eq!(read_all(&[]).unwrap().len(), 0);
}

#[test]
fn pax_records_win() {
    let long = b"snapshot/"
        .iter()
        .copied()
        .chain(std::iter::repeat_n(b'x', 300))
        .collect::<Vec<u8>>();
    let records = [
        b"21 hdrcharset=BINARY\n".to_vec(),
        record("path", &long),
        record("uid", b"3000000"),
        record("mtime", b"9000000000.25"),
        record("uname", "größe".as_bytes()),
        record("HOLDFAST.size", b"5"),
        record("SCHILY.xattr.user.a", b"x\ny=\0\xff"),
        record("LIBARCHIVE.creationtime", b"1"),
    ]
    .concat();
    let stream = [
        entry(b"././@PaxHeader", b'x', &records),
        entry(b"snapshot/cut", b'0', b"hello"),
    ]
    .concat();
    let (header, _) = read_all(&stream).unwrap().remove(0);
    assert_eq!(header.name, long);
    assert_eq!((header.uid, header.gid), (3_000_000, 100));
    assert_eq!(
        header.mtime,
        Timestamp {
            seconds: 9_000_000_000,
            nanos: 250_000_000
        }
    );
    assert_eq!(header.user, "größe".as_bytes());
    let private = [
        (b"HOLDFAST.size".to_vec(), b"5".to_vec()),
        (b"SCHILY.xattr.user.a".to_vec(), b"x\ny=\0\xff".to_vec()),
    ];
    assert_eq!(header.private, private);
}

#[test]
fn old_gnu_names_and_numbers() {
    let long = [b"snapshot/".to_vec(), b"y".repeat(200)].concat();
    let target = b"t".repeat(150);
    let with_nul = |name: &[u8]| [name, b"\0"].concat();
    let mut link = header(b"snapshot/cut", b'2', 0);
    link[257..265].copy_from_slice(b"ustar  \0");
    // 3,000,000 in base 256, and a time before 1970.
    link[108..116].copy_from_slice(&[0x80, 0, 0, 0, 0, 0x2d, 0xc6, 0xc0]);
    link[136..148].copy_from_slice(&[0xff; 12]);
    // GNU keeps times where POSIX has a name's prefix.
    link[345..349].copy_from_slice(b"1234");
    let stream = [
        entry(b"././@LongLink", b'L', &with_nul(&long)),
        entry(b"././@LongLink", b'K', &with_nul(&target)),
        seal(link).to_vec(),
    ]
    .concat();
    let (header, _) = read_all(&stream).unwrap().remove(0);
    assert_eq!((header.name, header.link), (long, target));
    assert_eq!((header.uid, header.mtime.seconds), (3_000_000, -1));
}

#[test]
fn the_prefix_of_a_posix_header_counts() {
    let mut block = header(b"name", b'0', 0);
    block[345..353].copy_from_slice(b"snapshot");
    let (header, _) = read_all(&seal(block)).unwrap().remove(0);
    assert_eq!(header.name, b"snapshot/name");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let good = entry(b"snapshot/a", b'0', b"hello");
    let mut flipped = good.clone();
    flipped[3] ^= 1;
    assert!(matches!(read_all(&flipped), Err(TarError::Malformed(_))));
    for cut in [100, 511, 512, 513, 600, 1023] {
        assert!(matches!(read_all(&good[..cut]), Err(TarError::Truncated)), "{cut}");
    }
    for typeflag in [b'1', b'S', b'V', b'Z'] {
        assert!(matches!(
            read_all(&entry(b"a", typeflag, b"")),
            Err(TarError::Malformed(_))
        ));
    }
    let huge = header(b"a", b'x', 1 << 30);
    assert!(matches!(read_all(&huge), Err(TarError::Malformed(_))));
    for records in ["5 a=b", "x a=b\n", "8 a=bc\n", "99 a=b\n", "6 abc\n", "11 uid=-12\n"] {
        let stream = [entry(b"x", b'x', records.as_bytes()), good.clone()].concat();
        assert!(matches!(read_all(&stream), Err(TarError::Malformed(_))), "{records}");
    }
    // Records that nothing follows.
    assert!(matches!(
        read_all(&entry(b"x", b'x', b"6 a=b\n")),
        Err(TarError::Truncated)
    ));
    let largest = [
        entry(b"x", b'x', &record("size", b"18446744073709551615")),
        header(b"a", b'0', 0).to_vec(),
    ]
    .concat();
    assert!(read_all(&largest).is_err());
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
        let _ = read_all(&bytes);
    }

    #[test]
    fn no_flipped_header_makes_it_panic(
        at in 0..512_usize, to in any::<u8>(), fix in any::<bool>(), typeflag in prop::sample::select(b"05xLKg2".to_vec())
    ) {
        let mut block = header(b"snapshot/name", typeflag, 100);
        block[at] = to;
        let block = if fix { seal(block) } else { block };
        let _ = read_all(&[&block[..], &[b'7'; 1536]].concat());
    }
}
