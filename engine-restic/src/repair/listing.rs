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
            scan.intact &= left_of(&node, index).is_none() && has_content(raw);
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
    if node.metadata.kind != EntryKind::File {
        return None;
    }
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
    let now = folder_of(node, folder);
    if let Some(new) = now.filter(|new| node.subtree != Some(*new)) {
        object.set("subtree", format!("\"{new}\""));
    } else if let Some((left, size)) = left_of(node, index) {
        let lost = node.content.len() - left.len();
        change = Some(match lost {
            0 => format!("its length is {size} bytes, not {}", node.metadata.size),
            _ => format!("{lost} of its {} chunks are lost", node.content.len()),
        });
        object.set("size", size.to_string());
        let left = serde_json::to_string(&left).map_err(|error| error.to_string())?;
        object.set("content", left);
    } else if node.metadata.kind == EntryKind::File && !has_content(raw) {
        object.set("content", "[]".to_owned());
    } else {
        return Ok((raw.get().as_bytes().to_vec(), None));
    }
    let mut text = Vec::new();
    object.write(&mut text);
    Ok((text, change))
}

fn folder_of(node: &Node, folder: &dyn Fn(Option<Id>) -> Id) -> Option<Id> {
    (node.metadata.kind == EntryKind::Dir).then(|| folder(node.subtree))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::PackedBlob;

    fn index(content: &[&[u8]]) -> Index {
        let mut index = Index::default();
        let blob = |content: &&[u8]| PackedBlob {
            id: Id::of(content),
            kind: BlobKind::Data,
            offset: 0,
            length: 100,
            uncompressed: Some(u32::try_from(content.len()).unwrap()),
        };
        index.add_pack(Id::of(b"pack"), content.iter().map(blob)).unwrap();
        index.build();
        index
    }

    /// `content` names chunks by their own content.
    fn file(name: &str, size: usize, content: &[&str], more: &str) -> String {
        let ids: Vec<String> = content
            .iter()
            .map(|chunk| format!("\"{}\"", Id::of(chunk.as_bytes())))
            .collect();
        let ids = ids.join(",");
        format!("{{\"name\":\"{name}\",\"type\":\"file\",\"size\":{size},\"content\":[{ids}]{more}}}")
    }

    fn listing(nodes: &[String]) -> String {
        format!("{{\"new_field\":1,\"nodes\":[{}]}}\n", nodes.join(","))
    }

    #[test]
    fn only_what_is_lost_changes() {
        let more = ",\"later_field\":{ \"a\": [1.50] }";
        let good = file("good", 3, &["one"], more);
        let before = listing(&[file("bad", 6, &["one", "two"], more), good.clone()]);
        let index = index(&[b"one"]);
        assert!(!scan(before.as_bytes(), &index).unwrap().intact);
        let folder = |tree: Option<Id>| tree.unwrap();
        let rewritten = rewrite(before.as_bytes(), &index, &folder).unwrap();
        let after = listing(&[file("bad", 3, &["one"], more), good]);
        assert_eq!(String::from_utf8_lossy(&rewritten.blob), after);
        assert_eq!(rewritten.changes.len(), 1);
        assert!(scan(after.as_bytes(), &index).unwrap().intact);
        // What is intact comes out as it went in.
        let again = rewrite(after.as_bytes(), &index, &folder).unwrap();
        assert_eq!(String::from_utf8_lossy(&again.blob), after);
    }

    #[test]
    fn what_makes_no_sense_goes_and_order_comes() {
        let strange = "{\"name\":\"strange\",\"type\":\"irregular\"}".to_owned();
        let twice = file("b", 0, &[], "");
        let before = listing(&[twice.clone(), file("a", 0, &[], ""), strange, twice.clone()]);
        let index = index(&[]);
        assert!(!scan(before.as_bytes(), &index).unwrap().intact);
        let rewritten = rewrite(before.as_bytes(), &index, &|tree| tree.unwrap()).unwrap();
        let after = listing(&[file("a", 0, &[], ""), twice]);
        assert_eq!(String::from_utf8_lossy(&rewritten.blob), after);
    }

    #[test]
    fn a_folder_points_to_what_is_left_of_it() {
        let (old, new) = (Id::of(b"old"), Id::of(b"new"));
        let folder = |tree| {
            listing(&[format!(
                "{{\"name\":\"f\",\"type\":\"dir\",\"subtree\":\"{tree}\",\"x\":0}}"
            )])
        };
        let index = index(&[]);
        let scan = scan(folder(old).as_bytes(), &index).unwrap();
        assert_eq!(scan.folders, [("f".into(), Some(old))]);
        let rewritten = rewrite(folder(old).as_bytes(), &index, &|_| new).unwrap();
        assert_eq!(String::from_utf8_lossy(&rewritten.blob), folder(new));
    }
}
