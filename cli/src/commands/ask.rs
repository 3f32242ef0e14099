//! Questions to repositories: find, du, verify.

use std::ffi::OsString;
use std::ops::ControlFlow;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use engine_api::{DiffKind, Found};
use jobs::ask::Unanswered;
use jobs::ask::du::{self, Size, Sizes};
use jobs::ask::find::{self, Search};
use jobs::ask::verify::{self, Difference, Verified, Verify};
use jobs::{Status, text};
use serde::Serialize;

use super::contents::long;
use super::{App, Outcome};
use crate::args::{DuArgs, FindArgs, Selected, VerifyArgs, absolute};
use crate::json::{self, JsonPath};

#[derive(Serialize)]
struct UnansweredLine<'a> {
    r#type: &'static str,
    backup: &'a str,
    kind: &'static str,
    message: String,
    hint: Option<String>,
}

/// Says which repositories gave no answer; with one of them the whole is incomplete.
pub fn unanswered(app: &App, unanswered: &[Unanswered]) -> Status {
    for one in unanswered {
        if app.output.is_json() {
            let _ = app.output.item(&UnansweredLine {
                r#type: "unanswered",
                backup: &one.name,
                kind: Status::from(one.error.kind()).name(),
                message: one.error.chain(),
                hint: one.error.hint(),
            });
            continue;
        }
        app.output
            .complain(&format!("backup {} gives no answer: {}", one.name, one.error.chain()));
        if let Some(hint) = one.error.hint() {
            app.output.hint(&hint);
        }
    }
    if unanswered.is_empty() {
        Status::Success
    } else {
        Status::Incomplete
    }
}

#[derive(Serialize)]
struct FoundLine<'a> {
    #[serde(flatten)]
    entry: json::EntryLine<'a>,
    backup: &'a str,
}

#[derive(Serialize)]
struct Matches {
    found: u64,
    more: bool,
    unanswered: usize,
}

pub fn find(app: &App, args: FindArgs) -> Outcome {
    let sources = args.repository.sources(&app.context)?;
    let search = Search {
        patterns: args.patterns.into_iter().map(OsString::into_vec).collect(),
        ignore_case: args.ignore_case,
        snapshot: args.snapshot,
        skip: args.skip,
        limit: args.limit,
    };
    let named = !args.repository.is_one();
    let filter = |usual: &engine_api::SnapshotFilter| args.filter.over(usual);
    let listener = app.listener();
    let searched = find::ask(
        &app.context,
        sources,
        &search,
        &filter,
        &listener,
        &mut |backup, found| {
            show_found(app, backup, found, args.long, named)?;
            app.go_on()
        },
    )?;
    drop(listener);
    let status = unanswered(app, &searched.unanswered);
    app.output.line(&format!("{} found", searched.found));
    if searched.more {
        let next = args.skip + searched.found;
        app.output.line(&format!("There are more: go on with --skip {next}"));
    }
    app.done(
        "find",
        status,
        Matches {
            found: searched.found,
            more: searched.more,
            unanswered: searched.unanswered.len(),
        },
    )
}

fn show_found(app: &App, backup: &str, found: &Found, with_metadata: bool, named: bool) -> ControlFlow<()> {
    if app.output.is_json() {
        return app.output.item(&FoundLine {
            entry: json::entry("found", &found.entry, Some(&found.snapshot.0)),
            backup,
        });
    }
    let mut before = if named {
        format!("{} ", text::clean(backup))
    } else {
        String::new()
    };
    before.push_str(text::short_id(&found.snapshot.0));
    before.push(' ');
    if with_metadata {
        before.push_str(&long(&found.entry, &app.context.zone));
    }
    app.output.name(&before, found.entry.path.as_os_str().as_bytes())
}

#[derive(Serialize)]
struct SizeLine {
    r#type: &'static str,
    #[serde(flatten)]
    path: JsonPath,
    bytes: u64,
    files: u64,
    folders: u64,
}

#[derive(Serialize)]
struct Summed<'a> {
    snapshot: &'a str,
    bytes: u64,
    files: u64,
    folders: u64,
}

pub fn du(app: &App, args: &DuArgs) -> Outcome {
    let selected = Selected::read(&args.words)?;
    let (repository, filter) = app.open(&args.repository.access()?, &args.filter)?;
    let listener = app.listener();
    let snapshot = repository.snapshot(&app.context, &filter, selected.snapshot.as_deref(), &listener)?;
    let sizes = Sizes {
        paths: selected.paths,
        depth: args.depth,
        top: args.top,
    };
    let sum = du::ask(&repository, &snapshot, &sizes, &listener, &mut |size| {
        show_size(app, size)
    })?;
    drop(listener);
    let (files, folders) = (text::count(sum.files, "file"), text::count(sum.folders, "folder"));
    let (bytes, id) = (text::size(sum.bytes), &snapshot.short_id);
    app.output
        .line(&format!("{bytes} in {files} and {folders} of snapshot {id}"));
    app.done(
        "du",
        Status::Success,
        Summed {
            snapshot: &snapshot.id.0,
            bytes: sum.bytes,
            files: sum.files,
            folders: sum.folders,
        },
    )
}

fn show_size(app: &App, size: &Size) -> ControlFlow<()> {
    if app.output.is_json() {
        return app.output.item(&SizeLine {
            r#type: "size",
            path: size.path.as_path().into(),
            bytes: size.bytes,
            files: size.files,
            folders: size.folders,
        });
    }
    let before = format!("{:>10} {:>9} ", text::size(size.bytes), size.files);
    app.output.name(&before, size.path.as_os_str().as_bytes())
}

#[derive(Serialize)]
struct DifferenceLine<'a> {
    r#type: &'static str,
    change: DiffKind,
    #[serde(flatten)]
    path: JsonPath,
    kind: engine_api::EntryKind,
    properties: &'a [&'static str],
    size_before: Option<u64>,
    size_after: Option<u64>,
}

#[derive(Serialize)]
struct Compared<'a> {
    snapshot: &'a str,
    compared: u64,
    files_read: u64,
    added: u64,
    removed: u64,
    content: u64,
    metadata: u64,
    other_type: u64,
    problems: u64,
}

pub fn verify(app: &App, args: &VerifyArgs) -> Outcome {
    let selected = Selected::read(&args.words)?;
    let (repository, filter) = app.open(&args.repository.access()?, &args.filter)?;
    let listener = app.listener();
    let snapshot = repository.snapshot(&app.context, &filter, selected.snapshot.as_deref(), &listener)?;
    let wish = Verify {
        paths: selected.paths,
        target: args.target.as_deref().map_or_else(|| PathBuf::from("/"), absolute),
        read_data: args.read_data,
    };
    let mut each = |difference: &Difference| show_difference(app, difference, args.metadata);
    let found = verify::ask(&app.context, &repository, &snapshot, &wish, &listener, &mut each)?;
    drop(listener);
    app.output.line(&sentence(&found, args.read_data, &snapshot.short_id));
    let status = match (found.is_same(), found.problems.is_empty()) {
        (false, _) => Status::Failed,
        (true, false) => Status::Incomplete,
        (true, true) => Status::Success,
    };
    let details = Compared {
        snapshot: &snapshot.id.0,
        compared: found.compared,
        files_read: found.files_read,
        added: found.added,
        removed: found.removed,
        content: found.content,
        metadata: found.metadata,
        other_type: found.other_type,
        problems: found.problems.count,
    };
    app.done("verify", status, details)
}

fn sentence(found: &Verified, read_data: bool, snapshot: &str) -> String {
    let read = if read_data {
        format!(", {} read and right", text::count(found.files_read, "file"))
    } else {
        String::new()
    };
    let Verified {
        compared,
        added,
        removed,
        content,
        metadata,
        other_type,
        ..
    } = found;
    format!(
        "{compared} compared with snapshot {snapshot}{read}: {added} added, {removed} removed, {content} with other content, {metadata} with other metadata, {other_type} of another type"
    )
}

fn show_difference(app: &App, difference: &Difference, metadata: bool) -> ControlFlow<()> {
    let mark = match difference.sort {
        DiffKind::Added => "+",
        DiffKind::Removed => "-",
        DiffKind::Content => "M",
        DiffKind::Metadata => "U",
        DiffKind::Type => "T",
    };
    if difference.sort == DiffKind::Metadata && !metadata {
        return ControlFlow::Continue(());
    }
    if app.output.is_json() {
        return app.output.item(&DifferenceLine {
            r#type: "difference",
            change: difference.sort,
            path: difference.path.as_path().into(),
            kind: difference.kind,
            properties: &difference.properties,
            size_before: difference.size_before,
            size_after: difference.size_after,
        });
    }
    let before = match difference.properties.as_slice() {
        [] => format!("{mark}    "),
        properties => format!("{mark}    ({}) ", properties.join(", ")),
    };
    app.output.name(&before, difference.path.as_os_str().as_bytes())
}
