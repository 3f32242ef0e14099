//! Paths looked for in many snapshots.

use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;

use engine_api::{EntryKind, FindRequest, Found, Silent, SnapshotId};
use fstree::pattern::Matcher;

use crate::DuplicityEngine;
use crate::error::{Error, Result};
use crate::source::Wanted;
use crate::{entries, snapshots};

/// Hands what matches to `each`, snapshot by snapshot, oldest first. What cannot be read is passed over, and is the error
/// in the end.
pub(crate) fn run(
    engine: &DuplicityEngine,
    request: &FindRequest,
    each: &mut dyn FnMut(Found) -> ControlFlow<()>,
) -> Result<()> {
    if request.patterns.is_empty() {
        return Err(Error::Usage("there is no pattern to look for".to_owned()));
    }
    let compile = if request.ignore_case {
        Matcher::compile_ignoring_case
    } else {
        Matcher::compile
    };
    let matcher = compile(&request.patterns)?;
    let mut failure = None;
    for snapshot in snapshots::list(engine, &request.filter, &Silent)? {
        match search(engine, &snapshot.id, &matcher, each) {
            Ok(ControlFlow::Continue(())) => {}
            Ok(ControlFlow::Break(())) => return Ok(()),
            Err(error) if error.is_loss() => {
                failure.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    failure.map_or(Ok(()), Err)
}

fn search(
    engine: &DuplicityEngine,
    id: &SnapshotId,
    matcher: &Matcher,
    each: &mut dyn FnMut(Found) -> ControlFlow<()>,
) -> Result<ControlFlow<()>> {
    let found = snapshots::by_id(engine, id)?;
    let mut flow = ControlFlow::Continue(());
    entries::each_entry(engine, &found, &Wanted::default(), &mut |entry| {
        let is_folder = entry.metadata.kind == EntryKind::Dir;
        if matcher.matches(entry.path.as_os_str().as_bytes(), is_folder) {
            flow = each(Found {
                snapshot: id.clone(),
                entry,
            });
        }
        flow
    })?;
    Ok(flow)
}
