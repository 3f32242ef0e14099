//! The end of a backup: everything is stored, and the snapshot that names it is written.

use std::sync::Arc;

use engine_api::{BackupReport, BackupRequest, SnapshotId, Timestamp};

use super::{Outcome, Plan};
use crate::error::{Error, Result};
use crate::format::{SnapshotFile, Summary, format_time};
use crate::repository::{FileKind, Repository, SaveTotals};

/// Writes the snapshot, unless it is a dry run, and completes the report.
pub fn finish(
    repository: &Arc<Repository>,
    request: &BackupRequest,
    plan: &Plan,
    outcome: Outcome,
) -> Result<BackupReport> {
    let Outcome {
        tree,
        paths,
        mut report,
        totals,
    } = outcome;
    report.parent = plan.parent.as_ref().map(|parent| parent.snapshot.id.clone());
    report.bytes_added = totals.plain_bytes;
    report.bytes_stored = totals.stored_bytes;
    if request.dry_run {
        return Ok(report);
    }
    let file = SnapshotFile {
        time: moment(repository, request.time.unwrap_or(plan.started)),
        parent: plan.parent.as_ref().map(|parent| parent.id),
        tree,
        paths: paths.iter().map(|path| path.to_string_lossy().into_owned()).collect(),
        hostname: request.host.clone(),
        username: repository.settings().user.clone(),
        uid: rustix::process::getuid().as_raw(),
        gid: rustix::process::getgid().as_raw(),
        excludes: Some(
            request
                .selection
                .excludes
                .iter()
                .map(|line| String::from_utf8_lossy(line).into_owned())
                .collect(),
        ),
        tags: Some(request.tags.clone()),
        original: None,
        program_version: concat!("holdfast ", env!("CARGO_PKG_VERSION")).to_owned(),
        summary: Some(summary(repository, plan.started, &report, &totals)),
    };
    let json = serde_json::to_vec(&file).map_err(|error| Error::damaged("the snapshot", error.to_string()))?;
    plan.lock.settle()?;
    plan.lock.check()?;
    let id = repository.write_file(FileKind::Snapshot, &json)?;
    report.snapshot = Some(SnapshotId(id.to_string()));
    Ok(report)
}

fn moment(repository: &Repository, moment: Timestamp) -> String {
    let mut text = Vec::new();
    format_time(moment, &repository.settings().zone, &mut text);
    String::from_utf8(text).unwrap_or_default()
}

fn summary(repository: &Repository, started: Timestamp, report: &BackupReport, totals: &SaveTotals) -> Summary {
    Summary {
        backup_start: moment(repository, started),
        backup_end: moment(repository, Timestamp::now()),
        files_new: report.files.new,
        files_changed: report.files.changed,
        files_unmodified: report.files.unchanged,
        dirs_new: report.dirs.new,
        dirs_changed: report.dirs.changed,
        dirs_unmodified: report.dirs.unchanged,
        data_blobs: totals.data_blobs,
        tree_blobs: totals.tree_blobs,
        data_added: totals.plain_bytes,
        data_added_packed: totals.stored_bytes,
        total_files_processed: report.files.total(),
        total_bytes_processed: report.bytes_processed,
    }
}
