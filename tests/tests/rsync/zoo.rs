//! One of everything, saved and brought back.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;

use engine_api::SnapshotId;
use fstree::testing::{ZooOptions, build_zoo};
use holdfast_tests::need;
use holdfast_tests::rsync::itemize;
use holdfast_tests::tree::{Compare, assert_same, picture};

use crate::common::Bench;

fn zoo(deep: bool) -> Bench {
    let bench = Bench::new();
    let options = ZooOptions {
        deep,
        socket: false,
        ..ZooOptions::default()
    };
    build_zoo(&bench.tree, options).unwrap();
    bench
}

#[test]
fn everything_is_kept() {
    let bench = zoo(true);
    let id = bench.backup();
    // The tree itself, which anybody may copy back.
    assert_same(&bench.picture(), &picture(&bench.stored(&id.0)), Compare::default());
    bench.assert_restores(&id, &bench.picture());
    bench.open().check();
}

/// rsync, which cannot reach the deepest paths, finds nothing to do.
#[test]
fn rsync_agrees() {
    let bench = zoo(false);
    need!(bench.script(), "rsync is not installed");
    let first = bench.backup();
    assert_eq!(itemize(&bench.tree, &bench.stored(&first.0)), "");
    let second = bench.backup();
    assert_eq!(itemize(&bench.tree, &bench.stored(&second.0)), "");
    assert_eq!(itemize(&bench.stored(&first.0), &bench.stored(&second.0)), "");
}

/// A second snapshot of the same tree takes no room but for its folders.
#[test]
fn what_did_not_change_is_shared() {
    let bench = zoo(true);
    let (first, second) = (bench.backup(), bench.backup());
    let inodes = |id: &SnapshotId| {
        let root = bench.stored(&id.0);
        let of = |path: &std::path::PathBuf| root.join(path).symlink_metadata().ok();
        let paths: Vec<_> = picture(&root).into_keys().collect();
        let inode = |path: std::path::PathBuf| {
            let metadata = of(&path)?;
            metadata.is_file().then(|| (path, metadata.ino()))
        };
        paths.into_iter().filter_map(inode).collect::<HashMap<_, _>>()
    };
    let (before, after) = (inodes(&first), inodes(&second));
    assert!(before.len() > 300);
    let copied: Vec<_> = after
        .iter()
        .filter(|(path, inode)| before.get(*path) != Some(inode))
        .collect();
    assert_eq!(copied, Vec::<(&std::path::PathBuf, &u64)>::new());
}

#[test]
fn holes_stay_holes() {
    let bench = Bench::new();
    let file = fs::File::create(bench.tree.join("sparse")).unwrap();
    file.set_len(64 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"data", 30 << 20).unwrap();
    let id = bench.backup();
    let stored = bench.stored(&id.0).join("sparse").metadata().unwrap();
    assert_eq!(stored.len(), 64 << 20);
    assert!(stored.blocks() < 1024, "{} blocks", stored.blocks());
    let target = bench.path("restored");
    bench.open().restore(&id, &target);
    let restored = holdfast_tests::tree::below(&target, &bench.tree).join("sparse");
    assert!(restored.metadata().unwrap().blocks() < 1024);
    assert_eq!(
        fs::read(restored).unwrap(),
        fs::read(bench.tree.join("sparse")).unwrap()
    );
}
