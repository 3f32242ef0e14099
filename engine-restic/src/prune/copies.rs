//! Of a blob that lies in several packs, one copy is kept.

use crate::error::{Error, Result};
use crate::index::{Index, Location, Marks};
use crate::inventory::{Inventory, taken};
use crate::repository::FileKind;

/// From marks on the first copy of every needed blob to marks on the copy that is kept; counts what is used and unused
/// of every pack. Fails when a needed blob lies only in packs that are missing or have the wrong size.
pub fn choose(index: &Index, keep: Marks, inventory: &mut Inventory) -> Result<Marks> {
    for location in index.iter() {
        match first(index, &location) {
            Some(first) if !keep.get(first) => inventory.change(location.pack, |pack| pack.unused += taken(&location)),
            _ if is_single(index, &location) => {
                if !inventory.of(location.pack).is_sound() {
                    return Err(unsound(index, inventory, &location));
                }
                count_used(inventory, &location);
            }
            _ => {}
        }
    }
    for location in index.iter() {
        let is_first = first(index, &location) == Some(location.ordinal);
        if is_first && keep.get(location.ordinal) && !is_single(index, &location) {
            choose_one(index, &keep, inventory, &location)?;
        }
    }
    Ok(keep)
}

fn first(index: &Index, location: &Location) -> Option<usize> {
    let first = index.get(location.blob.kind, location.blob.id)?;
    Some(first.ordinal)
}

fn is_single(index: &Index, location: &Location) -> bool {
    let mut copies = index.all(location.blob.kind, location.blob.id);
    copies.nth(1).is_none()
}

fn count_used(inventory: &mut Inventory, location: &Location) {
    inventory.change(location.pack, |pack| {
        pack.used += taken(location);
        pack.blobs_used += 1;
    });
}

/// Keeps the copy in the pack that stays anyway: one without waste (what an interrupted run has written), else the one
/// with the most that is needed.
fn choose_one(index: &Index, keep: &Marks, inventory: &mut Inventory, first: &Location) -> Result<()> {
    let copies = || index.all(first.blob.kind, first.blob.id);
    let sound = copies().filter(|copy| inventory.of(copy.pack).is_sound());
    let best = sound.max_by_key(|copy| {
        let pack = inventory.of(copy.pack);
        (pack.unused == 0, pack.used)
    });
    let best = best.ok_or_else(|| unsound(index, inventory, first))?;
    keep.clear(first.ordinal);
    keep.set(best.ordinal);
    for copy in copies() {
        if copy.ordinal == best.ordinal {
            count_used(inventory, &copy);
        } else {
            inventory.change(copy.pack, |pack| pack.unused += taken(&copy));
        }
    }
    Ok(())
}

fn unsound(index: &Index, inventory: &Inventory, location: &Location) -> Error {
    let Some(id) = index.pack_id(location.pack) else {
        return Error::damaged("the index", "it names a pack that is not in it");
    };
    let pack = inventory.of(location.pack);
    let what = match pack.size {
        None => "it is needed and not there".to_owned(),
        Some(size) => format!("it is needed and has {size} bytes instead of {}", pack.expected),
    };
    Error::damaged(FileKind::Pack.object(id), format!("{what}; nothing was removed"))
}
