//! Reading restored files again: every regular file that was selected is compared with the snapshot.

use std::io::Read;
use std::path::PathBuf;

use engine_api::{EntryKind, Event};

use super::Context;
use super::planner::read_tree;
use super::select::Part;
use crate::Id;
use crate::error::Result;
use crate::format::{BlobKind, Node};
use crate::parallel;
use crate::snapshots::Stored;

/// Files that are compared before the walk goes on.
const FILES: usize = 4096;

/// Compares every selected file at the target with the snapshot; what differs is a problem.
pub fn run(context: &Context<'_>, stored: &Stored) -> Result<()> {
    let mut files = Vec::new();
    let root = (PathBuf::from("/"), read_tree(context, stored.file.tree)?.into_iter());
    let mut stack = vec![root];
    while let Some((path, nodes)) = stack.last_mut() {
        let Some(node) = nodes.next() else {
            stack.pop();
            continue;
        };
        let path = path.join(&node.name);
        let part = context.selected.part(&path);
        match node.metadata.kind {
            _ if part == Part::Outside => {}
            EntryKind::Dir => {
                let nodes = node.subtree.map_or_else(|| Ok(Vec::new()), |id| read_tree(context, id));
                let nodes = nodes.unwrap_or_else(|error| {
                    // A listing that is lost was told when it was to be restored, if it was.
                    if context.dry_run {
                        context.counters.failed(&path, "verify", &error);
                    }
                    Vec::new()
                });
                stack.push((path, nodes.into_iter()));
            }
            EntryKind::File if part == Part::Whole => files.push((path, node)),
            _ => {}
        }
        if files.len() >= FILES {
            compare_all(context, std::mem::take(&mut files))?;
        }
    }
    compare_all(context, files)
}

fn compare_all(context: &Context<'_>, files: Vec<(PathBuf, Node)>) -> Result<()> {
    context.go_on()?;
    let compare_one = |(path, node): &(PathBuf, Node)| {
        match compare(context, path, node) {
            Ok(None) => context.counters.verified(),
            Ok(Some(difference)) => context.counters.failed(path, "verify", &difference),
            Err(error) => context.counters.failed(path, "verify", &error),
        }
        Ok(())
    };
    parallel::each(&files, context.repository.read_threads(), compare_one, |_, ()| Ok(()))
}

/// What differs, if anything.
fn compare(context: &Context<'_>, path: &std::path::Path, node: &Node) -> std::io::Result<Option<String>> {
    let mut file = context.target.open_existing(path)?;
    let length = file.metadata()?.len();
    if length != node.metadata.size {
        return Ok(Some(format!("it has {length} bytes instead of {}", node.metadata.size)));
    }
    let mut position = 0;
    let mut data = Vec::new();
    for id in &node.content {
        let Some(location) = context.index.get(BlobKind::Data, *id) else {
            return Ok(Some(format!("blob {id} is missing from the repository")));
        };
        data.resize(location.blob.plain_length() as usize, 0);
        file.read_exact(&mut data)?;
        if Id::of(&data) != *id {
            return Ok(Some(format!("its content at {position} is not what was saved")));
        }
        position += data.len();
        context.progress.event(Event::Advanced(data.len() as u64));
    }
    Ok(None)
}
