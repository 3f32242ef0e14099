//! Stored data, read and compared with its names.

use std::sync::atomic::{AtomicU64, Ordering};

use engine_api::{Event, Phase, Progress};

use super::pack::{PackReader, Wrong};
use super::{Findings, Lost};
use crate::Id;
use crate::error::{Error, Result};
use crate::index::PackNumber;
use crate::parallel;
use crate::repository::{FileKind, Repository};

/// How much was read.
pub struct Read {
    /// Packs.
    pub packs: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Reads the packs; each thread has one of them in memory.
pub fn read(
    repository: &Repository,
    packs: &[PackNumber],
    lost: &Lost<'_>,
    findings: &Findings,
    progress: &dyn Progress,
) -> Result<Read> {
    if packs.is_empty() {
        return Ok(Read { packs: 0, bytes: 0 });
    }
    progress.event(Event::Phase {
        phase: Phase::CheckingData,
        total: Some(packs.len() as u64),
    });
    let bytes = AtomicU64::new(0);
    parallel::each_with(
        packs,
        // One more than can work at once, so that one of them may wait for the disk.
        repository.read_threads() + 1,
        || PackReader::new(repository, lost.index),
        |reader, number| {
            if progress.cancelled() {
                return Err(Error::Interrupted);
            }
            let size = lost.inventory.of(*number).size.unwrap_or_default();
            if let Some(id) = lost.index.pack_id(*number) {
                check(reader, id, *number, size, lost, findings)?;
            }
            bytes.fetch_add(size, Ordering::Relaxed);
            progress.event(Event::Bytes(size));
            progress.event(Event::Advanced(1));
            Ok(())
        },
        |_, ()| Ok(()),
    )?;
    Ok(Read {
        packs: packs.len() as u64,
        bytes: bytes.into_inner(),
    })
}

/// Reads a pack, and once more when something is wrong: a bit that flips on the way is another fault than one that was
/// stored.
fn check(
    reader: &mut PackReader<'_>,
    id: Id,
    number: PackNumber,
    size: u64,
    lost: &Lost<'_>,
    findings: &Findings,
) -> Result<()> {
    let object = FileKind::Pack.object(id);
    let mut attempt = || match reader.read(id, number, size) {
        Err(error) if error.is_of_one_object() => Ok(Err(error.chain())),
        other => other.map(Ok),
    };
    if attempt()?.is_ok_and(|wrong| wrong.is_empty()) {
        return Ok(());
    }
    match attempt()? {
        Ok(wrong) if wrong.is_empty() => {
            let what = "it was read wrong once and right the second time: look after memory, cables and the disk";
            findings.error(object, what);
        }
        Ok(wrong) => tell(&object, &wrong, lost, findings),
        Err(why) => {
            for location in lost.index.blobs_in(number) {
                lost.damaged.set(location.ordinal);
            }
            findings.error(
                object,
                &format!("{why}; look after the storage, then run the check again"),
            );
        }
    }
    Ok(())
}

fn tell(object: &str, wrong: &Wrong, lost: &Lost<'_>, findings: &Findings) {
    let count = wrong.blobs.len();
    for what in &wrong.pack {
        let message = format!("{what}; {count} of its blobs are spoiled, `holdfast repair snapshots` saves the rest");
        findings.error(object.to_owned(), &message);
    }
    for (location, why) in &wrong.blobs {
        lost.damaged.set(location.ordinal);
        findings.error(
            object.to_owned(),
            &format!("{} blob {}: {why}", location.blob.kind, location.blob.id),
        );
    }
}
