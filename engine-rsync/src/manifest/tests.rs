use std::path::PathBuf;
use std::sync::Arc;

use engine_api::{EntryKind, Metadata, Timestamp, Xattr};
use proptest::prelude::*;

use super::*;

fn metadata(kind: EntryKind, seed: u64) -> Metadata {
    let small = u32::try_from(seed % 1000).unwrap();
    let time = |seconds| Timestamp {
        seconds,
        nanos: small * 1000,
    };
    let name = |prefix| (!seed.is_multiple_of(3)).then(|| Arc::from(format!("{prefix}{}", seed % 5)));
    let is_device = matches!(kind, EntryKind::CharDevice | EntryKind::BlockDevice);
    Metadata {
        kind,
        mode: small,
        uid: small,
        gid: u32::MAX,
        user: name("user"),
        group: name("group"),
        mtime: time(seed.cast_signed() % 5_000_000_000 * if seed.is_multiple_of(7) { -1 } else { 1 }),
        atime: time(i64::MAX),
        ctime: time(i64::MIN),
        size: if kind == EntryKind::File { seed } else { 0 },
        inode: seed.wrapping_mul(77),
        device: seed % 2,
        links: seed % 4,
        rdev: if is_device { seed } else { 0 },
        link_target: (kind == EntryKind::Symlink).then(|| PathBuf::from(format!("../{seed}"))),
        xattrs: (0..seed % 3)
            .map(|number| Xattr {
                name: format!("user.{number}").into(),
                value: vec![0xff; usize::try_from(seed % 100).unwrap()],
            })
            .collect(),
    }
}

fn record(path: &[u8], seed: u64) -> Record {
    let kinds = [
        EntryKind::File,
        EntryKind::Dir,
        EntryKind::Symlink,
        EntryKind::Fifo,
        EntryKind::Socket,
        EntryKind::CharDevice,
        EntryKind::BlockDevice,
    ];
    let kind = kinds[usize::try_from(seed % 7).unwrap()];
    Record {
        path: path.to_vec(),
        metadata: metadata(kind, seed),
        digest: (kind == EntryKind::File).then(|| *blake3::hash(path).as_bytes()),
        sparse: seed.is_multiple_of(5),
    }
}

fn about() -> About {
    About {
        snapshot: "2019-05-09-105054".to_owned(),
        time: Timestamp {
            seconds: 1_557_391_854,
            nanos: 7,
        },
        host: "server".to_owned(),
        user: "root".to_owned(),
        program: "holdfast".to_owned(),
        paths: vec![b"/etc".to_vec(), b"/caf\xe9".to_vec()],
        tags: vec!["job".to_owned()],
        adopted: true,
    }
}

fn write(records: &[Record]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), &about()).unwrap();
    for record in records {
        writer.push(record).unwrap();
    }
    let (bytes, totals) = writer.finish(42).unwrap();
    assert_eq!((totals.entries, totals.bytes_added), (records.len() as u64, 42));
    bytes
}

fn read(bytes: &[u8]) -> Result<Vec<Record>, ManifestError> {
    Manifest::open(Box::new(bytes.to_vec()))?.records().collect()
}

/// Enough for several blocks.
fn many() -> Vec<Record> {
    let mut paths: Vec<Vec<u8>> = (0..6000)
        .flat_map(|number| {
            let folder = format!("d{}", number % 100).into_bytes();
            let file = format!("d{}/f-{number}", number % 100).into_bytes();
            [folder, file, format!("d{}.x", number % 100).into_bytes()]
        })
        .collect();
    paths.push(Vec::new());
    paths.sort_by(|left, right| path_order(left, right));
    paths.dedup();
    let seeded = (0_u64..).zip(&paths);
    seeded.map(|(seed, path)| record(path, seed * 7919)).collect()
}

#[test]
fn gives_back_what_it_was_given() {
    let records = many();
    let bytes = write(&records);
    let manifest = Manifest::open(Box::new(bytes.clone())).unwrap();
    assert_eq!(manifest.about(), &about());
    assert_eq!(read(&bytes).unwrap(), records);
    let index = manifest.find(b"d7/f-107").unwrap().unwrap();
    assert_eq!(index.path, b"d7/f-107");
    assert_eq!(manifest.find(b"d7/f-108").unwrap(), None);
    assert_eq!(manifest.find(b"zz").unwrap(), None);
    assert_eq!(manifest.find(b"").unwrap().unwrap().path, b"");
}

#[test]
fn an_empty_one_is_one() {
    let bytes = write(&[]);
    assert_eq!(read(&bytes).unwrap(), Vec::new());
}

#[test]
fn a_folder_is_found_with_all_below_it_and_nothing_else() {
    let records = many();
    let manifest = Manifest::open(Box::new(write(&records))).unwrap();
    for under in [&b"d1"[..], b"d1/", b"d9", b"d99.x", b"nothing", b""] {
        let wanted: Vec<&Record> = records.iter().filter(|record| is_below(&record.path, under)).collect();
        let below: Vec<Record> = manifest.below(under).map(Result::unwrap).collect();
        assert_eq!(below.iter().collect::<Vec<_>>(), wanted, "{under:?}");
    }
}

#[test]
fn refuses_what_is_out_of_order() {
    let mut writer = Writer::new(Vec::new(), &about()).unwrap();
    writer.push(&record(b"a/b", 1)).unwrap();
    for earlier in [&b"a/b"[..], b"a/a", b"a", b""] {
        assert!(matches!(
            writer.push(&record(earlier, 1)),
            Err(ManifestError::Order { .. })
        ));
    }
    writer.push(&record(b"a.", 1)).unwrap();
    assert_eq!(read(&writer.finish(0).unwrap().0).unwrap().len(), 2);
}

#[test]
fn every_truncation_and_every_changed_byte_is_noticed() {
    let records: Vec<Record> = (0..50_u64)
        .map(|seed| record(format!("{seed:02}").as_bytes(), seed))
        .collect();
    let bytes = write(&records);
    for len in 0..bytes.len() {
        assert!(read(&bytes[..len]).is_err(), "cut at {len}");
    }
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        assert!(read(&changed).is_err(), "changed at {at}");
    }
}

#[test]
fn a_later_version_is_told_from_what_is_foreign() {
    let mut bytes = write(&[]);
    bytes[18] = b'2';
    assert!(matches!(read(&bytes), Err(ManifestError::Version)));
    bytes[0] = b'H';
    assert!(matches!(read(&bytes), Err(ManifestError::Foreign)));
}

#[test]
fn a_folder_comes_right_before_what_is_in_it() {
    let sorted: [&[u8]; 7] = [b"", b"a", b"a/z", b"a/z/z", b"a\x01", b"a.b", b"b"];
    for pair in sorted.windows(2) {
        assert!(path_order(pair[0], pair[1]).is_lt(), "{pair:?}");
    }
}

/// A run that is cut off while its manifest is written goes on, as in the middle of a file: so it has to be told what failed.
#[test]
fn the_places_own_errors_stay_what_they_are() {
    let cut = engine_api::StoreError {
        operation: "write",
        object: "manifest".to_owned(),
        location: "sftp:".to_owned(),
        kind: engine_api::StoreErrorKind::Connection,
        source: "the server closed it".into(),
    };
    let error = ManifestError::from(std::io::Error::other(cut));
    assert!(matches!(&error, ManifestError::Store(error) if error.kind == engine_api::StoreErrorKind::Connection));
    assert!(crate::error::Error::manifest("2024-01-01-000000", error).was_cut_off());
    let other = ManifestError::from(std::io::Error::from(std::io::ErrorKind::UnexpectedEof));
    assert!(matches!(other, ManifestError::Io(_)));
}

proptest! {
    #[test]
    fn any_records_survive(seeds in prop::collection::btree_map("[a-c\\x01./\\-]{1,12}", any::<u64>(), 0..40)) {
        let bad = |path: &&(Vec<u8>, u64)| path.0.split(|byte| *byte == b'/').any(|part| matches!(part, b"" | b"." | b".."));
        let mut seeds: Vec<(Vec<u8>, u64)> = seeds.into_iter().map(|(path, seed)| (path.into_bytes(), seed)).collect();
        seeds.sort_by(|left, right| path_order(&left.0, &right.0));
        let records: Vec<Record> = seeds.iter().filter(|path| !bad(path)).map(|(path, seed)| record(path, *seed)).collect();
        prop_assert_eq!(read(&write(&records)).unwrap(), records);
    }

    #[test]
    fn the_order_is_that_of_the_components(left in "[a-b./\\x01]{0,6}", right in "[a-b./\\x01]{0,6}") {
        let parts = |path: &str| path.split('/').map(|part| part.as_bytes().to_vec()).collect::<Vec<_>>();
        if !left.is_empty() && !right.is_empty() {
            prop_assert_eq!(path_order(left.as_bytes(), right.as_bytes()), parts(&left).cmp(&parts(&right)));
        }
    }
}

fn place() -> (tempfile::TempDir, Arc<dyn engine_api::FileStore>) {
    let folder = tempfile::tempdir().unwrap();
    let store = backends::local::open(folder.path(), true).unwrap().files.unwrap();
    store.make_folder(&store.root(), place::FOLDER).unwrap();
    (folder, store)
}

/// Whatever of it was read at once, and whatever was said of its length.
#[test]
fn one_that_is_read_from_both_ends_is_the_same() {
    let records = many();
    let mut bytes = write(&records);
    let snapshot = about().snapshot;
    let (folder, store) = place();
    let path = folder.path().join(".holdfast/2019-05-09-105054.manifest");
    std::fs::write(&path, &bytes).unwrap();
    let len = bytes.len() as u64;
    assert!(len > stored::START as u64, "{len} bytes are too few to have two ends");
    for size in [None, Some(len), Some(len - 1), Some(len + 1), Some(0), Some(10 * len)] {
        let manifest = place::open_to_read(store.as_ref(), &snapshot, size).unwrap().unwrap();
        let read: Result<Vec<_>, _> = manifest.records().collect();
        assert!(read.unwrap() == records, "{size:?}");
    }
    assert!(
        place::open_to_read(store.as_ref(), "2019-05-09-105055", Some(len))
            .unwrap()
            .is_none()
    );
    // What is damaged is so however it is opened.
    let at = bytes.len() - 3;
    bytes[at] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    for size in [None, Some(len)] {
        assert!(
            place::open_to_read(store.as_ref(), &snapshot, size).is_err(),
            "{size:?}"
        );
    }
}

#[test]
fn both_ends_and_what_is_between_them_are_one_file() {
    let (folder, store) = place();
    let start = stored::START;
    for len in [0, 1, start - 1, start, start + 1, start + (64 << 10), 3 * start] {
        let content: Vec<u8> = (0..len).map(|at| u8::try_from(at % 251).unwrap()).collect();
        std::fs::write(folder.path().join("file"), &content).unwrap();
        let file = store.open(&store.root(), b"file").unwrap();
        let stored = stored::Stored::with_ends(file, len as u64).unwrap();
        assert_eq!(stored.len().unwrap(), len as u64);
        let edges = [0, 1, start - 1, start, len / 2, len.saturating_sub(64 << 10), len];
        for (from, to) in edges.iter().flat_map(|from| edges.iter().map(move |to| (*from, *to))) {
            if from > to || to > len {
                continue;
            }
            let mut buffer = vec![0; to - from];
            stored.read_at(from as u64, &mut buffer).unwrap();
            assert!(buffer == content[from..to], "{from} to {to} of {len}");
            assert!(
                stored.read_at(from as u64, &mut vec![0; len - from + 1]).is_err(),
                "beyond {len}"
            );
        }
    }
}
