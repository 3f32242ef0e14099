//! Snapshots dropped: by name, by a policy, or by the strategy.

use std::collections::{BTreeMap, BTreeSet};

use engine_api::retention::{self, Decision};
use engine_api::{Event, FileStore, ForgetReport, ForgetRequest, Phase, Progress, Snapshot, SnapshotFilter, Timestamp};

use crate::error::{Error, Result};
use crate::expire::Strategy;
use crate::lock::Lock;
use crate::{RsyncEngine, layout, removal, snapshots};

/// Forgets what the request says; with no names and no rules, what the engine's strategy says.
pub fn run(engine: &RsyncEngine, request: &ForgetRequest, progress: &dyn Progress) -> Result<ForgetReport> {
    if request.ids.is_empty() && request.keep.is_empty() && engine.settings().strategy.is_none() {
        return Err(Error::Usage(
            "a retention without any rule would forget every snapshot: say what to keep".to_owned(),
        ));
    }
    if request.dry_run {
        return plan(engine, request, progress);
    }
    let lock = Lock::take(engine, progress)?;
    removal::sweep(engine.store(), progress)?;
    let report = plan(engine, request, progress)?;
    let gone: Vec<String> = report.removed.iter().map(|snapshot| snapshot.id.0.clone()).collect();
    remove(engine, &gone, &lock, progress)?;
    Ok(report)
}

/// What the strategy lets go after a backup, of the `older` snapshots; the new one stays in any case. The caller holds the
/// lock.
pub fn after_backup(
    engine: &RsyncEngine,
    older: Vec<(Timestamp, String)>,
    new: &str,
    lock: &Lock,
    progress: &dyn Progress,
) -> Result<()> {
    let Some(strategy) = &engine.settings().strategy else {
        return Ok(());
    };
    let mut all = older;
    all.extend(crate::name::moment(new.as_bytes(), engine.zone()).map(|time| (time, new.to_owned())));
    all.sort_unstable_by(|one, other| one.1.cmp(&other.1));
    let times: Vec<Timestamp> = all.iter().map(|(time, _)| *time).collect();
    let kept = kept_by(strategy, &times);
    let gone = all.into_iter().zip(kept).filter(|(_, kept)| !kept);
    let gone: Vec<String> = gone.map(|((_, name), _)| name).filter(|name| name != new).collect();
    remove(engine, &gone, lock, progress)
}

/// Which the strategy keeps; the newest always stays: it is what the next backup is linked against.
fn kept_by(strategy: &Strategy, times: &[Timestamp]) -> Vec<bool> {
    let mut kept = strategy.decide(times, Timestamp::now());
    if let Some(newest) = kept.last_mut() {
        *newest = true;
    }
    kept
}

fn list(engine: &RsyncEngine, filter: &SnapshotFilter, progress: &dyn Progress) -> Result<Vec<Snapshot>> {
    let stored = snapshots::list(engine, filter, progress)?;
    Ok(stored.into_iter().map(|stored| stored.snapshot).collect())
}

fn plan(engine: &RsyncEngine, request: &ForgetRequest, progress: &dyn Progress) -> Result<ForgetReport> {
    let decisions = if !request.ids.is_empty() {
        by_name(engine, request, progress)?
    } else if request.keep.is_empty() {
        by_strategy(engine, list(engine, &request.filter, progress)?)
    } else {
        by_policy(engine, request, progress)?
    };
    let mut report = ForgetReport::default();
    for decision in decisions {
        if decision.keep() {
            report.kept.push((decision.snapshot, decision.reasons));
        } else {
            report.removed.push(decision.snapshot);
        }
    }
    report.removed.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(report)
}

fn by_name(engine: &RsyncEngine, request: &ForgetRequest, progress: &dyn Progress) -> Result<Vec<Decision>> {
    let mut named = BTreeSet::new();
    for name in &request.ids {
        named.insert(snapshots::by_name(engine, name)?.snapshot.id);
    }
    let decide = |snapshot: Snapshot| Decision {
        reasons: if named.contains(&snapshot.id) {
            Vec::new()
        } else {
            vec!["not named".to_owned()]
        },
        snapshot,
    };
    let all = list(engine, &SnapshotFilter::default(), progress)?;
    Ok(all.into_iter().map(decide).collect())
}

fn by_strategy(engine: &RsyncEngine, snapshots: Vec<Snapshot>) -> Vec<Decision> {
    let Some(strategy) = &engine.settings().strategy else {
        return Vec::new();
    };
    // In the order of the names, and by their moments, as the script sees them.
    let moment =
        |snapshot: &Snapshot| crate::name::moment(snapshot.id.0.as_bytes(), engine.zone()).unwrap_or(snapshot.time);
    let times: Vec<Timestamp> = snapshots.iter().map(moment).collect();
    let kept = kept_by(strategy, &times);
    let decide = |(snapshot, kept): (Snapshot, bool)| Decision {
        reasons: if kept {
            vec![format!("strategy {strategy}")]
        } else {
            Vec::new()
        },
        snapshot,
    };
    snapshots.into_iter().zip(kept).map(decide).collect()
}

fn by_policy(engine: &RsyncEngine, request: &ForgetRequest, progress: &dyn Progress) -> Result<Vec<Decision>> {
    let all = list(engine, &request.filter, progress)?;
    let is_any = !all.is_empty();
    let grouped = with_origins(&all);
    let mut decisions = retention::decide(
        grouped,
        &request.keep,
        request.group_by,
        Timestamp::now(),
        engine.zone(),
    );
    let mut told: BTreeMap<_, _> = all
        .into_iter()
        .map(|snapshot| (snapshot.id.clone(), snapshot))
        .collect();
    for decision in &mut decisions {
        if let Some(snapshot) = told.remove(&decision.snapshot.id) {
            decision.snapshot = snapshot;
        }
    }
    // A policy whose rules fit no snapshot is a slip, not a wish to lose them all.
    if is_any && !decisions.iter().any(Decision::keep) {
        return Err(Error::Usage(
            "the retention keeps no snapshot at all; to forget the last ones, name them".to_owned(),
        ));
    }
    Ok(decisions)
}

/// What the script made says not whose it is. Where all others are of one machine and one backup it is theirs, and is counted
/// with them; it would otherwise be a group of its own, of which the newest never goes.
fn with_origins(all: &[Snapshot]) -> Vec<Snapshot> {
    let is_known = |snapshot: &&Snapshot| !snapshot.host.is_empty() || !snapshot.tags.is_empty();
    let origins: BTreeSet<_> = all
        .iter()
        .filter(is_known)
        .map(|known| (&known.host, &known.tags))
        .collect();
    let mut grouped = all.to_vec();
    if let (Some((host, tags)), 1) = (origins.first(), origins.len()) {
        for snapshot in grouped.iter_mut().filter(|snapshot| !is_known(&&**snapshot)) {
            snapshot.host.clone_from(host);
            snapshot.tags.clone_from(tags);
        }
    }
    grouped
}

/// Removes snapshots, oldest first; `latest` leads to the newest of those that are left.
fn remove(engine: &RsyncEngine, gone: &[String], lock: &Lock, progress: &dyn Progress) -> Result<()> {
    if gone.is_empty() {
        return Ok(());
    }
    progress.event(Event::Phase {
        phase: Phase::Removing,
        total: Some(gone.len() as u64),
    });
    let store = engine.store();
    layout::check_marker(engine)?;
    settle_latest(engine, store, gone)?;
    for name in gone {
        if progress.cancelled() {
            return Err(Error::Interrupted);
        }
        lock.confirm()?;
        layout::check_marker(engine)?;
        removal::remove_snapshot(store, name, progress)?;
        progress.event(Event::Advanced(1));
    }
    Ok(())
}

/// Before what `latest` leads to is removed, it leads elsewhere.
fn settle_latest(engine: &RsyncEngine, store: &dyn FileStore, gone: &[String]) -> Result<()> {
    let latest = layout::latest(store)?;
    let goes = |name: &[u8]| gone.iter().any(|gone| gone.as_bytes() == name);
    if !latest.is_some_and(|latest| goes(&latest)) {
        return Ok(());
    }
    let names = snapshots::names(store, engine.zone())?;
    match names.iter().rfind(|(_, name)| !goes(name.as_bytes())) {
        Some((_, name)) => layout::point_latest(store, name.as_bytes()),
        None => layout::remove_file(store, &store.root(), layout::LATEST),
    }
}

#[cfg(test)]
mod tests;
