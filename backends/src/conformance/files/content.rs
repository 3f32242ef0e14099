use engine_api::StoreErrorKind;

use super::super::{expect, expect_kind, noise};
use super::{Bench, Outcome, failed};

pub(super) fn exclusive(bench: &Bench<'_>) -> Outcome {
    bench.write(b"file", b"first")?;
    let again = bench.store.create(&bench.folder, b"file").map(drop);
    expect_kind(again, StoreErrorKind::AlreadyExists, "creating a file twice")?;
    expect(bench.read(b"file")? == b"first", || {
        "the refused create changed the file".to_owned()
    })?;
    Ok(None)
}

pub(super) fn positions(bench: &Bench<'_>) -> Outcome {
    let bytes = noise(3, 3_000_000);
    let file = bench.store.create(&bench.folder, b"file").map_err(failed)?;
    // In pieces, the last first.
    for (number, piece) in bytes.chunks(700_001).enumerate().rev() {
        file.write_at(number as u64 * 700_001, piece).map_err(failed)?;
    }
    let mut buffer = [0; 1000];
    let read = file.read_at(2_999_990, &mut buffer).map_err(failed)?;
    expect(read == 10, || format!("{read} bytes were read where 10 are left"))?;
    let read = file.read_at(3_000_000, &mut buffer).map_err(failed)?;
    expect(read == 0, || format!("{read} bytes were read at the end"))?;
    file.close().map_err(failed)?;
    expect(bench.read(b"file")? == bytes, || {
        "3000000 bytes came back different".to_owned()
    })?;
    let stat = bench.stat(b"file")?;
    expect(stat.size == 3_000_000, || format!("3000000 bytes are told as {stat:?}"))?;
    Ok(None)
}

pub(super) fn lengths(bench: &Bench<'_>) -> Outcome {
    let file = bench.store.create(&bench.folder, b"file").map_err(failed)?;
    file.reserve(1 << 20).map_err(failed)?;
    file.write_at(0, &noise(1, 10_000)).map_err(failed)?;
    file.set_len(5_000).map_err(failed)?;
    file.set_len(300_000).map_err(failed)?;
    file.write_at(200_000, b"here").map_err(failed)?;
    let stat = file.stat().map_err(failed)?;
    expect(stat.size == 300_000, || format!("300000 bytes are told as {stat:?}"))?;
    let mut covered = 0;
    let mut at = 0;
    while let Some(data) = file.next_data(at).map_err(failed)? {
        expect(data.start >= at && data.end > data.start, || {
            format!("the data after {at} is {data:?}")
        })?;
        covered += u64::from(data.contains(&0)) + u64::from(data.contains(&200_001));
        at = data.end;
    }
    expect(covered == 2, || "some data was told as a hole".to_owned())?;
    file.close().map_err(failed)?;
    let mut wanted = noise(1, 10_000);
    wanted.truncate(5_000);
    wanted.resize(200_000, 0);
    wanted.extend_from_slice(b"here");
    wanted.resize(300_000, 0);
    expect(bench.read(b"file")? == wanted, || {
        "what was cut off or never written came back".to_owned()
    })?;
    Ok(None)
}

pub(super) fn copies(bench: &Bench<'_>) -> Outcome {
    if !bench.store.capabilities().copy_range {
        return Ok(Some("the place does not copy by itself"));
    }
    let bytes = noise(5, 100_000);
    bench.write(b"source", &bytes)?;
    let source = bench.store.open(&bench.folder, b"source").map_err(failed)?;
    let copy = bench.store.create(&bench.folder, b"copy").map_err(failed)?;
    let copied = copy.copy_range(source.as_ref(), 0..50_000, 1000).map_err(failed)?;
    expect(copied == 50_000, || format!("{copied} of 50000 bytes were copied"))?;
    let copied = copy
        .copy_range(source.as_ref(), 90_000..200_000, 51_000)
        .map_err(failed)?;
    expect(copied == 10_000, || {
        format!("{copied} bytes were copied where 10000 are")
    })?;
    copy.close().map_err(failed)?;
    let mut wanted = vec![0; 1000];
    wanted.extend_from_slice(bytes.get(..50_000).unwrap_or_default());
    wanted.extend_from_slice(bytes.get(90_000..).unwrap_or_default());
    expect(bench.read(b"copy")? == wanted, || {
        "a copy came out different".to_owned()
    })?;
    let parts = bench.store.create(&bench.folder, b"parts").map_err(failed)?;
    let mut ranges: Vec<_> = (0..300).map(|number| number * 200..number * 200 + 100).collect();
    ranges.push(90_000..200_000);
    let copied = parts.copy_ranges(source.as_ref(), &ranges).map_err(failed)?;
    expect(copied == 40_000, || {
        format!("{copied} of 40000 bytes were copied in parts")
    })?;
    parts.close().map_err(failed)?;
    let is_copied = |at: usize| at >= 90_000 || (at < 60_000 && at % 200 < 100);
    let wanted: Vec<u8> = (0..)
        .zip(&bytes)
        .map(|(at, byte)| if is_copied(at) { *byte } else { 0 })
        .collect();
    expect(bench.read(b"parts")? == wanted, || {
        "what was copied in parts came out different".to_owned()
    })?;
    Ok(None)
}

pub(super) fn reflinks(bench: &Bench<'_>) -> Outcome {
    let bytes = noise(6, 100_000);
    bench.write(b"source", &bytes)?;
    let source = bench.store.open(&bench.folder, b"source").map_err(failed)?;
    let copy = bench.store.create(&bench.folder, b"copy").map_err(failed)?;
    let linked = copy.reflink(source.as_ref());
    if !bench.store.capabilities().reflinks {
        expect_kind(
            linked,
            StoreErrorKind::Unsupported,
            "sharing blocks where that is not promised",
        )?;
        return Ok(Some("the place does not share blocks"));
    }
    linked.map_err(failed)?;
    copy.write_at(10, b"changed").map_err(failed)?;
    copy.close().map_err(failed)?;
    expect(bench.read(b"source")? == bytes, || {
        "writing to the copy changed the source".to_owned()
    })?;
    let read = bench.read(b"copy")?;
    let right = read.get(..10) == bytes.get(..10) && read.get(17..) == bytes.get(17..);
    expect(right, || "the copy is not like the source".to_owned())?;
    Ok(None)
}

pub(super) fn syncs(bench: &Bench<'_>) -> Outcome {
    let file = bench.store.create(&bench.folder, b"file").map_err(failed)?;
    file.write_at(0, b"content").map_err(failed)?;
    file.sync().map_err(failed)?;
    file.close().map_err(failed)?;
    bench.store.sync_folder(&bench.folder).map_err(failed)?;
    let synced = bench.store.sync();
    if bench.store.syncs_all() {
        synced.map_err(failed)?;
    } else {
        expect_kind(
            synced,
            StoreErrorKind::Unsupported,
            "syncing everything where that is not promised",
        )?;
    }
    let space = bench.store.space().map_err(failed)?;
    expect(space.is_none_or(|space| space.total >= space.available), || {
        format!("the room is {space:?}")
    })?;
    Ok(None)
}
