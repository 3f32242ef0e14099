use std::fs::File;

use engine_api::{Body, PutMode, StoreErrorKind};
use sha2::{Digest, Sha256};

use super::{Bench, Outcome, expect, expect_kind, failed, noise};

pub(super) fn round_trip(bench: &Bench<'_>) -> Outcome {
    for length in [0, 1, 4095, 4096, 70_000, 5_000_000] {
        let bytes = noise(7, length);
        let key = bench.put(format!("object-{length}"), &bytes)?;
        let read = bench.store.get(&key).map_err(failed)?;
        expect(read == bytes, || {
            format!("{length} bytes came back as {} others", read.len())
        })?;
    }
    Ok(None)
}

pub(super) fn bodies(bench: &Bench<'_>) -> Outcome {
    let bytes = noise(11, 2_500_000);
    let (head, rest) = bytes.split_at(999_999);
    let parts: [&[u8]; 4] = [head, &[], rest, &[]];
    let source = anonymous_file(&bytes)?;
    let file = Body::File {
        file: &source,
        len: 1_234_567,
    };
    let sha256 = Sha256::digest(&bytes).into();
    let digested = Body::Digested {
        bytes: &bytes,
        sha256: &sha256,
    };
    let cases = [
        ("bytes", Body::Bytes(&bytes), bytes.as_slice()),
        ("digested", digested, &bytes),
        ("parts", Body::Parts(&parts), &bytes),
        ("file", file, bytes.get(..1_234_567).unwrap_or_default()),
    ];
    for (name, body, wanted) in cases {
        let key = bench.key(name)?;
        bench.store.put(&key, body, PutMode::Create).map_err(failed)?;
        let read = bench.store.get(&key).map_err(failed)?;
        expect(read == wanted, || format!("a body of {name} came back different"))?;
    }
    Ok(None)
}

pub(super) fn create_refuses(bench: &Bench<'_>) -> Outcome {
    if !bench.store.capabilities().exclusive_create {
        return Ok(Some("the storage does not promise exclusive create"));
    }
    let key = bench.key("one")?;
    bench
        .store
        .put(&key, Body::Bytes(b"first"), PutMode::Create)
        .map_err(failed)?;
    let second = bench.store.put(&key, Body::Bytes(b"second"), PutMode::Create);
    expect_kind(second, StoreErrorKind::AlreadyExists, "a second create")?;
    let read = bench.store.get(&key).map_err(failed)?;
    expect(read == b"first", || "the refused create changed the object".to_owned())?;
    Ok(None)
}

pub(super) fn replace(bench: &Bench<'_>) -> Outcome {
    let old = noise(1, 100_000);
    let new = noise(2, 50);
    let key = bench.put("config", &old)?;
    bench.put("config", &new)?;
    let read = bench.store.get(&key).map_err(failed)?;
    expect(read == new, || {
        "the old object, or a mix, is there after a replace".to_owned()
    })?;
    let listed = bench.list(&bench.folder)?;
    expect(listed == [(key, 50)], || {
        format!("after a replace the folder lists {listed:?}")
    })?;
    Ok(None)
}

pub(super) fn ranges(bench: &Bench<'_>) -> Outcome {
    let bytes = noise(3, 10_000);
    let key = bench.put("ranges", &bytes)?;
    for (offset, length) in [(0, 10_000), (0, 1), (9_999, 1), (1234, 4321), (10_000, 0), (5, 0)] {
        let mut buffer = vec![0xaa; length];
        bench
            .store
            .get_range(&key, offset as u64, &mut buffer)
            .map_err(failed)?;
        let wanted = bytes.get(offset..offset + length).unwrap_or_default();
        expect(buffer == wanted, || {
            format!("{length} bytes at {offset} came back different")
        })?;
    }
    for (offset, length) in [(0, 10_001), (9_999, 2), (10_000, 1), (u64::MAX - 2, 1)] {
        let result = bench.store.get_range(&key, offset, &mut vec![0; length]);
        expect_kind(
            result,
            StoreErrorKind::Truncated,
            &format!("reading {length} bytes at {offset} of 10000"),
        )?;
    }
    Ok(None)
}

pub(super) fn sizes(bench: &Bench<'_>) -> Outcome {
    for length in [0, 1, 65_537] {
        let key = bench.put(format!("size-{length}"), &noise(5, length))?;
        let meta = bench.store.stat(&key).map_err(failed)?;
        expect(meta.key == key && meta.size == length as u64, || {
            format!("{length} bytes are shown as {meta:?}")
        })?;
    }
    Ok(None)
}

pub(super) fn missing(bench: &Bench<'_>) -> Outcome {
    bench.put("there", b"x")?;
    bench.put("folder/object", b"x")?;
    // A name beside an object, in a folder that is not there, below an object, and a folder itself.
    for name in ["gone", "no/folder/gone", "there/below", "folder"] {
        let key = bench.key(name)?;
        expect_kind(
            bench.store.get(&key),
            StoreErrorKind::NotFound,
            &format!("get of {name}"),
        )?;
        let range = bench.store.get_range(&key, 0, &mut [0]);
        expect_kind(range, StoreErrorKind::NotFound, &format!("get_range of {name}"))?;
        expect_kind(
            bench.store.stat(&key),
            StoreErrorKind::NotFound,
            &format!("stat of {name}"),
        )?;
        expect_kind(
            bench.store.remove(&key),
            StoreErrorKind::NotFound,
            &format!("remove of {name}"),
        )?;
    }
    bench.store.discard(&bench.key("gone")?).map_err(failed)?;
    Ok(None)
}

pub(super) fn removes(bench: &Bench<'_>) -> Outcome {
    let gone = bench.put("data/aa/gone", b"x")?;
    let stays = bench.put("data/aa/stays", b"y")?;
    bench.store.remove(&gone).map_err(failed)?;
    expect_kind(
        bench.store.get(&gone),
        StoreErrorKind::NotFound,
        "get of a removed object",
    )?;
    let listed = bench.list(&bench.folder)?;
    expect(listed == [(stays, 1)], || {
        format!("after a remove the folder lists {listed:?}")
    })?;
    bench.put("data/aa/gone", b"again")?;
    bench.store.discard(&gone).map_err(failed)?;
    expect_kind(
        bench.store.stat(&gone),
        StoreErrorKind::NotFound,
        "stat of an object that was discarded",
    )?;
    bench.put("data/aa/gone", b"again")?;
    Ok(None)
}

/// A body whose file is shorter than it says stands for an upload that breaks off.
pub(super) fn interrupted(bench: &Bench<'_>) -> Outcome {
    let source = anonymous_file(&noise(9, 2_000_000))?;
    let body = Body::File {
        file: &source,
        len: 3_000_000,
    };
    let fresh = bench.key("data/half")?;
    let old = bench.put("old", b"old")?;
    for (key, mode) in [
        (&fresh, PutMode::Create),
        (&fresh, PutMode::Replace),
        (&old, PutMode::Replace),
    ] {
        let result = bench.store.put(key, body, mode);
        expect(result.is_err(), || "a put of too few bytes went well".to_owned())?;
    }
    let listed = bench.list(&bench.folder)?;
    let read = bench.store.get(&old).map_err(failed)?;
    expect(listed == [(old, 3)] && read == b"old", || {
        format!("after puts that failed the folder lists {listed:?}")
    })?;
    Ok(None)
}

pub(super) fn odd_names(bench: &Bench<'_>) -> Outcome {
    let long = "n".repeat(200);
    let names = [
        "a b",
        "ü-ñ-漢字",
        ".hidden",
        "...",
        "a%2fb+c&d=e?f#g",
        "quote'\"\\",
        "-dash",
        &long,
        "a/b/c/d/e/f",
        "tab\tand\nnewline",
    ];
    let mut wanted = Vec::new();
    for (number, name) in names.into_iter().enumerate() {
        let bytes = noise(number as u64, number + 1);
        let key = bench.put(name, &bytes)?;
        let read = bench.store.get(&key).map_err(failed)?;
        expect(read == bytes, || format!("{name:?} came back different"))?;
        wanted.push((key, number as u64 + 1));
    }
    wanted.sort();
    let listed = bench.list(&bench.folder)?;
    expect(listed == wanted, || format!("odd names are listed as {listed:?}"))?;
    Ok(None)
}

fn anonymous_file(bytes: &[u8]) -> Result<File, String> {
    let flags = rustix::fs::MemfdFlags::CLOEXEC;
    let fd = rustix::fs::memfd_create("holdfast-conformance", flags).map_err(|errno| errno.to_string())?;
    let file = File::from(fd);
    std::io::Write::write_all(&mut &file, bytes).map_err(|error| error.to_string())?;
    Ok(file)
}
