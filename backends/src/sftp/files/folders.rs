//! Folders by path. The server follows symbolic links in a path, so every part of one is looked at before it is used.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use engine_api::{Folder, StoreErrorKind};

use crate::sftp::errors::Problem;
use crate::sftp::link::Link;
use crate::sftp::requests::Requests;
use crate::sftp::root::{Root, join};
use crate::sftp::wire::FileKind;

/// What is noted on a folder.
struct Note {
    path: Vec<u8>,
    /// It was there, and a folder, when it was first used.
    proven: AtomicBool,
}

/// The path of `name` in `folder`.
pub(super) fn path(root: &Root, link: &Arc<Link>, folder: &Folder, name: &[u8]) -> Result<Vec<u8>, Problem> {
    if !Folder::is_name(name) {
        return Err(Problem::known(StoreErrorKind::Other, "that cannot be a name"));
    }
    Ok(join(&self::folder(root, link, folder)?, name))
}

/// The path of `folder`.
pub(super) fn folder(root: &Root, link: &Arc<Link>, folder: &Folder) -> Result<Vec<u8>, Problem> {
    let mut unproven = Vec::new();
    let mut at = Some(folder);
    while let Some(one) = at {
        let note = note(root, one)?;
        if one.above().is_none() || note.proven.load(Ordering::Relaxed) {
            break;
        }
        unproven.push(note);
        at = one.above();
    }
    prove(link, &unproven)?;
    Ok(note(root, folder)?.path.clone())
}

fn note<'a>(root: &Root, folder: &'a Folder) -> Result<&'a Note, Problem> {
    let make = || Note {
        path: root.path_of(&folder.path()),
        proven: AtomicBool::new(false),
    };
    folder
        .note(make)
        .ok_or(Problem::Nonsense("the folder is another store's"))
}

/// Looks at all of them at once, the lowest first in the list.
fn prove(link: &Arc<Link>, folders: &[&Note]) -> Result<(), Problem> {
    let answers: Vec<_> = folders
        .iter()
        .rev()
        .map(|note| link.lstat(&note.path).map(|answer| (note, answer)))
        .collect::<Result<_, _>>()?;
    for (note, answer) in answers {
        match answer.attributes()?.kind() {
            FileKind::Folder | FileKind::Unknown => note.proven.store(true, Ordering::Relaxed),
            FileKind::Symlink => {
                let shown = String::from_utf8_lossy(&note.path).into_owned();
                let message = format!("{shown} is a symbolic link, which is not followed");
                return Err(Problem::known(StoreErrorKind::Other, message));
            }
            _ => return Err(Problem::not_found()),
        }
    }
    Ok(())
}
