//! Shapes of JSON lines that several commands share. docs/commands.md describes them.

use std::path::Path;

use data_encoding::BASE64;
use engine_api::{DiffEntry, Entry, EntryKind, Snapshot, Timestamp};
use jobs::Status;
use serde::Serialize;

/// A path: as text, and when it is no UTF-8 also as its bytes.
#[derive(Serialize)]
pub struct JsonPath {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_base64: Option<String>,
}

impl From<&Path> for JsonPath {
    fn from(path: &Path) -> Self {
        let (path, path_base64) = path_parts(path);
        Self { path, path_base64 }
    }
}

/// A path as text, and its bytes when it is no UTF-8.
pub fn path_parts(path: &Path) -> (String, Option<String>) {
    let bytes = || BASE64.encode(path.as_os_str().as_encoded_bytes());
    (path.to_string_lossy().into_owned(), path.to_str().is_none().then(bytes))
}

/// A moment as RFC 3339 has it, in UTC.
pub fn time(moment: Timestamp) -> Option<String> {
    moment.to_jiff().map(|moment| moment.to_string())
}

#[derive(Serialize)]
pub struct SnapshotLine<'a> {
    r#type: &'static str,
    id: &'a str,
    short_id: &'a str,
    time: Option<String>,
    host: &'a str,
    user: &'a str,
    paths: Vec<String>,
    tags: &'a [String],
    program: Option<&'a str>,
    files: Option<u64>,
    bytes: Option<u64>,
    bytes_added: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasons: Option<&'a [String]>,
}

/// A snapshot as a line of that type; `reasons` are the rules that keep it.
pub fn snapshot<'a>(r#type: &'static str, snapshot: &'a Snapshot, reasons: Option<&'a [String]>) -> SnapshotLine<'a> {
    SnapshotLine {
        r#type,
        id: &snapshot.id.0,
        short_id: &snapshot.short_id,
        time: time(snapshot.time),
        host: &snapshot.host,
        user: &snapshot.user,
        paths: snapshot
            .paths
            .iter()
            .map(|path| path.to_string_lossy().into_owned())
            .collect(),
        tags: &snapshot.tags,
        program: snapshot.program.as_deref(),
        files: snapshot.files,
        bytes: snapshot.bytes,
        bytes_added: snapshot.bytes_added,
        reasons,
    }
}

#[derive(Serialize)]
pub struct EntryLine<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot: Option<&'a str>,
    #[serde(flatten)]
    path: JsonPath,
    kind: EntryKind,
    mode: String,
    uid: u32,
    gid: u32,
    user: Option<&'a str>,
    group: Option<&'a str>,
    size: u64,
    mtime: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link_target: Option<String>,
}

/// An entry as a line of that type, found in that snapshot.
pub fn entry<'a>(r#type: &'static str, entry: &'a Entry, snapshot: Option<&'a str>) -> EntryLine<'a> {
    let metadata = &entry.metadata;
    EntryLine {
        r#type,
        snapshot,
        path: entry.path.as_path().into(),
        kind: metadata.kind,
        mode: format!("{:04o}", metadata.mode),
        uid: metadata.uid,
        gid: metadata.gid,
        user: metadata.user.as_deref(),
        group: metadata.group.as_deref(),
        size: metadata.size,
        mtime: time(metadata.mtime),
        link_target: metadata
            .link_target
            .as_ref()
            .map(|target| target.to_string_lossy().into_owned()),
    }
}

#[derive(Serialize)]
pub struct DifferenceLine {
    r#type: &'static str,
    change: engine_api::DiffKind,
    #[serde(flatten)]
    path: JsonPath,
    kind: EntryKind,
    size_before: u64,
    size_after: u64,
}

pub fn difference(entry: &DiffEntry) -> DifferenceLine {
    DifferenceLine {
        r#type: "difference",
        change: entry.kind,
        path: entry.path.as_path().into(),
        kind: entry.entry,
        size_before: entry.size_before,
        size_after: entry.size_after,
    }
}

/// The last line of a command that did what was asked, with its numbers in `details`.
#[derive(Serialize)]
pub struct ResultLine<'a, T> {
    r#type: &'static str,
    command: &'a str,
    status: &'static str,
    code: u8,
    #[serde(flatten)]
    details: T,
}

impl<'a, T> ResultLine<'a, T> {
    pub fn new(command: &'a str, status: Status, details: T) -> Self {
        Self {
            r#type: "result",
            command,
            status: status.name(),
            code: status.code(),
            details,
        }
    }
}

/// No numbers.
#[derive(Serialize)]
pub struct Nothing {}
