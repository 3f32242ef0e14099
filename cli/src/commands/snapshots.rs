use engine_api::Snapshot;
use jiff::tz::TimeZone;
use jobs::{Status, text};
use serde::Serialize;

use super::{App, Outcome};
use crate::args::{Filter, RepoArgs};
use crate::json;

#[derive(Serialize)]
struct Details {
    snapshots: usize,
}

pub fn run(app: &App, repository: &RepoArgs, filter: &Filter) -> Outcome {
    let (repository, filter) = app.open(&repository.access()?, filter)?;
    let listener = app.listener();
    let snapshots = repository.engine().snapshots(&filter, &listener)?;
    drop(listener);
    if app.output.is_json() {
        for snapshot in &snapshots {
            if app.output.item(&json::snapshot("snapshot", snapshot, None)).is_break() {
                break;
            }
        }
    } else {
        table(app, &snapshots);
        app.output.line(&text::count(snapshots.len() as u64, "snapshot"));
    }
    app.done(
        "snapshots",
        Status::Success,
        Details {
            snapshots: snapshots.len(),
        },
    )
}

/// A table of snapshots, as wide as its widest cells.
pub fn table(app: &App, snapshots: &[Snapshot]) {
    let heads = ["ID", "Time", "Host", "Tags", "Files", "Size", "Paths"].map(str::to_owned);
    let rows: Vec<_> = snapshots
        .iter()
        .map(|snapshot| row(snapshot, &app.context.zone))
        .collect();
    if rows.is_empty() {
        return;
    }
    let all: Vec<_> = std::iter::once(&heads).chain(&rows).collect();
    for row in &all {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = all
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max();
            let width = width.unwrap_or(0);
            line.push_str(&match column {
                6 => cell.clone(),
                4 | 5 => format!("{cell:>width$}  "),
                _ => format!("{cell:<width$}  "),
            });
        }
        if app.output.answer(line.trim_end().as_bytes()).is_break() {
            break;
        }
    }
}

fn row(snapshot: &Snapshot, zone: &TimeZone) -> [String; 7] {
    let paths: Vec<_> = snapshot.paths.iter().map(|path| text::path(path)).collect();
    [
        snapshot.short_id.clone(),
        text::time(snapshot.time, zone),
        text::clean(&snapshot.host),
        text::clean(&snapshot.tags.join(",")),
        snapshot.files.map_or_else(|| "-".to_owned(), |files| files.to_string()),
        snapshot.bytes.map_or_else(|| "-".to_owned(), text::size),
        paths.join(", "),
    ]
}
