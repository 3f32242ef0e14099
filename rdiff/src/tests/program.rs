//! What librsync's own program makes, takes and says.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::{DeltaBuilder, Index, Kind, Layout, Signature, SignatureBuilder};

/// Whether the program is there; a test that needs it says when it is not.
fn program() -> bool {
    let found = Command::new("rdiff")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok();
    if !found {
        println!("skipped: the program rdiff is not installed");
    }
    found
}

fn rdiff(arguments: &[&str], paths: &[&Path]) {
    let output = Command::new("rdiff")
        .arg("--force")
        .args(arguments)
        .args(paths)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Bytes that look random and are the same in every run.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let byte = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..len).map(byte).collect()
}

/// Old and new files: unchanged, edited in the middle, grown, shrunk, emptied, filled, with much that repeats.
fn files() -> Vec<(Vec<u8>, Vec<u8>)> {
    let base = noise(1, 100_003);
    let edited = [&base[..40_000], b"something new", &base[41_000..]].concat();
    let moved = [&base[50_000..], &base[..50_000]].concat();
    let sparse = [vec![0; 60_000], noise(2, 5000), vec![0; 33_333]].concat();
    vec![
        (base.clone(), base.clone()),
        (base.clone(), edited),
        (base.clone(), moved),
        (base.clone(), [&base[..], &noise(3, 70_000)].concat()),
        (base.clone(), base[..70_001].to_vec()),
        (base.clone(), Vec::new()),
        (Vec::new(), base.clone()),
        (b"x".to_vec(), b"xy".to_vec()),
        (sparse.clone(), [&sparse[..30_000], b"!", &sparse[30_000..]].concat()),
        (base, noise(4, 90_000)),
    ]
}

/// Every kind of signature, as the program's options name it.
const KINDS: [(Kind, [&str; 4]); 4] = [
    (Kind::RollsumMd4, ["-H", "md4", "-R", "rollsum"]),
    (Kind::RollsumBlake2, ["-H", "blake2", "-R", "rollsum"]),
    (Kind::RabinKarpMd4, ["-H", "md4", "-R", "rabinkarp"]),
    (Kind::RabinKarpBlake2, ["-H", "blake2", "-R", "rabinkarp"]),
];

#[test]
fn signatures_are_byte_for_byte_the_programs() {
    if !program() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (file, theirs) = (folder.path().join("file"), folder.path().join("signature"));
    for (kind, options) in KINDS {
        for (block, strong) in [(512, 8), (2048, kind.max_strong_len()), (100, 9), (7, 8)] {
            let (block_text, strong_text) = (format!("-b{block}"), format!("-S{strong}"));
            for (bytes, _) in files() {
                fs::write(&file, &bytes).unwrap();
                let arguments = [&options[..], &[block_text.as_str(), &strong_text, "signature"]].concat();
                rdiff(&arguments, &[&file, &theirs]);
                let mut ours = SignatureBuilder::new(Layout::new(kind, block, strong).unwrap());
                bytes.chunks(10_007).for_each(|piece| ours.push(piece));
                assert!(ours.finish() == fs::read(&theirs).unwrap(), "{kind:?} {block} {strong}");
            }
        }
    }
}

#[test]
fn deltas_of_either_side_patch_right() {
    if !program() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (kind, options) in KINDS {
        for (old, new) in files() {
            fs::write(at("old"), &old).unwrap();
            fs::write(at("new"), &new).unwrap();
            let arguments = [&options[..], &["-b512", "-S8", "signature"]].concat();
            rdiff(&arguments, &[&at("old"), &at("signature")]);

            rdiff(&["delta"], &[&at("signature"), &at("new"), &at("theirs")]);
            let theirs = fs::read(at("theirs")).unwrap();
            let mut patched = Vec::new();
            crate::patch(&old, theirs.as_slice(), &mut patched).unwrap();
            assert!(patched == new, "{kind:?}: their delta");

            let index = Index::new(Signature::parse(fs::read(at("signature")).unwrap()).unwrap());
            let mut ours = DeltaBuilder::new(&index, Vec::new());
            new.chunks(9973).for_each(|piece| ours.push(piece).unwrap());
            let ours = ours.finish().unwrap();
            fs::write(at("ours"), &ours).unwrap();
            rdiff(&["patch"], &[&at("old"), &at("ours"), &at("patched")]);
            assert!(fs::read(at("patched")).unwrap() == new, "{kind:?}: our delta");
            assert!(
                ours.len() <= theirs.len() + 16,
                "{kind:?}: {} against {}",
                ours.len(),
                theirs.len()
            );
        }
    }
}
