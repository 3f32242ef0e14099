//! What each part of the crate does in a second, for a file of 8 MiB.
#![allow(clippy::print_stdout, reason = "an example that says what it measured")]

use std::error::Error;
use std::time::Instant;

use rdiff::{Index, Kind, Layout, Signature, SignatureBuilder};

const LEN: usize = 8 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let old = noise(1);
    let edited = edited(&old);
    for kind in Kind::ALL {
        for block in [512, 2048, 8192] {
            let layout = Layout::new(kind, block, 8)?;
            println!("{kind:?}, blocks of {block}");
            let mut signature = Vec::new();
            measure("signature", || {
                let mut builder = SignatureBuilder::new(layout);
                builder.push(&old);
                signature = builder.finish();
                Ok(())
            })?;
            let signature = Signature::parse(signature)?;
            let mut index = None;
            measure("index", || {
                index = Some(Index::new(signature.clone()));
                Ok(())
            })?;
            let Some(index) = index else { continue };
            for (name, new) in [("unchanged", &old), ("1 % changed", &edited), ("all new", &noise(2))] {
                let mut delta = Vec::new();
                measure(&format!("delta, {name}"), || {
                    (delta, _) = rdiff::delta(&index, &mut new.as_slice(), Vec::with_capacity(LEN + LEN / 8))?;
                    Ok(())
                })?;
                let mut patched = Vec::with_capacity(LEN);
                measure(&format!("patch, {name}"), || {
                    patched.clear();
                    rdiff::patch(&old, delta.as_slice(), &mut patched)?;
                    Ok(())
                })?;
                assert!(&patched == new, "the patched file is the new one");
                println!("    a delta of {} bytes", delta.len());
            }
        }
    }
    Ok(())
}

fn measure(what: &str, mut run: impl FnMut() -> Result<(), Box<dyn Error>>) -> Result<(), Box<dyn Error>> {
    let mut best = f64::INFINITY;
    for _ in 0..15 {
        let begun = Instant::now();
        run()?;
        best = best.min(begun.elapsed().as_secs_f64());
    }
    println!("  {what}: {:.2} GB/s", LEN as f64 / best / 1e9);
    Ok(())
}

fn noise(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let word = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..LEN / 8).flat_map(word).collect()
}

/// One block of 4 KiB in a hundred is new; and a few bytes come in between once in a MiB.
fn edited(old: &[u8]) -> Vec<u8> {
    let new = noise(3);
    let mut edited = Vec::with_capacity(old.len() + 1000);
    for (at, (block, other)) in old.chunks(4096).zip(new.chunks(4096)).enumerate() {
        edited.extend_from_slice(if at % 100 == 7 { other } else { block });
        if at % 256 == 99 {
            edited.extend_from_slice(b"inserted");
        }
    }
    edited
}
