//! Signatures and deltas of any bytes; and of any two files a delta that makes the one of the other.
#![no_main]

use rdiff::{Index, Layout, Signature, SignatureBuilder};

libfuzzer_sys::fuzz_target!(|input: (Vec<u8>, Vec<u8>, u8)| {
    let (old, bytes, block) = input;
    let mut patched = Vec::new();
    let _ = rdiff::patch(&old, bytes.as_slice(), &mut patched);
    if let Ok(signature) = Signature::parse(bytes.clone()) {
        let mut delta = Vec::new();
        let _ = rdiff::delta(&Index::new(signature), &mut old.as_slice(), &mut delta);
    }
    let Ok(layout) = Layout::duplicity(u32::from(block) + 1) else {
        return;
    };
    let mut builder = SignatureBuilder::new(layout);
    builder.push(&old);
    let signature = Signature::parse(builder.finish()).unwrap();
    let (mut delta, mut patched) = (Vec::new(), Vec::new());
    rdiff::delta(&Index::new(signature), &mut bytes.as_slice(), &mut delta).unwrap();
    rdiff::patch(&old, delta.as_slice(), &mut patched).unwrap();
    assert!(patched == bytes);
});
