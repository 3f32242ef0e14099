//! The versions of one path.

use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;

use jobs::ask::history::{self, Past, Turn};
use jobs::text;
use serde::Serialize;

use super::ask::unanswered;
use super::{App, Outcome};
use crate::args::{HistoryArgs, absolute};
use crate::json;

#[derive(Serialize)]
struct VersionLine<'a> {
    r#type: &'static str,
    backup: &'a str,
    snapshot: &'a str,
    time: Option<String>,
    change: Turn,
    snapshots: u64,
    last_snapshot: &'a str,
    last_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<json::EntryLine<'a>>,
}

#[derive(Serialize)]
struct Told {
    versions: usize,
    unanswered: usize,
}

pub fn run(app: &App, args: &HistoryArgs) -> Outcome {
    let path = absolute(&args.path);
    let sources = args.repository.sources(&app.context)?;
    let listener = app.listener();
    let history = history::ask(&app.context, sources, &path, !args.all, &listener)?;
    drop(listener);
    if !app.output.is_json() && !history.versions.is_empty() {
        app.output.line(&format!(
            "{:<19}  {:<12} {:<17} {:>10}  {:<19}  CHANGE",
            "TIME", "BACKUP", "SNAPSHOT", "SIZE", "MODIFIED"
        ));
    }
    for past in &history.versions {
        if show(app, past).is_break() {
            break;
        }
    }
    let status = unanswered(app, &history.unanswered);
    let last = history.versions.iter().rev().find(|past| past.entry.is_some());
    if let Some(past) = last {
        let path = String::from_utf8_lossy(path.as_os_str().as_bytes()).into_owned();
        let (selector, id) = (selector(args, past), text::short_id(&past.snapshot.id.0));
        app.output.line(&format!(
            "To bring one back beside what is there: holdfast restore {selector} --beside {id} {}",
            text::clean(&path)
        ));
    }
    app.done(
        "history",
        status,
        Told {
            versions: history.versions.len(),
            unanswered: history.unanswered.len(),
        },
    )
}

fn selector(args: &HistoryArgs, past: &Past) -> String {
    let option = if args.repository.repo.is_some() { "--repo" } else { "-b" };
    format!("{option} {}", text::clean(&past.backup))
}

fn show(app: &App, past: &Past) -> ControlFlow<()> {
    if app.output.is_json() {
        return app.output.item(&VersionLine {
            r#type: "version",
            backup: &past.backup,
            snapshot: &past.snapshot.id.0,
            time: json::time(past.snapshot.time),
            change: past.turn,
            snapshots: past.snapshots,
            last_snapshot: &past.last.id.0,
            last_time: json::time(past.last.time),
            entry: past.entry.as_ref().map(|entry| json::entry("entry", entry, None)),
        });
    }
    let zone = &app.context.zone;
    let (size, modified) = past.entry.as_ref().map_or_else(
        || ("-".to_owned(), "-".to_owned()),
        |entry| {
            let size = match entry.metadata.kind {
                engine_api::EntryKind::File => text::size(entry.metadata.size),
                _ => "-".to_owned(),
            };
            (size, text::time(entry.metadata.mtime, zone))
        },
    );
    let more = match past.snapshots {
        1 => String::new(),
        count => format!(" ({count} snapshots until {})", text::time(past.last.time, zone)),
    };
    app.output.answer(
        format!(
            "{:<19}  {:<12} {:<17} {size:>10}  {modified:<19}  {}{more}",
            text::time(past.snapshot.time, zone),
            text::clean(&past.backup),
            text::short_id(&past.snapshot.id.0),
            word(past.turn)
        )
        .as_bytes(),
    )
}

fn word(turn: Turn) -> &'static str {
    match turn {
        Turn::New => "new",
        Turn::Unchanged => "unchanged",
        Turn::Content => "content",
        Turn::Metadata => "metadata",
        Turn::Type => "type",
        Turn::Gone => "gone",
        _ => "?",
    }
}
