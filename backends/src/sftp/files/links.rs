//! Many hard links at once, each only if what it leads to is what was expected.

use std::sync::Arc;

use engine_api::{FileStat, Folder, StoreError, StoreErrorKind};

use super::listings::Listing;
use super::{Files, check_links, folders, is_there, metadata};
use crate::sftp::errors::Problem;
use crate::sftp::link::Link;
use crate::sftp::requests::{Answer, Requests};

/// A link that is asked for.
struct Asked {
    old: Vec<u8>,
    path: Vec<u8>,
    found: Found,
    linked: Answer,
}

/// What the old one is.
enum Found {
    NotAsked,
    Asked(Answer),
    Listed(FileStat),
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
        let listing = files.listings.of(&link, &old, names.len())?;
        Ok((link, new, old, proofs, listing))
    });
    let (link, new, old, proofs, listing) = match begun {
        Ok(begun) => begun,
        Err(problem) => return names.iter().map(|name| Err(error(name, problem.clone()))).collect(),
    };
    // One process of the server links one after the other.
    let share = link.share();
    let link = share.link();
    let ask = |name: &&[u8]| {
        let paths = (folders::within(&old, name)?, folders::within(&new, name)?);
        ask(link, paths, listing.is_none())
    };
    let mut asked: Vec<_> = names.iter().map(ask).collect();
    if let Some(listing) = listing {
        find(link, &listing, names, &mut asked);
    }
    if let Some(last) = asked.iter().rev().flatten().next() {
        last.come();
    }
    let proven = proofs.take();
    let finish = |(place, (asked, name)): (usize, (Result<Asked, Problem>, &&[u8]))| {
        let done = asked.and_then(|asked| settle(files, link, asked, &proven, &|stat| fits(place, stat)));
        done.map_err(|problem| error(name, files.root.explain(link, problem)))
    };
    asked.into_iter().zip(names).enumerate().map(finish).collect()
}

fn ask(link: &Arc<Link>, (old, path): (Vec<u8>, Vec<u8>), look: bool) -> Result<Asked, Problem> {
    let found = if look {
        Found::Asked(link.lstat(&old)?)
    } else {
        Found::NotAsked
    };
    Ok(Asked {
        linked: link.hard_link(&old, &path)?,
        old,
        path,
        found,
    })
}

/// Finds out from the listing what the old ones are, and asks for each that it does not tell of.
fn find(link: &Arc<Link>, listing: &Listing, names: &[&[u8]], asked: &mut [Result<Asked, Problem>]) {
    for (one, listed) in asked.iter_mut().zip(listing.take(names)) {
        let Ok(of) = one else { continue };
        match listed.map_or_else(|| link.lstat(&of.old).map(Found::Asked), |stat| Ok(Found::Listed(stat))) {
            Ok(found) => of.found = found,
            Err(problem) => *one = Err(problem),
        }
    }
}

impl Asked {
    fn come(&self) {
        self.linked.come();
        if let Found::Asked(found) = &self.found {
            found.come();
        }
    }
}

/// Takes the answers, and the link back where it is not wanted.
fn settle(
    files: &Files,
    link: &Arc<Link>,
    asked: Asked,
    proven: &Result<(), Problem>,
    fits: &dyn Fn(&FileStat) -> bool,
) -> Result<bool, Problem> {
    let is_listed = matches!(asked.found, Found::Listed(_));
    let found = match asked.found {
        Found::Listed(found) => Ok(Some(found)),
        Found::Asked(found) => found.attributes().map(|found| metadata::stat(&found).ok()),
        Found::NotAsked => Ok(None),
    };
    let fitting = match (proven, found) {
        (Ok(()), Ok(found)) => Ok(found.is_some_and(|found| fits(&found))),
        (Err(problem), _) => Err(problem.clone()),
        (Ok(()), Err(problem)) => Err(problem),
    };
    let fitting = match fitting {
        Err(problem) if problem.is(StoreErrorKind::NotFound) => Ok(false),
        other => other,
    };
    let linked = files.linked(link, &asked.path, asked.linked);
    match fitting {
        // It was there when the folder was listed.
        Ok(true) if is_listed && is_not_found(&linked) && !is_there(link, &asked.old)? => Ok(false),
        Ok(true) => linked.map(|()| true),
        other => {
            if linked.is_ok() {
                link.remove(&asked.path)?.done()?;
            }
            other
        }
    }
}

fn is_not_found(result: &Result<(), Problem>) -> bool {
    result
        .as_ref()
        .is_err_and(|problem| problem.is(StoreErrorKind::NotFound))
}
