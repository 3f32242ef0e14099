//! Vectors of the format, and what holds for all data.

mod bounds;
mod program;
mod properties;
mod vectors;

use crate::{DeltaBuilder, Index, Kind, Layout, Signature, SignatureBuilder};

/// What the vectors are made of.
fn base() -> Vec<u8> {
    (0..=250u8).cycle().take(1100).collect()
}

fn layout(kind: Kind, block_len: u32, strong_len: u32) -> Layout {
    Layout::new(kind, block_len, strong_len).unwrap()
}

fn signature(layout: Layout, of: &[u8]) -> Signature {
    let mut builder = SignatureBuilder::new(layout);
    builder.push(of);
    Signature::parse(builder.finish()).unwrap()
}

fn delta(layout: Layout, old: &[u8], new: &[u8]) -> Vec<u8> {
    let index = Index::new(signature(layout, old));
    let mut builder = DeltaBuilder::new(&index, Vec::new());
    builder.push(new).unwrap();
    builder.finish().unwrap()
}

fn patched(old: &[u8], delta: &[u8]) -> Vec<u8> {
    let mut new = Vec::new();
    let len = crate::patch(&old, delta, &mut new).unwrap();
    assert_eq!(len, new.len() as u64);
    new
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}
