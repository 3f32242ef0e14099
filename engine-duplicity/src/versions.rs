//! One path in many sets: each signature file is read once, up to where the path stands.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use engine_api::{Entry, EntryKind, Event, Problem, Progress, SnapshotFilter, Version};
use sha1::{Digest, Sha1};

use crate::DuplicityEngine;
use crate::chain::{Chain, Set};
use crate::entries;
use crate::error::{Error, Result};
use crate::format::{SetTime, TreePath};
use crate::listing::{Listing, Said};
use crate::manifests::saved_folder;
use crate::snapshots::{self, Found};
use crate::source::Wanted;

/// What a chain has at the path, and what stands for its content.
type State = Option<(Entry, Option<Vec<u8>>)>;

/// Hands the state of the path in every set to `each`, oldest first.
pub(crate) fn run(
    engine: &DuplicityEngine,
    path: &Path,
    filter: &SnapshotFilter,
    progress: &dyn Progress,
    each: &mut dyn FnMut(Version) -> ControlFlow<()>,
) -> Result<()> {
    let path: PathBuf = path.components().collect();
    let collection = engine.collection()?;
    let mut states: BTreeMap<Option<SetTime>, Result<State>> = BTreeMap::new();
    for (chain, set) in collection.restorable() {
        let before = states.remove(&chain.start()).unwrap_or(Ok(None));
        let next = next(engine, chain, set, &path, before);
        states.insert(
            chain.start(),
            next.as_ref()
                .map_or_else(|_| Err(lost(set)), |(_, state)| Ok(state.clone())),
        );
        match next {
            Ok((found, state)) if filter.matches(&found.snapshot) => {
                let (entry, content) = state.map_or((None, None), |(entry, content)| (Some(entry), content));
                let version = Version {
                    snapshot: found.snapshot,
                    entry,
                    content,
                };
                if each(version).is_break() {
                    return Ok(());
                }
            }
            Ok(_) => {}
            Err(error) if error.is_loss() => progress.event(Event::Problem(&Problem {
                path: PathBuf::from(format!("set {}", set.id.end())),
                action: "read",
                cause: error.chain(),
            })),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// What a set means for those after it that do not name the path.
fn lost(set: &Set) -> Error {
    Error::damaged(set.id.to_string(), "it cannot be read, and later sets rest on it")
}

/// The set and its state, which is that of the set before where it says nothing.
fn next(
    engine: &DuplicityEngine,
    chain: &Chain,
    set: &Set,
    path: &Path,
    before: Result<State>,
) -> Result<(Found, State)> {
    let found = snapshots::found(engine, chain, set)?;
    let base = saved_folder(&found.manifest);
    let Some(wanted) = TreePath::below(&base, path).filter(|path| !path.is_root()) else {
        return Ok((found, None));
    };
    let state = match said(engine, set, &wanted, path) {
        Ok(Some(said)) => said,
        Ok(None) => before?,
        // Only the volumes of the whole chain tell it then.
        Err(Error::Missing { .. }) => from_chain(engine, &found, wanted, path)?,
        Err(error) => return Err(error),
    };
    Ok((found, state))
}

/// What the set's own signature file says of the path; `None` when it says nothing, and the state is that of before.
fn said(engine: &DuplicityEngine, set: &Set, wanted: &TreePath, path: &Path) -> Result<Option<State>> {
    let mut listing = Listing::open(engine, std::slice::from_ref(set))?;
    while let Some(said) = listing.next_said()? {
        let (at, listed) = match said {
            Said::Gone(at) => (at, None),
            Said::There(listed) => (listed.path.clone(), Some(listed)),
        };
        if at < *wanted {
            continue;
        }
        if at > *wanted {
            break;
        }
        let Some(listed) = listed else { return Ok(Some(None)) };
        let (metadata, signature) = listing.metadata_and_signature(&listed)?;
        let content = match metadata.kind {
            EntryKind::File => Some(Sha1::digest(&signature).to_vec()),
            EntryKind::Dir => None,
            _ => {
                let target = metadata.link_target.as_deref().unwrap_or(Path::new(""));
                Some(target.as_os_str().as_bytes().to_vec())
            }
        };
        let entry = Entry {
            path: path.to_path_buf(),
            metadata,
        };
        return Ok(Some(Some((entry, content))));
    }
    Ok(None)
}

fn from_chain(engine: &DuplicityEngine, found: &Found, wanted: TreePath, path: &Path) -> Result<State> {
    let mut state = None;
    entries::each_entry(engine, found, &Wanted::below(vec![wanted]), &mut |entry| {
        if entry.path == path {
            state = Some((entry, None));
        }
        ControlFlow::Break(())
    })?;
    Ok(state)
}
