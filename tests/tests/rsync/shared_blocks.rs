//! Filesystems on which files share blocks: what did not change of a large file takes no room a second time.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

use holdfast_tests::corpus::{self, Random};
use holdfast_tests::mount::{Mount, NO_MOUNT};
use holdfast_tests::need;
use holdfast_tests::rsync::local;
use holdfast_tests::tree::{Compare, assert_same, below, picture};

use crate::common::Bench;

const MIB: u64 = 1 << 20;
/// The size of the large file.
const LARGE: u64 = 48 * MIB;
/// What a snapshot, or a restore, of the same large file may take beside it.
const LITTLE: u64 = 12 * MIB;

fn used(place: &Path) -> u64 {
    let folder = fs::File::open(place).unwrap();
    rustix::fs::syncfs(&folder).unwrap();
    let found = rustix::fs::statvfs(place).unwrap();
    (found.f_blocks - found.f_bfree) * found.f_frsize
}

/// A page here and there, a longer end, and another file that shrinks.
fn change(tree: &Path) {
    let disk = fs::File::options().write(true).open(tree.join("disk.img")).unwrap();
    for page in 0..8 {
        disk.write_all_at(&Random::new(1000 + page).noise(4096), page * 5 * MIB + 4096)
            .unwrap();
    }
    disk.write_all_at(b"a longer end", LARGE).unwrap();
    fs::File::options()
        .write(true)
        .open(tree.join("shrinks"))
        .unwrap()
        .set_len(MIB + 77)
        .unwrap();
}

fn on(mkfs: &[&str]) {
    let bench = Bench::new();
    need!(bench.script(), "rsync is not installed");
    let _mount = need!(Mount::image(&bench.destination, 512 * MIB, mkfs, "loop"), NO_MOUNT);
    fs::write(bench.destination.join("backup.marker"), "").unwrap();
    assert!(
        local(&bench.destination).capabilities().reflinks,
        "{mkfs:?} shares blocks"
    );
    corpus::plain_tree(&bench.tree, 1, 60, 20_000);
    fs::write(bench.tree.join("disk.img"), Random::new(1).noise(LARGE as usize)).unwrap();
    fs::write(bench.tree.join("shrinks"), Random::new(2).noise(3 * MIB as usize)).unwrap();

    let (first, was) = (bench.backup(), bench.picture());
    let (seals, before) = (bench.seals(), used(&bench.destination));
    change(&bench.tree);
    let second = bench.backup();
    let more = used(&bench.destination).saturating_sub(before);
    assert!(more < LITTLE, "the second snapshot takes {} KiB", more >> 10);
    bench.assert_sealed(&seals, "after the second snapshot");
    bench.assert_is_tree(&second);
    bench.open().check();

    // Restored within the filesystem it takes no room either, and what is done to it harms no snapshot.
    let seals = bench.seals();
    let before = used(&bench.destination);
    let place = bench.destination.join("restored");
    fs::create_dir(&place).unwrap();
    bench.open().restore(&first, &place);
    let more = used(&bench.destination).saturating_sub(before);
    assert!(more < LITTLE, "a restore takes {} KiB", more >> 10);
    let restored = below(&place, &bench.tree);
    assert_same(&was, &picture(&restored), Compare::default());
    change(&restored);
    fs::remove_dir_all(&place).unwrap();
    bench.assert_sealed(&seals, "after a restore that was written to");
    bench.assert_restores(&second, &bench.picture());
}

#[test]
fn xfs() {
    on(&["mkfs.xfs", "-q", "-m", "reflink=1"]);
}

#[test]
fn btrfs() {
    on(&["mkfs.btrfs", "-q"]);
}
