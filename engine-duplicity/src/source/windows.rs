//! Reading an object of the storage window by window, several at a time where each takes a turn of a network.

use std::thread::Scope;

use crossbeam_channel::{Receiver, bounded};
use engine_api::{BlobStore, Key};

use super::Source;
use crate::error::Result;

/// Bytes of a window.
pub(super) const WINDOW: usize = 1 << 20;
/// Windows that are asked for at the same time, of all that is read at the same time.
const AT_ONCE: usize = 8;
/// The same, of one object.
const OF_ONE: usize = 4;

/// How many windows may be on their way for each of `readers`.
pub(super) fn abreast(readers: usize) -> usize {
    (AT_ONCE / readers.max(1)).clamp(1, OF_ONE)
}

/// Hands over the bytes of the object in order, with where each window begins.
pub(super) fn windows(
    source: Source<'_>,
    key: &Key,
    size: u64,
    mut each: impl FnMut(u64, &[u8]) -> Result<()>,
) -> Result<()> {
    let abreast = match source.blobs.capabilities() {
        here if here.local => 1,
        far => source.abreast.min(far.concurrency),
    };
    if abreast < 2 || size <= WINDOW as u64 {
        return one_by_one(source, key, size, each);
    }
    std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..abreast)
            .map(|lane| {
                let starts = (lane as u64..).map(|index| index * WINDOW as u64);
                let starts = starts.step_by(abreast).take_while(move |at| *at < size);
                lane_of(scope, source.blobs, key, size, starts)
            })
            .collect();
        let mut at = 0;
        // The lanes have the windows in turn, and each its own in order.
        for lane in lanes.iter().cycle() {
            source.go_on()?;
            let Ok(window) = lane.recv() else { break };
            let window = window?;
            each(at, &window)?;
            at += window.len() as u64;
        }
        Ok(())
    })
}

/// Reads the windows that begin there; a window waits for who takes it, and the next is read when it is taken.
fn lane_of<'s, 'e: 's>(
    scope: &'s Scope<'s, 'e>,
    blobs: &'e dyn BlobStore,
    key: &'e Key,
    size: u64,
    starts: impl Iterator<Item = u64> + Send + 's,
) -> Receiver<Result<Vec<u8>>> {
    let (sender, receiver) = bounded(0);
    scope.spawn(move || {
        for at in starts {
            let mut window = vec![0; length(size - at)];
            let read = blobs.get_range(key, at, &mut window);
            let failed = read.is_err();
            let window = read.map(|_| window).map_err(Into::into);
            // Nobody listens any more after a failure.
            if sender.send(window).is_err() || failed {
                break;
            }
        }
    });
    receiver
}

fn one_by_one(source: Source<'_>, key: &Key, size: u64, mut each: impl FnMut(u64, &[u8]) -> Result<()>) -> Result<()> {
    let mut window = vec![0; length(size)];
    let mut at = 0;
    while at < size {
        source.go_on()?;
        window.truncate(length(size - at));
        source.blobs.get_range(key, at, &mut window)?;
        each(at, &window)?;
        at += window.len() as u64;
    }
    Ok(())
}

/// How much of what is left is a window.
fn length(left: u64) -> usize {
    usize::try_from(left).unwrap_or(WINDOW).min(WINDOW)
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;
    use std::path::Path;

    use engine_api::Silent;
    use fstree::testing::Dice;

    use super::*;
    use crate::format::SetId;
    use crate::source::{Item, Lost};
    use crate::testing::Memory;

    struct Nothing;

    impl Lost for Nothing {
        fn items(&self, _: SetId, _: &mut dyn FnMut(Item) -> ControlFlow<()>) -> Result<()> {
            Ok(())
        }
    }

    fn read(memory: &Memory, key: &Key, size: u64) -> Result<Vec<u8>> {
        let source = Source {
            blobs: memory,
            cipher: None,
            temp: Path::new("/"),
            progress: &Silent,
            lost: &Nothing,
            abreast: abreast(1),
        };
        let mut found = Vec::new();
        windows(source, key, size, |at, window| {
            assert_eq!(at, found.len() as u64);
            found.extend_from_slice(window);
            Ok(())
        })?;
        Ok(found)
    }

    #[test]
    fn of_a_far_object_four_windows_are_asked_for_at_the_same_time() {
        let memory = Memory::far(OF_ONE);
        let key = Key::new("volume").unwrap();
        let bytes = Dice::new(1).bytes(8 * WINDOW - 7);
        memory.objects.lock().unwrap().insert(key.clone(), bytes.clone());
        assert!(read(&memory, &key, bytes.len() as u64).unwrap() == bytes);
        memory.die_in(5);
        read(&memory, &key, bytes.len() as u64).unwrap_err();
    }

    #[test]
    fn one_after_the_other_or_abreast_it_is_the_same() {
        let memory = Memory::new();
        let key = Key::new("volume").unwrap();
        for len in [0, 1, WINDOW, WINDOW + 1, 3 * WINDOW] {
            let bytes = Dice::new(len as u64).bytes(len);
            memory.objects.lock().unwrap().insert(key.clone(), bytes.clone());
            assert!(read(&memory, &key, len as u64).unwrap() == bytes, "{len}");
        }
    }
}
