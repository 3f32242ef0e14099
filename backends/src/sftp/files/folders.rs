//! Folders by path. The server follows symbolic links in a path, so every part of one is looked at before it is used.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine_api::{Folder, StoreErrorKind};

use crate::sftp::errors::Problem;
use crate::sftp::link::Link;
use crate::sftp::requests::{Answer, Requests};
use crate::sftp::root::{Root, join};
use crate::sftp::wire::FileKind;

/// What is noted on a folder.
pub(super) struct Note {
    path: Vec<u8>,
    /// It was there, and a folder, when it was first used.
    proven: AtomicBool,
}

/// The path of `name` in `folder`.
pub(super) fn path(root: &Root, link: &Arc<Link>, folder: &Folder, name: &[u8]) -> Result<Vec<u8>, Problem> {
    within(&self::folder(root, link, folder)?, name)
}

/// The path of `folder`.
pub(super) fn folder(root: &Root, link: &Arc<Link>, folder: &Folder) -> Result<Vec<u8>, Problem> {
    proofs(root, link, folder)?.take()?;
    Ok(note(root, folder)?.path.clone())
}

/// The path of `folder`, and the proof of it, which may still be on its way.
pub(super) fn path_and_proofs<'a>(
    root: &'a Root,
    link: &Arc<Link>,
    folder: &'a Folder,
) -> Result<(Vec<u8>, Proofs<'a>), Problem> {
    let proofs = proofs(root, link, folder)?;
    Ok((note(root, folder)?.path.clone(), proofs))
}

/// The path of `name` in the folder that is at `folder`.
pub(super) fn within(folder: &[u8], name: &[u8]) -> Result<Vec<u8>, Problem> {
    if Folder::is_name(name) {
        return Ok(join(folder, name));
    }
    Err(Problem::known(StoreErrorKind::Other, "that cannot be a name"))
}

/// Asks what is at the path of `folder`, and at those above it, where that is not known; all at once.
fn proofs<'a>(root: &'a Root, link: &Arc<Link>, folder: &'a Folder) -> Result<Proofs<'a>, Problem> {
    let mut unproven = Vec::new();
    let mut at = Some(folder);
    while let Some(one) = at {
        let note = self::note(root, one)?;
        if one.above().is_none() || note.proven.load(Ordering::Relaxed) {
            break;
        }
        let is_top = one.above().is_some_and(|above| above.above().is_none());
        if root.made.has(&note.path, is_top) {
            // So are those above it, which were looked at before.
            note.proven.store(true, Ordering::Relaxed);
            break;
        }
        unproven.push((note, is_top));
        at = one.above();
    }
    let ask = |(note, is_top): (&'a Note, bool)| {
        Ok(Asked {
            note,
            is_top,
            answer: link.lstat(&note.path)?,
        })
    };
    let asked = unproven.into_iter().rev().map(ask).collect::<Result<_, Problem>>()?;
    Ok(Proofs { asked, root })
}

struct Asked<'a> {
    note: &'a Note,
    is_top: bool,
    answer: Answer,
}

/// What was asked about folders, the topmost first.
pub(super) struct Proofs<'a> {
    asked: Vec<Asked<'a>>,
    root: &'a Root,
}

impl Proofs<'_> {
    /// Fails unless each of them is a folder.
    pub(super) fn take(self) -> Result<(), Problem> {
        for Asked { note, is_top, answer } in self.asked {
            match answer.attributes()?.kind() {
                FileKind::Folder | FileKind::Unknown => {
                    note.proven.store(true, Ordering::Relaxed);
                    if is_top {
                        self.root.made.note_seen(&note.path);
                    }
                }
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
}

/// Folders of which it need not be asked what they are. A bounded number of them.
#[derive(Default)]
pub(in crate::sftp) struct Made(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// Those that were made and not used yet, and those at the top that were looked at.
    unused: HashSet<Vec<u8>>,
    /// Those that were made and have no metadata of their own yet.
    plain: HashSet<Vec<u8>>,
}

impl Made {
    const MOST: usize = 4096;

    /// It was made just now.
    pub(super) fn note(&self, path: &[u8]) {
        let mut known = self.lock();
        if known.plain.len() < Self::MOST {
            known.plain.insert(path.to_vec());
        }
        drop(known);
        self.note_seen(path);
    }

    /// It was looked at.
    fn note_seen(&self, path: &[u8]) {
        let mut known = self.lock();
        if known.unused.len() < Self::MOST {
            known.unused.insert(path.to_vec());
        }
    }

    /// Whether it is known; it is forgotten by that, unless it is one of the few at the top.
    fn has(&self, path: &[u8], is_top: bool) -> bool {
        let unused = &mut self.lock().unused;
        if is_top {
            unused.contains(path)
        } else {
            unused.remove(path)
        }
    }

    /// Whether it was made and has no metadata of its own yet; it is forgotten by that.
    pub(super) fn is_plain(&self, path: &[u8]) -> bool {
        self.lock().plain.remove(path)
    }

    /// Something else may be there now, and below it.
    pub(super) fn forget(&self, path: &[u8]) {
        let is_there = |made: &Vec<u8>| {
            let rest = made.strip_prefix(path);
            rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
        };
        let mut known = self.lock();
        known.unused.retain(|made| !is_there(made));
        known.plain.retain(|made| !is_there(made));
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
