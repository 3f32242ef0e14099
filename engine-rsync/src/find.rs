//! Paths looked for in many snapshots.

use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;

use engine_api::{EntryKind, FindRequest, Found, Silent};
use fstree::pattern::Matcher;

use crate::entries::entry;
use crate::error::{Error, Result};
use crate::tree::list;
use crate::{RsyncEngine, snapshots};

/// Hands what matches to `each`, snapshot by snapshot, oldest first. What cannot be read is passed over, and is the error
/// in the end.
pub fn run(engine: &RsyncEngine, request: &FindRequest, each: &mut dyn FnMut(Found) -> ControlFlow<()>) -> Result<()> {
    let matcher = matcher(request)?;
    let mut failure = None;
    for stored in snapshots::list(engine, &request.filter, &Silent)? {
        for record in list(engine.store(), &stored, b"", false)? {
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    failure.get_or_insert(error);
                    continue;
                }
            };
            let is_folder = record.metadata.kind == EntryKind::Dir;
            let entry = entry(record);
            if entry.path.as_os_str() == "/" || !matcher.matches(entry.path.as_os_str().as_bytes(), is_folder) {
                continue;
            }
            let snapshot = stored.snapshot.id.clone();
            if each(Found { snapshot, entry }).is_break() {
                return Ok(());
            }
        }
    }
    failure.map_or(Ok(()), Err)
}

fn matcher(request: &FindRequest) -> Result<Matcher> {
    if request.patterns.is_empty() {
        return Err(Error::Usage("there is no pattern to look for".to_owned()));
    }
    let compile = if request.ignore_case {
        Matcher::compile_ignoring_case
    } else {
        Matcher::compile
    };
    Ok(compile(&request.patterns)?)
}
