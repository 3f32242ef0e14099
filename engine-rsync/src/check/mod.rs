//! Whether everything can still be restored: names and trees always, the stored data as far as is asked.
//!
//! Every tree is compared with its manifest. Content is read as the request says: a file whose size and time are those
//! that were saved and whose digest is not has rotted; one with another size or time was changed by somebody.

mod data;
mod findings;
mod share;
mod structure;
mod tree;

use engine_api::{CheckReport, CheckRequest, Event, Phase, Progress};

use crate::RsyncEngine;
use crate::error::{Error, Result, is_out_of_reach};
use crate::manifest::{ManifestError, place};
use data::Reader;
use findings::Findings;
use share::Share;

/// Looks at the structure, and reads as much data as the request says.
pub fn run(engine: &RsyncEngine, request: &CheckRequest, progress: &dyn Progress) -> Result<CheckReport> {
    let share = Share::of(request.read)?;
    let store = engine.store();
    let findings = Findings::default();
    progress.event(Event::Phase {
        phase: Phase::CheckingStructure,
        total: None,
    });
    let names = structure::look(engine, &findings)?;
    if share != Share::Nothing {
        progress.event(Event::Phase {
            phase: Phase::CheckingData,
            total: None,
        });
    }
    let mut reader = Reader::new(store, share, &findings, progress);
    for name in &names {
        if progress.cancelled() {
            return Err(Error::Interrupted);
        }
        match place::open(store, name)
            .and_then(|manifest| manifest.map(|manifest| manifest.prove().map(|()| manifest)).transpose())
        {
            Ok(Some(manifest)) => tree::compare(store, name, &manifest, &mut reader)?,
            Ok(None) => findings.hint(
                format!("snapshot {name}"),
                "it has no manifest, so damage to it cannot be told: `holdfast repair index` makes one from its tree",
            ),
            // That the place cannot be reached says nothing of what lies in it.
            Err(ManifestError::Store(error)) if is_out_of_reach(&error) => return Err(error.into()),
            Err(source) => {
                let snapshot = name.clone();
                let what = "its tree can still be restored, without what only the manifest has: `holdfast repair index` makes a new one from the tree";
                let error = Error::Manifest { snapshot, source };
                findings.error(format!("snapshot {name}"), &format!("{}; {what}", error.chain()));
            }
        }
    }
    let bytes_read = reader.finish();
    let mut report = findings.into_report();
    report.snapshots = names.len() as u64;
    report.bytes_read = bytes_read;
    Ok(report)
}
