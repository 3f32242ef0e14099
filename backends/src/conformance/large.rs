//! An object larger than any memory: apart from the other checks, for it takes the storage's time and perhaps its room.

use std::fs::File;
use std::os::unix::fs::FileExt;

use engine_api::{BlobStore, Body, PutMode, StoreErrorKind};

use super::{Bench, Broken, expect, expect_kind, failed, noise};

const CHECK: &str = "a large object goes there and back in pieces";

/// Bytes at each end and in the middle that are not zeros.
const MARK: usize = 100_000;

/// Puts an object of `length` bytes, nearly all zeros and at least a mebibyte, from a sparse file; reads pieces of it, and
/// then begins one that is to break off near its end.
///
/// # Errors
/// The same as from [`run`](super::run).
pub fn large_object(store: &dyn BlobStore, area: &str, length: u64) -> Result<(), Broken> {
    let bench = Bench {
        store,
        folder: format!("{area}/large"),
    };
    check(&bench, length).map_err(|message| Broken { check: CHECK, message })
}

fn check(bench: &Bench<'_>, length: u64) -> Result<(), String> {
    let file = tempfile::tempfile().map_err(|error| error.to_string())?;
    let marks = marks(&file, length).map_err(|error| error.to_string())?;
    let key = bench.key("object")?;
    let body = Body::File {
        file: &file,
        len: length,
    };
    bench.store.put(&key, body, PutMode::Create).map_err(failed)?;
    let size = bench.store.stat(&key).map_err(failed)?.size;
    expect(size == length, || format!("{length} bytes are shown as {size}"))?;
    for (offset, mark) in &marks {
        let mut piece = vec![0xaa; mark.len()];
        bench.store.get_range(&key, *offset, &mut piece).map_err(failed)?;
        expect(piece == *mark, || format!("the bytes at {offset} came back different"))?;
    }
    let result = bench.store.get_range(&key, length - 1, &mut [0; 2]);
    expect_kind(result, StoreErrorKind::Truncated, "reading over the end")?;
    let listed = bench.list(&bench.folder)?;
    expect(listed == [(key.clone(), length)], || {
        format!("the folder lists {listed:?}")
    })?;
    bench.store.remove(&key).map_err(failed)?;
    // A file that is shorter than it says stands for an upload that breaks off.
    file.set_len(length - 1).map_err(|error| error.to_string())?;
    let result = bench.store.put(&key, body, PutMode::Create);
    expect(result.is_err(), || "a put of too few bytes went well".to_owned())?;
    let listed = bench.list(&bench.folder)?;
    expect(listed.is_empty(), || {
        format!("after a put that failed the folder lists {listed:?}")
    })
}

/// Writes the marks; each with its place.
fn marks(file: &File, length: u64) -> std::io::Result<Vec<(u64, Vec<u8>)>> {
    let places = [0, length / 2, length.saturating_sub(MARK as u64)];
    let marks = (1..).zip(places).map(|(seed, place)| (place, noise(seed, MARK)));
    let marks: Vec<_> = marks.collect();
    file.set_len(length)?;
    for (place, mark) in &marks {
        file.write_all_at(mark, *place)?;
    }
    Ok(marks)
}
