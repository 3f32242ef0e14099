//! What is in snapshots: ls, diff, cat.

use std::io::Read;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;

use engine_api::{DiffEntry, DiffKind, Entry, EntryKind, Event, Phase, Progress};
use jiff::tz::TimeZone;
use jobs::{Error, Status, text};
use serde::Serialize;

use super::{App, Outcome};
use crate::args::{CatArgs, DiffArgs, LsArgs, Selected};
use crate::json::{self, Nothing};

#[derive(Serialize)]
struct Listed<'a> {
    snapshot: &'a str,
    entries: u64,
}

pub fn ls(app: &App, args: &LsArgs) -> Outcome {
    let selected = Selected::read(&args.words)?;
    let (repository, filter) = app.open(&args.repository.access()?, &args.filter)?;
    let listener = app.listener();
    let snapshot = repository.snapshot(&app.context, &filter, selected.snapshot.as_deref(), &listener)?;
    drop(listener);
    let mut entries = 0;
    let mut each = |entry: Entry| {
        entries += 1;
        show(app, &entry, args)?;
        app.go_on()
    };
    if selected.paths.is_empty() {
        repository.engine().entries(&snapshot.id, None, &mut each)?;
    }
    for path in &selected.paths {
        repository.engine().entries(&snapshot.id, Some(path), &mut each)?;
    }
    app.done(
        "ls",
        Status::Success,
        Listed {
            snapshot: &snapshot.id.0,
            entries,
        },
    )
}

fn show(app: &App, entry: &Entry, args: &LsArgs) -> ControlFlow<()> {
    if app.output.is_json() {
        return app.output.item(&json::entry("entry", entry, None));
    }
    let name = entry.path.as_os_str().as_bytes();
    if args.null {
        app.output.raw(name)?;
        return app.output.raw(b"\0");
    }
    let before = if args.long {
        long(entry, &app.context.zone)
    } else {
        String::new()
    };
    app.output.name(&before, name)
}

/// Mode, owner, size and time, as `ls -l` has them, with a blank at the end.
pub fn long(entry: &Entry, zone: &TimeZone) -> String {
    let metadata = &entry.metadata;
    let owner = |name: &Option<std::sync::Arc<str>>, id: u32| {
        name.as_ref().map_or_else(|| id.to_string(), |name| text::clean(name))
    };
    format!(
        "{} {:<8} {:<8} {:>12} {} ",
        mode(metadata.kind, metadata.mode),
        owner(&metadata.user, metadata.uid),
        owner(&metadata.group, metadata.gid),
        metadata.size,
        text::time(metadata.mtime, zone),
    )
}

fn mode(kind: EntryKind, mode: u32) -> String {
    let kind = match kind {
        EntryKind::File => '-',
        EntryKind::Dir => 'd',
        EntryKind::Symlink => 'l',
        EntryKind::Fifo => 'p',
        EntryKind::Socket => 's',
        EntryKind::CharDevice => 'c',
        EntryKind::BlockDevice => 'b',
    };
    let mut text = String::from(kind);
    for (shift, special, letters) in [
        (6, 0o4000, ['s', 'S']),
        (3, 0o2000, ['s', 'S']),
        (0, 0o1000, ['t', 'T']),
    ] {
        let bits = mode >> shift;
        let [with, without] = letters;
        text.push(if bits & 4 == 0 { '-' } else { 'r' });
        text.push(if bits & 2 == 0 { '-' } else { 'w' });
        text.push(match (mode & special != 0, bits & 1 != 0) {
            (true, true) => with,
            (true, false) => without,
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    text
}

#[derive(Serialize, Default)]
struct Differences {
    added: u64,
    removed: u64,
    content: u64,
    metadata: u64,
    other_type: u64,
}

pub fn diff(app: &App, args: &DiffArgs) -> Outcome {
    let (repository, filter) = app.open(&args.repository.access()?, &args.filter)?;
    let listener = app.listener();
    let first = repository.snapshot(&app.context, &filter, Some(&args.first), &listener)?;
    let second = repository.snapshot(&app.context, &filter, Some(&args.second), &listener)?;
    drop(listener);
    let mut counts = Differences::default();
    repository
        .engine()
        .diff(&first.id, &second.id, args.path.as_ref(), &mut |entry| {
            show_difference(app, &entry, args.metadata, &mut counts)?;
            app.go_on()
        })?;
    let Differences {
        added,
        removed,
        content,
        metadata,
        other_type,
    } = &counts;
    app.output.line(&format!(
        "{} to {}: {added} added, {removed} removed, {content} with other content, {metadata} with other metadata, {other_type} of another type",
        first.short_id, second.short_id
    ));
    app.done("diff", Status::Success, counts)
}

fn show_difference(app: &App, entry: &DiffEntry, metadata: bool, counts: &mut Differences) -> ControlFlow<()> {
    let (mark, count) = match entry.kind {
        DiffKind::Added => ("+    ", &mut counts.added),
        DiffKind::Removed => ("-    ", &mut counts.removed),
        DiffKind::Content => ("M    ", &mut counts.content),
        DiffKind::Metadata => ("U    ", &mut counts.metadata),
        DiffKind::Type => ("T    ", &mut counts.other_type),
    };
    *count += 1;
    if entry.kind == DiffKind::Metadata && !metadata {
        return ControlFlow::Continue(());
    }
    if app.output.is_json() {
        return app.output.item(&json::difference(entry));
    }
    app.output.name(mark, entry.path.as_os_str().as_bytes())
}

pub fn cat(app: &App, args: &CatArgs) -> Outcome {
    let selected = Selected::read(&args.words)?;
    let [path] = selected.paths.as_slice() else {
        return Err(Error::Usage("name one file, as a path that begins with `/`".to_owned()).into());
    };
    let (repository, filter) = app.open(&args.repository.access()?, &args.filter)?;
    let listener = app.listener();
    let snapshot = repository.snapshot(&app.context, &filter, selected.snapshot.as_deref(), &listener)?;
    let mut content = repository.engine().open(&snapshot.id, path)?;
    listener.event(Event::Phase {
        phase: Phase::Restoring,
        total: None,
    });
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = content.read(&mut buffer).map_err(|source| Error::Io {
            action: "read from the snapshot",
            path: path.clone(),
            source,
        })?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
            break;
        };
        if app.output.raw(bytes).is_break() || app.interrupt.is_set() {
            break;
        }
    }
    app.done("cat", Status::Success, Nothing {})
}

impl App {
    /// Breaks a listing when somebody asked to stop.
    pub fn go_on(&self) -> ControlFlow<()> {
        if self.interrupt.is_set() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_written_as_ls_writes_them() {
        assert_eq!(mode(EntryKind::File, 0o644), "-rw-r--r--");
        assert_eq!(mode(EntryKind::Dir, 0o1777), "drwxrwxrwt");
        assert_eq!(mode(EntryKind::File, 0o6711), "-rws--s--x");
        assert_eq!(mode(EntryKind::File, 0o7000), "---S--S--T");
    }
}
