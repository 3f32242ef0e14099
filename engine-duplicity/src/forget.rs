//! Retention: sets dropped by a policy or by name, as far as the chains allow.
//!
//! A policy decides on every set, but nothing smaller than a chain can go: a chain stays as long as one of its sets is
//! kept, and the latest complete chain stays always. By name the end of a chain can go too, for nothing needs it.

use std::collections::{BTreeMap, BTreeSet};

use engine_api::retention;
use engine_api::{ForgetReport, ForgetRequest, Phase, Progress, Snapshot, SnapshotFilter, StoreErrorKind, Timestamp};

use crate::archive::{self, Archive};
use crate::chain::{Chain, Collection, Set};
use crate::engine::DuplicityEngine;
use crate::error::{Error, Result};
use crate::format::{FileKind, SetTime};
use crate::snapshots;

/// What becomes of every set.
struct Plan<'a> {
    report: ForgetReport,
    /// The sets that go, in the order of their removal.
    doomed: Vec<&'a Set>,
}

/// Forgets what the request says.
pub fn run(engine: &DuplicityEngine, request: &ForgetRequest, progress: &dyn Progress) -> Result<ForgetReport> {
    if request.ids.is_empty() && request.keep.is_empty() {
        let text = "a retention without any rule would forget every backup: say what to keep";
        return Err(Error::Usage(text.to_owned()));
    }
    let archive = (!request.dry_run).then(|| Archive::open(engine)).transpose()?;
    let collection = engine.collection()?;
    let plan = if request.ids.is_empty() {
        by_policy(engine, &collection, request, progress)?
    } else {
        by_name(engine, &collection, &request.ids, progress)?
    };
    if let Some(archive) = archive {
        execute(engine, &archive, &collection, &plan.doomed, progress)?;
    }
    Ok(plan.report)
}

fn by_policy<'a>(
    engine: &DuplicityEngine,
    collection: &'a Collection,
    request: &ForgetRequest,
    progress: &dyn Progress,
) -> Result<Plan<'a>> {
    let snapshots = snapshots::list(engine, &request.filter, progress)?;
    let (zone, now) = (&engine.settings().zone, Timestamp::now());
    let decisions = retention::decide(snapshots, &request.keep, request.group_by, now, zone);
    let decided: BTreeMap<String, (Snapshot, Vec<String>)> = decisions
        .into_iter()
        .map(|decision| (decision.snapshot.id.0.clone(), (decision.snapshot, decision.reasons)))
        .collect();
    let mut plan = Plan {
        report: ForgetReport::default(),
        doomed: Vec::new(),
    };
    let latest = collection.latest().and_then(Chain::start);
    for chain in &collection.chains {
        plan.decide_chain(chain, &decided, chain.start() == latest);
    }
    plan.order();
    Ok(plan)
}

fn id(set: &Set) -> String {
    set.id.end().to_string()
}

impl<'a> Plan<'a> {
    /// Keeps or dooms a whole chain.
    fn decide_chain(&mut self, chain: &'a Chain, decided: &BTreeMap<String, (Snapshot, Vec<String>)>, is_latest: bool) {
        let is_kept = |set: &&Set| decided.get(&id(set)).is_none_or(|(_, reasons)| !reasons.is_empty());
        let last_kept = chain.sets.iter().rev().find(is_kept);
        for set in &chain.sets {
            let Some((snapshot, reasons)) = decided.get(&id(set)).cloned() else {
                continue;
            };
            let reasons = match last_kept {
                _ if !reasons.is_empty() => reasons,
                Some(kept) if kept.id.end() > set.id.end() => vec![format!("{} needs it", kept.id)],
                Some(kept) => vec![format!("in the chain of {}", kept.id)],
                None if is_latest => vec!["in the latest chain".to_owned()],
                None => {
                    self.report.removed.push(snapshot);
                    continue;
                }
            };
            self.report.kept.push((snapshot, reasons));
        }
        if last_kept.is_none() && !is_latest {
            self.doomed.extend(&chain.sets);
        }
    }

    /// Newest first: whatever is left when it is broken off is a shorter chain.
    fn order(&mut self) {
        self.doomed.sort_by_key(|set| std::cmp::Reverse(set.id.end()));
        self.report.removed.sort_by_key(|snapshot| snapshot.time);
        self.report
            .kept
            .sort_by_key(|(snapshot, _)| std::cmp::Reverse(snapshot.time));
    }
}

fn by_name<'a>(
    engine: &DuplicityEngine,
    collection: &'a Collection,
    names: &[String],
    progress: &dyn Progress,
) -> Result<Plan<'a>> {
    let all = snapshots::list(engine, &SnapshotFilter::default(), progress)?;
    let named: BTreeSet<SetTime> = names.iter().map(|name| find(collection, name)).collect::<Result<_>>()?;
    let mut doomed = Vec::new();
    for chain in &collection.chains {
        let goes = |set: &&Set| named.contains(&set.id.end());
        let going: Vec<&Set> = chain.sets.iter().filter(goes).collect();
        let stays = chain.sets.iter().rev().find(|set| !goes(set));
        if let Some((stays, going)) = stays
            .zip(going.first())
            .filter(|(stays, going)| stays.id.end() > going.id.end())
        {
            let text = format!("{} is needed by {}, which is not named", going.id, stays.id);
            return Err(Error::Usage(text));
        }
        let is_latest = collection.latest().and_then(Chain::start) == chain.start();
        if is_latest && stays.is_none() {
            let text = "the latest chain is never removed as a whole; make a full backup first";
            return Err(Error::Usage(text.to_owned()));
        }
        doomed.extend(going);
    }
    let mut plan = Plan {
        report: ForgetReport::default(),
        doomed,
    };
    for snapshot in all {
        if plan.doomed.iter().any(|set| id(set) == snapshot.id.0) {
            plan.report.removed.push(snapshot);
        } else {
            plan.report.kept.push((snapshot, vec!["not named".to_owned()]));
        }
    }
    plan.order();
    Ok(plan)
}

/// The one set whose name begins so.
fn find(collection: &Collection, name: &str) -> Result<SetTime> {
    let sets = collection.restorable();
    let fits: Vec<SetTime> = sets
        .into_iter()
        .map(|(_, set)| set.id.end())
        .filter(|time| !name.is_empty() && time.to_string().starts_with(&name.to_ascii_uppercase()))
        .collect();
    match fits.as_slice() {
        [one] => Ok(*one),
        [] => Err(Error::SetNotFound { name: name.to_owned() }),
        several => Err(Error::SetAmbiguous {
            name: name.to_owned(),
            count: several.len(),
        }),
    }
}

/// Removes the sets one by one, each with its manifest first; before that, what an earlier removal left half done.
fn execute(
    engine: &DuplicityEngine,
    archive: &Archive,
    collection: &Collection,
    doomed: &[&Set],
    progress: &dyn Progress,
) -> Result<()> {
    let start = collection.latest().and_then(Chain::start);
    // A running backup is newer than every complete set.
    let half_gone = |set: &&Set| start.is_some_and(|start| set.id.end() < start);
    let loose = collection.incomplete.iter().chain(&collection.stray_signatures);
    let sets: Vec<&Set> = loose.filter(half_gone).chain(doomed.iter().copied()).collect();
    progress.event(engine_api::Event::Phase {
        phase: Phase::Removing,
        total: Some(sets.len() as u64),
    });
    for set in sets {
        if progress.cancelled() {
            return Err(Error::Interrupted);
        }
        remove(engine, archive, set)?;
        progress.event(engine_api::Event::Advanced(1));
    }
    Ok(())
}

/// Removes a set: its manifest first, so that it is never taken for whole; then the rest, here and there.
pub fn remove(engine: &DuplicityEngine, archive: &Archive, set: &Set) -> Result<()> {
    for file in set.files_to_remove() {
        match engine.blobs().remove(&file.key) {
            Err(error) if error.kind != StoreErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    for kind in [FileKind::Manifest, FileKind::Signatures] {
        archive::remove(&archive.path(kind, set.id, false))?;
    }
    Ok(())
}
