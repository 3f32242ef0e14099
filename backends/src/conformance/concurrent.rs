use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::ScopedJoinHandle;

use engine_api::{Body, PutMode, StoreErrorKind};

use super::{Bench, Outcome, expect, failed, noise};

/// The result of a thread of the suite.
pub(super) fn finished(thread: ScopedJoinHandle<'_, Result<(), String>>) -> Result<(), String> {
    thread
        .join()
        .unwrap_or_else(|_| Err("a thread of the suite panicked".to_owned()))
}

pub(super) fn one_creator(bench: &Bench<'_>) -> Outcome {
    if !bench.store.capabilities().exclusive_create {
        return Ok(Some("the storage does not promise exclusive create"));
    }
    for round in 0..20 {
        let key = &bench.key(format!("prize-{round}"))?;
        let attempt = move |body: u8| match bench.store.put(key, Body::Bytes(&[body; 1000]), PutMode::Create) {
            Ok(()) => Ok(Some(body)),
            Err(error) if error.kind == StoreErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(failed(error)),
        };
        let results: Vec<Result<Option<u8>, String>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (1..=6).map(|body| scope.spawn(move || attempt(body))).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|_| Err("a thread panicked".to_owned())))
                .collect()
        });
        let results = results.into_iter().collect::<Result<Vec<_>, _>>()?;
        let winners: Vec<u8> = results.into_iter().flatten().collect();
        let read = bench.store.get(key).map_err(failed)?;
        let right = matches!(winners.as_slice(), [one] if read == [*one; 1000]);
        expect(right, || {
            format!("of six creators {winners:?} won, and {:?} is there", read.first())
        })?;
    }
    Ok(None)
}

pub(super) fn whole_objects(bench: &Bench<'_>) -> Outcome {
    const LENGTH: usize = 300_000;
    let versions = [noise(21, LENGTH), noise(22, LENGTH)];
    let key = bench.put("config", versions.first().map_or(&[][..], |bytes| bytes))?;
    let done = AtomicBool::new(false);
    let read = || {
        while !done.load(Ordering::Relaxed) {
            let bytes = bench.store.get(&key).map_err(failed)?;
            expect(versions.contains(&bytes), || {
                format!("a reader saw {} bytes that are neither version", bytes.len())
            })?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let readers = [scope.spawn(read), scope.spawn(read)];
        let written = versions.iter().cycle().take(60).try_for_each(|bytes| {
            bench
                .store
                .put(&key, Body::Bytes(bytes), PutMode::Replace)
                .map_err(failed)
        });
        done.store(true, Ordering::Relaxed);
        readers.into_iter().try_for_each(finished)?;
        written
    })?;
    Ok(None)
}

pub(super) fn writers_and_listing(bench: &Bench<'_>) -> Outcome {
    const LENGTH: u64 = 200_000;
    let body = noise(31, usize::try_from(LENGTH).unwrap_or(0));
    let write = |writer: usize| {
        for number in 0..25 {
            let key = bench.key(format!("data/{:02x}/{writer}-{number}", number % 4))?;
            bench
                .store
                .put(&key, Body::Bytes(&body), PutMode::Create)
                .map_err(failed)?;
            let meta = bench.store.stat(&key).map_err(failed)?;
            expect(meta.size == LENGTH, || {
                format!("{key} has {} bytes right after its put", meta.size)
            })?;
        }
        Ok(())
    };
    let done = AtomicBool::new(false);
    let watch = || {
        while !done.load(Ordering::Relaxed) {
            let listed = bench.list(&bench.folder)?;
            let half = listed.iter().find(|(_, size)| *size != LENGTH);
            expect(half.is_none(), || {
                format!("a listing shows {half:?} while it is written")
            })?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let watcher = scope.spawn(watch);
        let write = &write;
        let writers: Vec<_> = (0..4).map(|writer| scope.spawn(move || write(writer))).collect();
        let written = writers.into_iter().try_for_each(finished);
        done.store(true, Ordering::Relaxed);
        finished(watcher)?;
        written
    })?;
    let listed = bench.list(&bench.folder)?;
    expect(listed.len() == 100, || {
        format!("{} of 100 objects are listed", listed.len())
    })?;
    Ok(None)
}
