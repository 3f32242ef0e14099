//! One path in many snapshots.

use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use engine_api::{EntryKind, Event, Problem, Progress, SnapshotFilter, Version};

use crate::entries::entry;
use crate::error::{Error, Result};
use crate::manifest::Record;
use crate::snapshots::{self, Stored};
use crate::tree::{list, relative};
use crate::{RsyncEngine, error::is_out_of_reach};

/// Hands the state of the path in every snapshot to `each`, oldest first.
pub fn run(
    engine: &RsyncEngine,
    path: &Path,
    filter: &SnapshotFilter,
    progress: &dyn Progress,
    each: &mut dyn FnMut(Version) -> ControlFlow<()>,
) -> Result<()> {
    for stored in snapshots::list(engine, filter, progress)? {
        let record = match look(engine, &stored, path) {
            Ok(record) => record,
            Err(Error::Store(error)) if is_out_of_reach(&error) => return Err(Error::Store(error)),
            Err(error) => {
                progress.event(Event::Problem(&Problem {
                    path: PathBuf::from(format!("snapshot {}", stored.name())),
                    action: "read",
                    cause: error.chain(),
                }));
                continue;
            }
        };
        let content = record.as_ref().and_then(content);
        let version = Version {
            snapshot: stored.snapshot,
            entry: record.map(entry),
            content,
        };
        if each(version).is_break() {
            break;
        }
    }
    Ok(())
}

fn look(engine: &RsyncEngine, stored: &Stored, path: &Path) -> Result<Option<Record>> {
    let Some(path) = relative(path).filter(|path| !path.is_empty()) else {
        return Ok(None);
    };
    match list(engine.store(), stored, &path, true) {
        Ok(mut records) => records.next().transpose(),
        Err(Error::PathNotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The digest of a file; a folder would have to be looked through.
fn content(record: &Record) -> Option<Vec<u8>> {
    match record.metadata.kind {
        EntryKind::File => record.digest.map(|digest| digest.to_vec()),
        EntryKind::Dir => None,
        _ => {
            let target = record.metadata.link_target.as_deref().unwrap_or(Path::new(""));
            Some(target.as_os_str().as_bytes().to_vec())
        }
    }
}
