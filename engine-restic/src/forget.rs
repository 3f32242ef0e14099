//! Snapshots dropped by a policy or by name. Their data stays until a prune.

use std::collections::{BTreeMap, BTreeSet};

use engine_api::retention::{self, Decision, GroupBy};
use engine_api::{ForgetReport, ForgetRequest, Progress, Snapshot, Timestamp};

use crate::error::{Error, Result};
use crate::lock::{Lock, Mode};
use crate::removal::remove;
use crate::repository::{FileKind, Repository};
use crate::snapshots;
use crate::{Id, ResticEngine};

/// Forgets what the request says; a snapshot that cannot be read is never touched, and told to `progress`.
pub fn run(engine: &ResticEngine, request: &ForgetRequest, progress: &dyn Progress) -> Result<ForgetReport> {
    if request.ids.is_empty() && request.keep.is_empty() {
        return Err(Error::Usage(
            "a retention without any rule would forget every snapshot: say what to keep".to_owned(),
        ));
    }
    let repository = engine.repository();
    if request.dry_run {
        let _lock = Lock::for_reading(&repository, progress)?;
        return plan(&repository, request, progress);
    }
    let lock = Lock::take(&repository, Mode::Exclusive, progress)?;
    let report = plan(&repository, request, progress)?;
    let ids: Vec<Id> = report
        .removed
        .iter()
        .filter_map(|snapshot| Id::parse(&snapshot.id.0))
        .collect();
    remove(&repository, &lock, FileKind::Snapshot, &ids, progress)?;
    Ok(report)
}

fn plan(repository: &Repository, request: &ForgetRequest, progress: &dyn Progress) -> Result<ForgetReport> {
    let decisions = if request.ids.is_empty() {
        by_policy(repository, request, progress)?
    } else {
        by_name(repository, &request.ids, progress)?
    };
    let mut report = ForgetReport::default();
    for decision in decisions {
        if decision.keep() {
            report.kept.push((decision.snapshot, decision.reasons));
        } else {
            report.removed.push(decision.snapshot);
        }
    }
    report.removed.sort_by_key(|snapshot| snapshot.time);
    Ok(report)
}

fn by_policy(repository: &Repository, request: &ForgetRequest, progress: &dyn Progress) -> Result<Vec<Decision>> {
    let stored = snapshots::list(repository, &request.filter, progress)?;
    let snapshots = stored.into_iter().map(|stored| stored.snapshot).collect();
    let (zone, now) = (&repository.settings().zone, Timestamp::now());
    let decisions = retention::decide(snapshots, &request.keep, request.group_by, now, zone);
    refuse_to_empty(&decisions, request.group_by)?;
    Ok(decisions)
}

/// A policy whose rules fit none of a group's snapshots is a slip, not a wish to lose them all.
fn refuse_to_empty(decisions: &[Decision], by: GroupBy) -> Result<()> {
    let mut kept: BTreeMap<String, bool> = BTreeMap::new();
    for decision in decisions {
        *kept.entry(group(&decision.snapshot, by)).or_default() |= decision.keep();
    }
    match kept.into_iter().find(|(_, kept)| !kept) {
        Some((group, _)) => Err(Error::Usage(format!(
            "the retention keeps no snapshot at all{group}; to forget the last ones, name them"
        ))),
        None => Ok(()),
    }
}

/// The snapshot's group in words.
fn group(snapshot: &Snapshot, by: GroupBy) -> String {
    let mut words = String::new();
    if by.host {
        words = format!(" of host `{}`", snapshot.host);
    }
    if by.tags {
        let tags: BTreeSet<&str> = snapshot.tags.iter().map(String::as_str).collect();
        words = format!("{words} with tags {tags:?}");
    }
    if by.paths {
        let paths: BTreeSet<_> = snapshot.paths.iter().collect();
        words = format!("{words} of paths {paths:?}");
    }
    words
}

fn by_name(repository: &Repository, names: &[String], progress: &dyn Progress) -> Result<Vec<Decision>> {
    let mut named = BTreeSet::new();
    for name in names {
        named.insert(snapshots::by_name(repository, name)?.id.to_string());
    }
    let all = snapshots::list(repository, &engine_api::SnapshotFilter::default(), progress)?;
    let decide = |snapshot: Snapshot| Decision {
        reasons: if named.contains(&snapshot.id.0) {
            Vec::new()
        } else {
            vec!["not named".to_owned()]
        },
        snapshot,
    };
    Ok(all.into_iter().map(|stored| decide(stored.snapshot)).collect())
}
