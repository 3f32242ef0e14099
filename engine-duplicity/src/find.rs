//! Paths looked for in many snapshots.
//!
//! The sets of a chain are gone through at once: each signature file is read one time, however many snapshots there are.

use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use engine_api::{Entry, EntryKind, FindRequest, Found, SnapshotId};
use fstree::pattern::Matcher;

use crate::DuplicityEngine;
use crate::chain::{Chain, Set};
use crate::entries::{each_entry, is_outermost};
use crate::error::{Error, Result};
use crate::listing::{Listing, Said};
use crate::manifests::saved_folder;
use crate::snapshots;
use crate::source::Wanted;

/// Versions that are remembered of a chain at the most; where more match, its snapshots are read one by one.
const MOST: usize = 20_000;

/// A snapshot that is looked through.
struct Target<'c> {
    id: SnapshotId,
    chain: &'c Chain,
    set: &'c Set,
    base: PathBuf,
}

/// A version of a path that matches.
struct Hit {
    /// Sets of the chain of which the first state that has it is made.
    from: usize,
    /// The same, of the first state that has it no more.
    until: usize,
    entry: Entry,
}

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
    let collection = engine.collection()?;
    let mut targets = Vec::new();
    let mut failure = None;
    snapshots::each(
        engine,
        &collection,
        &request.filter,
        |chain, set, manifest, snapshot| {
            let (id, base) = (snapshot.id, saved_folder(manifest));
            targets.push(Target { id, chain, set, base });
        },
        |_, error| {
            failure.get_or_insert(error);
        },
    )?;
    for group in targets.chunk_by(|one, next| one.chain.start() == next.chain.start() && one.base == next.base) {
        let flow = match sweep(engine, group, &matcher, MOST) {
            Some(hits) => hand_over(group, &hits, each),
            None => one_by_one(engine, group, &matcher, each, &mut failure)?,
        };
        if flow.is_break() {
            return Ok(());
        }
    }
    failure.map_or(Ok(()), Err)
}

/// What matches in any of the snapshots, which are of one chain; `None` where that is too much, or something of the chain
/// cannot be read.
fn sweep(engine: &DuplicityEngine, group: &[Target<'_>], matcher: &Matcher, most: usize) -> Option<Vec<Hit>> {
    let [first, .., last] = group else { return None };
    let sets = last.chain.until(last.set.id.end());
    let mut listing = Listing::open(engine, sets).ok()?;
    let mut hits = Vec::new();
    loop {
        let history = listing.next_history().ok()?;
        if history.is_empty() {
            return Some(hits);
        }
        let mut until = usize::MAX;
        for (index, said) in history.into_iter().rev() {
            let from = index + 1;
            if let Said::There(listed) = said
                && until > first.chain.until(first.set.id.end()).len()
                && !is_outermost(&first.base, &listed.path)
                && let path = listed.path.under(&first.base)
                && fits(matcher, &path, listed.kind())
            {
                let metadata = listing.metadata(&listed).ok()?;
                let entry = Entry { path, metadata };
                hits.push(Hit { from, until, entry });
            }
            until = from;
        }
        if hits.len() > most {
            return None;
        }
    }
}

fn fits(matcher: &Matcher, path: &Path, kind: EntryKind) -> bool {
    matcher.matches(path.as_os_str().as_bytes(), kind == EntryKind::Dir)
}

fn hand_over(group: &[Target<'_>], hits: &[Hit], each: &mut dyn FnMut(Found) -> ControlFlow<()>) -> ControlFlow<()> {
    for target in group {
        let sets = target.chain.until(target.set.id.end()).len();
        for hit in hits.iter().filter(|hit| (hit.from..hit.until).contains(&sets)) {
            each(Found {
                snapshot: target.id.clone(),
                entry: hit.entry.clone(),
            })?;
        }
    }
    ControlFlow::Continue(())
}

fn one_by_one(
    engine: &DuplicityEngine,
    group: &[Target<'_>],
    matcher: &Matcher,
    each: &mut dyn FnMut(Found) -> ControlFlow<()>,
    failure: &mut Option<Error>,
) -> Result<ControlFlow<()>> {
    for target in group {
        match search(engine, target, matcher, each) {
            Ok(ControlFlow::Continue(())) => {}
            Ok(flow) => return Ok(flow),
            Err(error) if error.is_loss() => {
                failure.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(ControlFlow::Continue(()))
}

fn search(
    engine: &DuplicityEngine,
    target: &Target<'_>,
    matcher: &Matcher,
    each: &mut dyn FnMut(Found) -> ControlFlow<()>,
) -> Result<ControlFlow<()>> {
    let found = snapshots::found(engine, target.chain, target.set)?;
    let mut flow = ControlFlow::Continue(());
    each_entry(engine, &found, &Wanted::default(), &mut |entry| {
        if fits(matcher, &entry.path, entry.metadata.kind) {
            flow = each(Found {
                snapshot: target.id.clone(),
                entry,
            });
        }
        flow
    })?;
    Ok(flow)
}

#[cfg(test)]
mod tests;
