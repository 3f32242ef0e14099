use std::path::{Path, PathBuf};

use engine_api::RestoreReport;
use jobs::{Error, Restore, Restored, Status, text};
use serde::Serialize;

use super::{App, Outcome};
use crate::args::{RestoreArgs, Selected};
use crate::json::{self, JsonPath};

pub fn run(app: &App, args: RestoreArgs) -> Outcome {
    let selected = Selected::read(&args.words)?;
    let target = target(&args);
    if args.delete && target == Path::new("/") && selected.paths.is_empty() {
        let text = "--delete in place needs the paths that it may touch";
        return Err(Error::Usage(text.to_owned()).into());
    }
    let (repository, filter) = app.open(&args.repository.access()?, &args.filter)?;
    let listener = app.listener();
    let snapshot = repository.snapshot(&app.context, &filter, selected.snapshot.as_deref(), &listener)?;
    let restore = Restore {
        paths: selected.paths,
        target: target.clone(),
        beside: args.beside,
        overwrite: args.overwrite.into(),
        delete_extra: args.delete,
        numeric_owners: args.numeric_owners,
        sparse: !args.no_sparse,
        verify: args.verify,
        dry_run: args.dry_run,
    };
    let restored = repository.restore(&app.context, &snapshot, &restore, &listener)?;
    drop(listener);
    tell(app, &restore, &restored);
    finish(app, "restore", &restored.report, &target, args.dry_run)
}

#[derive(Serialize)]
struct PlacedLine {
    r#type: &'static str,
    #[serde(flatten)]
    path: JsonPath,
    restored: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    restored_base64: Option<String>,
}

/// Says what was restored: each path that was asked for and where it is now, then the sums.
pub fn tell(app: &App, restore: &Restore, restored: &Restored) {
    for placed in &restored.placed {
        let (text, base64) = json::path_parts(&placed.restored);
        let _ = app.output.item(&PlacedLine {
            r#type: "restored",
            path: placed.saved.as_path().into(),
            restored: text,
            restored_base64: base64,
        });
        if restore.beside {
            let (saved, now) = (text::path(&placed.saved), text::path(&placed.restored));
            app.output.line(&format!("{saved} is restored as {now}"));
        }
    }
    app.output
        .lines(&lines(&restored.report, &restore.target, restore.dry_run));
}

fn target(args: &RestoreArgs) -> PathBuf {
    match &args.target {
        Some(folder) if !args.in_place => crate::args::absolute(folder),
        _ => PathBuf::from("/"),
    }
}

/// What was restored, for people.
fn lines(report: &RestoreReport, target: &Path, dry_run: bool) -> Vec<String> {
    let snapshot = report.snapshot.as_ref().map_or("", |id| text::short_id(&id.0));
    let verb = if dry_run { "Would restore" } else { "Restored" };
    let mut line = format!(
        "{verb} {} ({}) and {} of snapshot {snapshot} under {} in {}",
        text::count(report.files_restored, "file"),
        text::size(report.bytes_restored),
        others(report.others_restored),
        text::path(target),
        text::clock(report.duration),
    );
    let extra = [
        (report.files_skipped, "left as they were"),
        (report.files_verified, "verified"),
        (report.deleted, "removed"),
    ];
    for (count, what) in extra.into_iter().filter(|(count, _)| *count > 0) {
        line.push_str(&format!("; {count} {what}"));
    }
    let mut lines = vec![line];
    if !report.problems.is_empty() {
        lines.push(format!(
            "{} could not be restored, or not wholly",
            text::count(report.problems.count, "path")
        ));
    }
    lines
}

fn others(count: u64) -> String {
    if count == 1 {
        "1 other entry".to_owned()
    } else {
        format!("{count} other entries")
    }
}

#[derive(Serialize)]
struct Details<'a> {
    snapshot: Option<&'a str>,
    target: String,
    dry_run: bool,
    files_restored: u64,
    files_skipped: u64,
    others_restored: u64,
    deleted: u64,
    bytes_restored: u64,
    files_verified: u64,
    problems: u64,
    seconds: f64,
}

/// The result of a restore.
pub fn finish(app: &App, command: &str, report: &RestoreReport, target: &Path, dry_run: bool) -> Outcome {
    let status = if report.problems.is_empty() {
        Status::Success
    } else {
        Status::Incomplete
    };
    conclude(app, command, report, target, dry_run, status)
}

/// The same of a restore that ended so.
pub fn finish_as(app: &App, command: &str, report: &RestoreReport, target: &Path, status: Status) -> Outcome {
    conclude(app, command, report, target, false, status)
}

fn conclude(app: &App, command: &str, report: &RestoreReport, target: &Path, dry_run: bool, status: Status) -> Outcome {
    let details = Details {
        snapshot: report.snapshot.as_ref().map(|id| id.0.as_str()),
        target: target.display().to_string(),
        dry_run,
        files_restored: report.files_restored,
        files_skipped: report.files_skipped,
        others_restored: report.others_restored,
        deleted: report.deleted,
        bytes_restored: report.bytes_restored,
        files_verified: report.files_verified,
        problems: report.problems.count,
        seconds: report.duration.as_secs_f64(),
    };
    app.done(command, status, details)
}
