use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use engine_api::{EntryKind, Metadata, Timestamp, Xattr};
use proptest::prelude::*;

use super::*;
use crate::Id;

fn metadata(kind: EntryKind) -> Metadata {
    Metadata {
        kind,
        mode: 0o644,
        uid: 0,
        gid: 0,
        user: None,
        group: None,
        mtime: Timestamp::default(),
        atime: Timestamp::default(),
        ctime: Timestamp::default(),
        size: 0,
        inode: 0,
        device: 0,
        links: 0,
        rdev: 0,
        link_target: None,
        xattrs: Vec::new(),
    }
}

fn node(name: &[u8], kind: EntryKind) -> Node {
    Node {
        name: OsString::from_vec(name.to_vec()),
        metadata: metadata(kind),
        content: Vec::new(),
        subtree: None,
    }
}

fn blob(nodes: &[Node]) -> Vec<u8> {
    let mut writer = TreeWriter::new(TimeZone::UTC);
    for node in nodes {
        writer.add(node).unwrap();
    }
    writer.finish()
}

/// What restic 0.19 writes for an empty file, found with `restic cat tree`.
#[test]
fn the_bytes_are_those_of_restic() {
    let mut file = node(b"f<\xff", EntryKind::File);
    file.metadata.user = Some("root".into());
    file.content = vec![Id::from_bytes([0xab; 32])];
    let expected = format!(
        "{{\"nodes\":[{{\"name\":\"f\\u003c\\\\xff\",\"type\":\"file\",\"mode\":420,\"mtime\":\"1970-01-01T00:00:00Z\",\
         \"atime\":\"1970-01-01T00:00:00Z\",\"ctime\":\"1970-01-01T00:00:00Z\",\"uid\":0,\"gid\":0,\"user\":\"root\",\
         \"content\":[\"{}\"]}}]}}\n",
        "ab".repeat(32)
    );
    assert_eq!(String::from_utf8(blob(&[file])).unwrap(), expected);
    assert_eq!(blob(&[]), b"{\"nodes\":[]}\n");
}

#[test]
fn nodes_must_come_in_order() {
    let mut writer = TreeWriter::new(TimeZone::UTC);
    writer.add(&node(b"b", EntryKind::File)).unwrap();
    assert_eq!(writer.add(&node(b"b", EntryKind::File)), Err(OutOfOrder));
    assert_eq!(writer.add(&node(b"a", EntryKind::File)), Err(OutOfOrder));
    let twice = b"{\"nodes\":[{\"name\":\"a\",\"type\":\"file\"},{\"name\":\"a\",\"type\":\"file\"}]}";
    assert!(TreeReader::all(twice).is_err());
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    for name in ["", ".", "..", "a/b", "/etc", "a\\\\x00b"] {
        let json = format!("{{\"nodes\":[{{\"name\":\"{name}\",\"type\":\"file\"}}]}}");
        assert!(TreeReader::all(json.as_bytes()).is_err(), "{name}");
    }
}

#[test]
fn unknown_fields_are_passed_over_and_nodes_may_be_null() {
    let json = br#"{"later":[1],"nodes":[{"name":"a","type":"dir","generic_attributes":{"x":1}}],"more":{}}"#;
    assert_eq!(TreeReader::all(json).unwrap().len(), 1);
    assert_eq!(TreeReader::all(br#"{"nodes":null}"#).unwrap(), []);
}

fn any_node() -> impl Strategy<Value = Node> {
    let kinds = prop::sample::select(vec![
        EntryKind::File,
        EntryKind::Dir,
        EntryKind::Symlink,
        EntryKind::Fifo,
        EntryKind::Socket,
        EntryKind::CharDevice,
        EntryKind::BlockDevice,
    ]);
    let bytes = || prop::collection::vec(any::<u8>(), 1..20);
    let times = || (-62_000_000_000_i64..250_000_000_000, 0..1_000_000_000_u32);
    (
        kinds,
        bytes(),
        times(),
        0..0o10000_u32,
        any::<u32>(),
        any::<u64>(),
        bytes(),
    )
        .prop_map(|(kind, name, (seconds, nanos), mode, uid, number, other)| {
            let mut node = node(
                &[b"n", &name[..]]
                    .concat()
                    .iter()
                    .map(|b| b.max(&1) ^ u8::from(*b == b'/'))
                    .collect::<Vec<_>>(),
                kind,
            );
            node.metadata.mode = mode;
            node.metadata.uid = uid;
            node.metadata.size = number;
            node.metadata.mtime = Timestamp { seconds, nanos };
            node.metadata.user = (uid % 2 == 0).then(|| "user<é>".into());
            if kind == EntryKind::Symlink {
                node.metadata.link_target = Some(PathBuf::from(OsString::from_vec(other.clone())));
            }
            if kind == EntryKind::File {
                node.content = vec![Id::of(&other); usize::from(other[0] % 4)];
                node.metadata.xattrs = vec![Xattr {
                    name: "user.x".into(),
                    value: other,
                }];
            }
            node.subtree = (kind == EntryKind::Dir).then(|| Id::of(&name));
            node
        })
}

proptest! {
    #[test]
    fn reads_what_it_writes(node in any_node()) {
        prop_assert_eq!(TreeReader::all(&blob(std::slice::from_ref(&node))).unwrap(), [node]);
    }

    #[test]
    fn foreign_bytes_never_fail_badly(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = TreeReader::all(&bytes);
    }

    #[test]
    fn a_flipped_bit_never_fails_badly(node in any_node(), position in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let mut bytes = blob(&[node]);
        let position = position.index(bytes.len());
        bytes[position] ^= 1 << bit;
        let _ = TreeReader::all(&bytes);
    }
}
