use std::collections::BTreeMap;

use engine_api::{EntryKind, Timestamp};
use fstree::testing::Dice;

use super::*;
use crate::tar::end_of_stream;

fn entry(out: &mut Vec<u8>, name: String, body: &[u8]) {
    let header = Header {
        name: name.into_bytes(),
        kind: EntryKind::File,
        mode: 0o600,
        uid: 0,
        gid: 0,
        user: Vec::new(),
        group: Vec::new(),
        mtime: Timestamp::default(),
        size: body.len() as u64,
        link: Vec::new(),
        device: (0, 0),
        private: Vec::new(),
    };
    write_header(out, &header);
    out.extend_from_slice(body);
    pad(out, body.len() as u64);
}

/// The newest file that names a path decides, however many there are.
#[test]
fn the_newest_counts() {
    for files in [1, 5, 130] {
        let dir = tempfile::tempdir().unwrap();
        let mut dice = Dice::new(files);
        let mut expected = BTreeMap::new();
        let mut paths = Vec::new();
        for number in 0..files {
            let mut tar = Vec::new();
            for name in 0..30_u64 {
                let body = vec![u8::try_from(number).unwrap(); dice.below(900)];
                match dice.below(6) {
                    0 => {
                        entry(&mut tar, format!("deleted/{name:02}"), b"");
                        expected.remove(&name);
                    }
                    1 | 2 => {
                        entry(&mut tar, format!("signature/{name:02}"), &body);
                        expected.insert(name, body);
                    }
                    _ => {}
                }
            }
            let end = end_of_stream(tar.len() as u64);
            tar.extend_from_slice(&end);
            let path = dir.path().join(number.to_string());
            let mut encoder = flate2::write::GzEncoder::new(File::create(&path).unwrap(), flate2::Compression::fast());
            encoder.write_all(&tar).unwrap();
            encoder.finish().unwrap();
            paths.push(path);
        }
        let mut state = State::of_files(&paths, dir.path()).unwrap();
        let mut found = BTreeMap::new();
        while let Some(old) = state.next().unwrap() {
            // Half of the signatures are left unread.
            let body = if dice.once_in(2) {
                state.signature(&old, u64::MAX).unwrap()
            } else {
                Vec::new()
            };
            let name: u64 = String::from_utf8(old.path.as_bytes().to_vec())
                .unwrap()
                .parse()
                .unwrap();
            assert!(body.is_empty() || body == expected[&name]);
            assert_eq!(old.header.size, expected[&name].len() as u64);
            found.insert(name, expected[&name].clone());
        }
        assert_eq!(found, expected, "{files} files");
    }
}

#[test]
fn what_is_out_of_order_is_refused() {
    let mut tar = Vec::new();
    entry(&mut tar, "signature/b".to_owned(), b"");
    entry(&mut tar, "signature/a".to_owned(), b"");
    let mut state = State::new(vec![(
        "file".to_owned(),
        Box::new(tar.as_slice()) as crate::container::Unwrapped<'_>,
    )]);
    assert!(state.next().unwrap().is_some());
    assert!(matches!(state.next(), Err(Error::Damaged { .. })));
}
