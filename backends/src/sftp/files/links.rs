//! Many hard links at once, each only if what it leads to is what was expected.

use std::sync::Arc;

use engine_api::{FileStat, Folder, StoreError, StoreErrorKind};

use super::{Files, check_links, folders, metadata};
use crate::sftp::errors::Problem;
use crate::sftp::link::Link;
use crate::sftp::requests::{Answer, Requests};

/// What is asked for one name: what the old one is, and the link.
struct Asked {
    path: Vec<u8>,
    found: Answer,
    linked: Answer,
}

/// See [`FileStore::hard_links_if`](engine_api::FileStore::hard_links_if).
pub(super) fn link_all(
    files: &Files,
    from: &Folder,
    to: &Folder,
    names: &[&[u8]],
    fits: &dyn Fn(usize, &FileStat) -> bool,
) -> Vec<Result<bool, StoreError>> {
    let error = |name: &[u8], problem| files.error(("make the link", to, name), problem);
    let begun = files.root.client.link().and_then(|link| {
        check_links(&link)?;
        let new = folders::folder(&files.root, &link, to)?;
        let (old, proofs) = folders::path_and_proofs(&files.root, &link, from)?;
        Ok((link, new, old, proofs))
    });
    let (link, new, old, proofs) = match begun {
        Ok(begun) => begun,
        Err(problem) => return names.iter().map(|name| Err(error(name, problem.clone()))).collect(),
    };
    let asked: Vec<_> = names
        .iter()
        .map(|name| ask(&link, &folders::within(&old, name)?, folders::within(&new, name)?))
        .collect();
    if let Some(Ok(last)) = asked.last() {
        last.linked.come();
    }
    let proven = proofs.take();
    let finish = |(place, (asked, name)): (usize, (Result<Asked, Problem>, &&[u8]))| {
        let done = asked.and_then(|asked| settle(files, &link, asked, &proven, &|stat| fits(place, stat)));
        done.map_err(|problem| error(name, files.root.explain(&link, problem)))
    };
    asked.into_iter().zip(names).enumerate().map(finish).collect()
}

fn ask(link: &Arc<Link>, old: &[u8], path: Vec<u8>) -> Result<Asked, Problem> {
    let found = link.lstat(old)?;
    let linked = link.hard_link(old, &path)?;
    Ok(Asked { path, found, linked })
}

/// Takes the answers, and the link back where it is not wanted.
fn settle(
    files: &Files,
    link: &Arc<Link>,
    asked: Asked,
    proven: &Result<(), Problem>,
    fits: &dyn Fn(&FileStat) -> bool,
) -> Result<bool, Problem> {
    let found = asked.found.attributes();
    let fitting = match (proven, found) {
        (Ok(()), Ok(found)) => Ok(metadata::stat(&found).is_ok_and(|stat| fits(&stat))),
        (Err(problem), _) => Err(problem.clone()),
        (Ok(()), Err(problem)) => Err(problem),
    };
    let fitting = match fitting {
        Err(problem) if problem.is(StoreErrorKind::NotFound) => Ok(false),
        other => other,
    };
    let linked = files.linked(link, &asked.path, asked.linked);
    match fitting {
        Ok(true) => linked.map(|()| true),
        other => {
            if linked.is_ok() {
                link.remove(&asked.path)?.done()?;
            }
            other
        }
    }
}
