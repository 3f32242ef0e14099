//! A file for Prometheus' node exporter (its textfile collector), one for each job.

use std::fmt::{Display, Write};
use std::path::Path;

use jiff::Timestamp;

use super::{Sent, Unsent};
use crate::atomic;
use crate::journal::{JobState, PastRun};

/// Replaces `holdfast-NAME.prom` in `folder`; the collector reads it at any time and never sees half of it.
pub(super) fn write(folder: &Path, run: &PastRun, state: Option<&JobState>) -> Sent {
    let path = folder.join(format!("holdfast-{}.prom", run.backup));
    atomic::replace(&path, 0o644, text(run, state).as_bytes()).map_err(|error| {
        let error = engine_api::Error::from(error);
        Unsent {
            message: error.chain(),
            hint: error
                .hint()
                .or_else(|| Some("make the folder that PrometheusFolder names".to_owned())),
        }
    })
}

/// A name, what it means, and its value where it is known.
type Metric = (&'static str, &'static str, Option<String>);

/// The file's content.
pub(super) fn text(run: &PastRun, state: Option<&JobState>) -> String {
    let mut text = String::new();
    for (name, help, value) in of_run(run).into_iter().chain(of_job(run, state)) {
        if let Some(value) = value {
            let _ = write!(
                text,
                "# HELP holdfast_{name} {help}\n# TYPE holdfast_{name} gauge\nholdfast_{name}{{backup=\"{}\"}} {value}\n",
                run.backup
            );
        }
    }
    text
}

fn of_run(run: &PastRun) -> [Metric; 9] {
    let (start, end) = (seconds(&run.started), seconds(&run.ended));
    let files = run.files.map(|files| files.total());
    [
        ("last_run_start_timestamp_seconds", "When the last run began.", start),
        ("last_run_end_timestamp_seconds", "When the last run was over.", end),
        (
            "last_run_duration_seconds",
            "How long the last run took.",
            shown(Some(run.seconds)),
        ),
        (
            "last_run_success",
            "Whether the last run was a full success.",
            shown(Some(u8::from(run.is_good()))),
        ),
        (
            "last_run_exit_code",
            "The exit code of the last run.",
            shown(Some(run.code)),
        ),
        (
            "last_run_problems",
            "Paths that the last run could not save.",
            shown(Some(run.problems.count)),
        ),
        ("last_run_files", "Files in the snapshot of the last run.", shown(files)),
        (
            "last_run_bytes_processed",
            "Bytes of all files of that snapshot.",
            shown(run.bytes_processed),
        ),
        (
            "last_run_bytes_stored",
            "Bytes that the last run added to the repository.",
            shown(run.bytes_stored),
        ),
    ]
}

fn of_job(run: &PastRun, state: Option<&JobState>) -> [Metric; 7] {
    let check = state.and_then(|state| state.last_check.as_ref());
    let good = state.and_then(|state| state.last_good.as_ref());
    let snapshot = state.and_then(|state| state.last_snapshot.as_ref());
    let good = good.and_then(|good| seconds(&good.started));
    let snapshot = snapshot.and_then(|snapshot| seconds(&snapshot.started));
    let usage = run.usage.as_ref();
    let (total, available) = (usage.map(|usage| usage.total), usage.map(|usage| usage.available));
    [
        (
            "last_good_timestamp_seconds",
            "When the last run that was a full success began.",
            good,
        ),
        (
            "last_snapshot_timestamp_seconds",
            "When the last run that made a snapshot began.",
            snapshot,
        ),
        (
            "failures",
            "Runs since the last good one.",
            shown(state.map(|state| state.failures)),
        ),
        (
            "last_check_timestamp_seconds",
            "When the repository was checked last.",
            check.and_then(|check| seconds(&check.time)),
        ),
        (
            "last_check_errors",
            "Errors that this check has found.",
            shown(check.map(|check| check.errors)),
        ),
        ("destination_bytes_total", "The size of the destination.", shown(total)),
        (
            "destination_bytes_available",
            "What can still be written there.",
            shown(available),
        ),
    ]
}

fn shown(value: Option<impl Display>) -> Option<String> {
    value.map(|value| value.to_string())
}

fn seconds(moment: &str) -> Option<String> {
    moment
        .parse::<Timestamp>()
        .ok()
        .map(|moment| moment.as_second().to_string())
}
