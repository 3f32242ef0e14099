//! One path in many snapshots.

use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use engine_api::{Entry, EntryKind, Event, Problem, Progress, SnapshotFilter, Version};
use sha2::{Digest, Sha256};

use crate::error::Result;
use crate::format::Node;
use crate::index::Index;
use crate::lock::Lock;
use crate::repository::Repository;
use crate::snapshots::{self, Stored};
use crate::trees::{Located, locate};
use crate::{Id, ResticEngine};

/// What a topmost listing has at the path, and what stands for its content.
type State = Option<(Entry, Option<Vec<u8>>)>;

/// Hands the state of the path in every snapshot to `each`, oldest first.
pub fn run(
    engine: &ResticEngine,
    path: &Path,
    filter: &SnapshotFilter,
    progress: &dyn Progress,
    each: &mut dyn FnMut(Version) -> ControlFlow<()>,
) -> Result<()> {
    let repository = engine.repository();
    let _lock = Lock::for_reading(&repository, progress)?;
    let stored = snapshots::list(&repository, filter, progress)?;
    let index = engine.index(&repository)?;
    // A snapshot of a tree in which nothing changed has the listing of the one before.
    let mut last: Option<(Id, State)> = None;
    for Stored { id, file, snapshot } in stored {
        let known = last.as_ref().filter(|(tree, _)| *tree == file.tree);
        let state = match known {
            Some((_, state)) => state.clone(),
            None => match look(&repository, &index, file.tree, path) {
                Ok(state) => state,
                Err(error) if error.is_loss() => {
                    progress.event(Event::Problem(&Problem {
                        path: PathBuf::from(format!("snapshot {}", id.short())),
                        action: "read",
                        cause: error.chain(),
                    }));
                    continue;
                }
                Err(error) => return Err(error),
            },
        };
        last = Some((file.tree, state.clone()));
        let (entry, content) = state.map_or((None, None), |(entry, content)| (Some(entry), content));
        if each(Version {
            snapshot,
            entry,
            content,
        })
        .is_break()
        {
            break;
        }
    }
    Ok(())
}

fn look(repository: &Repository, index: &Index, tree: Id, path: &Path) -> Result<State> {
    Ok(match locate(repository, index, tree, path)? {
        Some(Located::Node(node)) => {
            let content = content(&node);
            let entry = Entry {
                path: path.components().collect(),
                metadata: node.metadata,
            };
            Some((entry, content))
        }
        Some(Located::Root(_)) | None => None,
    })
}

/// A digest of the chunks, or of the listing; everything else has all of itself in its metadata.
fn content(node: &Node) -> Option<Vec<u8>> {
    match node.metadata.kind {
        EntryKind::File => {
            let mut digest = Sha256::new();
            for id in &node.content {
                digest.update(id.as_bytes());
            }
            Some(digest.finalize().to_vec())
        }
        EntryKind::Dir => node.subtree.map(|tree| tree.as_bytes().to_vec()),
        _ => {
            let target = node.metadata.link_target.as_deref().unwrap_or(Path::new(""));
            Some(target.as_os_str().as_bytes().to_vec())
        }
    }
}
