//! Snapshots that lost something, written again with what is left.

use std::sync::Arc;

use super::Repair;
use super::rewriter::{Fate, Rewriter};
use crate::Id;
use crate::error::{Error, Result};
use crate::format::RawObject;
use crate::index::Index;
use crate::removal::remove;
use crate::repository::{BlobSaver, FileKind};
use crate::snapshots::{self, Stored};

/// The tag of a mended snapshot that stands beside the damaged one, as restic sets it.
const TAG: &str = "repaired";

/// Writes every snapshot that lost something again; with `forget` the damaged ones go.
pub fn mend(repair: &Repair<'_>, index: &Arc<Index>, forget: bool) -> Result<()> {
    let (stored, unreadable) = load(repair)?;
    let saver = BlobSaver::new(Arc::clone(repair.repository), Arc::clone(index), repair.lock.clone());
    let mut rewriter = Rewriter::new(repair, index, &saver)?;
    let mut changed: Vec<(Stored, Fate)> = Vec::new();
    for stored in stored {
        let fate = rewriter.tree(stored.file.tree)?;
        if fate != Fate::Same {
            changed.push((stored, fate));
        }
    }
    drop(rewriter);
    // From here on the new trees are found by everybody.
    saver.finish()?;
    let mut old = Vec::new();
    for (stored, fate) in changed {
        match fate {
            Fate::Changed(tree) => write(repair, &stored, tree, forget)?,
            Fate::Lost if forget => repair.notes.done(format!("{} goes: all of it is lost", name(&stored))),
            Fate::Lost => {
                let name = name(&stored);
                repair.notes.left(format!(
                    "{name} has lost its topmost folder and with it everything; forget it"
                ));
            }
            Fate::Same => {}
        }
        old.push(stored.id);
    }
    for (id, why) in unreadable {
        if forget {
            repair
                .notes
                .done(format!("{} goes: {why}", FileKind::Snapshot.object(id)));
            old.push(id);
        } else {
            repair
                .notes
                .left(format!("{why}; nothing of it can be restored, forgetting removes it"));
        }
    }
    match &repair.lock {
        Some(lock) if forget => remove(repair.repository, lock, FileKind::Snapshot, &old, repair.progress),
        _ => Ok(()),
    }
}

type Unreadable = Vec<(Id, String)>;

/// All snapshots, and those that cannot be read with why.
fn load(repair: &Repair<'_>) -> Result<(Vec<Stored>, Unreadable)> {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for (id, _) in repair.bare.list(FileKind::Snapshot)? {
        repair.stop_if_cancelled()?;
        // Twice, for a bit that flips on the way is no damage.
        let loaded = snapshots::load(repair.bare, id).or_else(|_| snapshots::load(repair.bare, id));
        match loaded {
            Ok(stored) => good.push(stored),
            Err(error) if error.is_loss() => bad.push((id, error.chain())),
            Err(error) => return Err(error),
        }
    }
    good.sort_by_key(|stored| (stored.snapshot.time, stored.id));
    Ok((good, bad))
}

fn name(stored: &Stored) -> String {
    FileKind::Snapshot.object(stored.id)
}

/// Writes the snapshot again with another tree; everything else of it stays as it is.
fn write(repair: &Repair<'_>, stored: &Stored, tree: Id, forget: bool) -> Result<()> {
    repair.notes.rewrote_snapshot();
    let Some(lock) = &repair.lock else {
        repair
            .notes
            .done(format!("{} is written again with what is left", name(stored)));
        return Ok(());
    };
    let json = repair.bare.read_file(FileKind::Snapshot, stored.id)?;
    let senseless = |error: serde_json::Error| Error::damaged(name(stored), error.to_string());
    let mut object: RawObject<'_> = serde_json::from_slice(&json).map_err(senseless)?;
    object.set("tree", format!("\"{tree}\""));
    object.set("original", format!("\"{}\"", stored.id));
    let mut tags = stored.snapshot.tags.clone();
    if !forget && !tags.iter().any(|tag| tag == TAG) {
        tags.push(TAG.to_owned());
        object.set("tags", serde_json::to_string(&tags).map_err(senseless)?);
    }
    let mut new = Vec::new();
    object.write(&mut new);
    lock.check()?;
    let id = repair.repository.write_file(FileKind::Snapshot, &new)?;
    let object = FileKind::Snapshot.object(id);
    repair.notes.done(format!(
        "{} is written again as {object} with what is left",
        name(stored)
    ));
    Ok(())
}
