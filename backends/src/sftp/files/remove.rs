//! Removing names, one by one and many at once.

use std::sync::Arc;

use engine_api::{Folder, StoreError, StoreErrorKind};

use super::{Files, entries, folders};
use crate::sftp::errors::Problem;
use crate::sftp::link::Link;
use crate::sftp::requests::{Answer, Requests};
use crate::sftp::wire::FileKind;

/// Removes what is no folder.
pub(super) fn remove(files: &Files, folder: &Folder, name: &[u8]) -> Result<(), StoreError> {
    files.within(("remove", folder, name), |link, path| match link.remove(path)?.done() {
        // Trying again would be of no use.
        Err(problem) if problem.is_vague() && is_folder(link, path)? => {
            Err(Problem::known(StoreErrorKind::Other, "it is a folder"))
        }
        other => other,
    })
}

/// The same for many names of one folder, all with one turn.
pub(super) fn remove_all(files: &Files, folder: &Folder, names: &[&[u8]]) -> Vec<Result<(), StoreError>> {
    let error = |name: &[u8], problem| files.error(("remove", folder, name), problem);
    let begun = files.root.client.link().and_then(|link| {
        let path = folders::folder(&files.root, &link, folder)?;
        Ok((link, path))
    });
    let (link, path) = match begun {
        Ok(begun) => begun,
        Err(problem) => return names.iter().map(|name| Err(error(name, problem.clone()))).collect(),
    };
    files.listings.forget();
    let ask = |name: &&[u8]| link.remove(&folders::within(&path, name)?);
    let asked: Vec<_> = names.iter().map(ask).collect();
    if let Some(Ok(last)) = asked.last() {
        last.come();
    }
    let take = |(asked, name): (Result<Answer, Problem>, &&[u8])| {
        let done = asked.and_then(Answer::done);
        done.map_err(|problem| error(name, files.root.explain(&link, problem)))
    };
    asked.into_iter().zip(names).map(take).collect()
}

/// Removes an empty folder.
pub(super) fn remove_folder(files: &Files, folder: &Folder, name: &[u8]) -> Result<(), StoreError> {
    files.within(("remove the folder", folder, name), |link, path| {
        files.forget(&[path]);
        match link.remove_folder(path)?.done() {
            Err(problem) if problem.is_vague() && !entries::is_empty(&files.root, link, path)? => {
                Err(Problem::known(StoreErrorKind::NotEmpty, "there is something in it"))
            }
            other => other,
        }
    })
}

/// Removes a folder with these names in it, of which some may not be there, all with one turn; whether it is gone.
pub(super) fn remove_with(files: &Files, folder: &Folder, names: &[&[u8]]) -> bool {
    let ask = || {
        let link = files.root.client.link()?;
        let path = folders::folder(&files.root, &link, folder)?;
        files.forget(&[&path]);
        let ask = |name: &&[u8]| link.remove(&folders::within(&path, name)?);
        let removed: Vec<_> = names.iter().map(ask).collect();
        let gone = link.remove_folder(&path)?;
        gone.come();
        for answer in removed {
            let _ = answer.and_then(Answer::done);
        }
        gone.done()
    };
    ask().is_ok()
}

fn is_folder(link: &Arc<Link>, path: &[u8]) -> Result<bool, Problem> {
    match link.lstat(path)?.attributes() {
        Ok(found) => Ok(found.kind() == FileKind::Folder),
        Err(problem) if problem.is_connections() => Err(problem),
        // The first failure tells more.
        Err(_) => Ok(false),
    }
}
