//! One folder's listing, looked through and written again with what is left. What this program does not know of a node
//! stays as it is.

use std::ffi::{OsStr, OsString};

use engine_api::EntryKind;
use serde_json::value::RawValue;

use crate::Id;
use crate::format::{BlobKind, Node, RawObject, read_node};
use crate::index::Index;

/// What a listing holds.
pub struct Scan {
    /// Its folders with their listings.
    pub folders: Vec<(OsString, Option<Id>)>,
    /// Whether it can stay as it is, as far as its folders do.
    pub intact: bool,
}

/// A listing that was written again.
pub struct Rewritten {
    /// Its bytes.
    pub blob: Vec<u8>,
    /// What became of which entry.
    pub changes: Vec<(OsString, String)>,
}

/// Looks through a listing; fails when it is none.
pub fn scan(blob: &[u8], index: &Index) -> Result<Scan, String> {
    let object = parse(blob)?;
    let mut scan = Scan {
        folders: Vec::new(),
        intact: true,
    };
    let mut last: Option<OsString> = None;
    for raw in nodes(&object)? {
        let Some(node) = read_node(raw.get()) else {
            scan.intact = false;
            continue;
        };
        scan.intact &= last.as_ref().is_none_or(|last| *last < node.name);
        if node.metadata.kind == EntryKind::File {
            let left = left_of(&node, index);
            scan.intact &= left.is_none() && has_content(raw);
        }
        if node.metadata.kind == EntryKind::Dir {
            scan.folders.push((node.name.clone(), node.subtree));
        }
        last = Some(node.name);
    }
    Ok(scan)
}

/// Writes a listing again; `folder` says what a folder's listing is now.
pub fn rewrite(blob: &[u8], index: &Index, folder: &dyn Fn(Option<Id>) -> Id) -> Result<Rewritten, String> {
    let mut object = parse(blob)?;
    let mut changes = Vec::new();
    let mut kept: Vec<(OsString, Vec<u8>)> = Vec::new();
    for raw in nodes(&object)? {
        match read_node(raw.get()) {
            Some(node) => {
                let (text, change) = rewrite_node(raw, &node, index, folder)?;
                changes.extend(change.map(|change| (node.name.clone(), change)));
                kept.push((node.name, text));
            }
            None => changes.push((
                OsStr::new("?").to_owned(),
                "an entry that makes no sense goes".to_owned(),
            )),
        }
    }
    kept.sort_by(|(a, _), (b, _)| a.cmp(b));
    kept.dedup_by(|(a, _), (b, _)| a == b);
    let texts: Vec<Vec<u8>> = kept.into_iter().map(|(_, text)| text).collect();
    let mut list = vec![b'['];
    list.extend(texts.join(&b','));
    list.push(b']');
    object.set("nodes", String::from_utf8(list).map_err(|error| error.to_string())?);
    let mut blob = Vec::new();
    object.write(&mut blob);
    blob.push(b'\n');
    Ok(Rewritten { blob, changes })
}

fn parse(blob: &[u8]) -> Result<RawObject<'_>, String> {
    serde_json::from_slice(blob).map_err(|error| error.to_string())
}

fn nodes<'o>(object: &'o RawObject<'_>) -> Result<Vec<&'o RawValue>, String> {
    let list = object.get("nodes").ok_or("it has no nodes")?;
    let nodes: Option<Vec<&RawValue>> = serde_json::from_str(list).map_err(|error| error.to_string())?;
    Ok(nodes.unwrap_or_default())
}

fn has_content(raw: &RawValue) -> bool {
    let object: Option<RawObject<'_>> = serde_json::from_str(raw.get()).ok();
    object.is_some_and(|object| object.get("content").is_some_and(|content| content != "null"))
}

/// The chunks that are left of a file and their length together; `None` when nothing is to be changed.
fn left_of(node: &Node, index: &Index) -> Option<(Vec<Id>, u64)> {
    let (mut left, mut size) = (Vec::new(), 0);
    for id in &node.content {
        if let Some(location) = index.get(BlobKind::Data, *id) {
            left.push(*id);
            size += u64::from(location.blob.plain_length());
        }
    }
    (left.len() < node.content.len() || size != node.metadata.size).then_some((left, size))
}

/// The node's text, and what has changed in it.
fn rewrite_node(
    raw: &RawValue,
    node: &Node,
    index: &Index,
    folder: &dyn Fn(Option<Id>) -> Id,
) -> Result<(Vec<u8>, Option<String>), String> {
    let mut object: RawObject<'_> = serde_json::from_str(raw.get()).map_err(|error| error.to_string())?;
    let mut change = None;
    match node.metadata.kind {
        EntryKind::File => {
            if let Some((left, size)) = left_of(node, index) {
                let lost = node.content.len() - left.len();
                change = Some(match lost {
                    0 => format!("its length is {size} bytes, not {}", node.metadata.size),
                    _ => format!("{lost} of its {} chunks are lost", node.content.len()),
                });
                object.set("size", size.to_string());
                object.set(
                    "content",
                    serde_json::to_string(&left).map_err(|error| error.to_string())?,
                );
            } else if !has_content(raw) {
                object.set("content", "[]".to_owned());
            }
        }
        EntryKind::Dir => {
            let new = folder(node.subtree);
            if node.subtree != Some(new) {
                object.set("subtree", format!("\"{new}\""));
            }
        }
        _ => {}
    }
    let mut text = Vec::new();
    object.write(&mut text);
    Ok((text, change))
}
