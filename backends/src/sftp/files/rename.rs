//! Renaming, over what is there already.

use std::sync::Arc;

use engine_api::{FileStore, Folder, StoreError, sync_both};

use super::{Files, folders, is_there};
use crate::sftp::errors::Problem;
use crate::sftp::link::Link;
use crate::sftp::requests::Requests;
use crate::sftp::root::allow;
use crate::sftp::wire::FileKind;

/// Renames, in place of what is there.
pub(super) fn rename(files: &Files, from: (&Folder, &[u8]), to: (&Folder, &[u8])) -> Result<(), StoreError> {
    files.within(("rename", from.0, from.1), |link, path| {
        let to = folders::path(&files.root, link, to.0, to.1)?;
        files.forget(&[path, &to]);
        if link.extensions().posix_rename {
            return link.rename_over(path, &to)?.done();
        }
        match link.rename_new(path, &to)?.done() {
            Err(problem) if problem.is_vague() && is_there(link, &to)? => {
                make_way(link, &to)?;
                link.rename_new(path, &to)?.done()
            }
            other => other,
        }
    })
}

/// The same, durably. All is sent at once: requests of one channel are done in their order.
pub(super) fn rename_durably(files: &Files, from: (&Folder, &[u8]), to: (&Folder, &[u8])) -> Result<(), StoreError> {
    let is_done = files.within(("rename", from.0, from.1), |link, path| {
        if !link.extensions().posix_rename {
            return Ok(false);
        }
        let new = folders::path(&files.root, link, to.0, to.1)?;
        files.forget(&[path, &new]);
        let is_one = from.0.path() == to.0.path();
        let folders = [Some(to.0), (!is_one).then_some(from.0)].into_iter().flatten();
        let folders: Vec<_> = folders
            .map(|folder| files.opened(link, folder))
            .collect::<Result<_, _>>()?;
        let renamed = link.rename_over(path, &new)?;
        let synced: Vec<_> = folders.iter().flatten().map(|folder| folder.sync()).collect();
        renamed.done()?;
        synced.into_iter().try_for_each(|answer| allow(answer?.done(), &[]))?;
        Ok(true)
    })?;
    if is_done {
        return Ok(());
    }
    files.rename(from, to)?;
    sync_both(files, from.0, to.0)
}

/// Removes what a rename is to replace, where the server has no rename that does.
fn make_way(link: &Arc<Link>, path: &[u8]) -> Result<(), Problem> {
    match link.lstat(path)?.attributes()?.kind() {
        FileKind::Folder => link.remove_folder(path)?.done(),
        _ => link.remove(path)?.done(),
    }
}
