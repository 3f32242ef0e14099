//! What lies in a folder.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;

use engine_api::{Folder, Listed};

use super::metadata;
use crate::sftp::errors::Problem;
use crate::sftp::link::Link;
use crate::sftp::requests::{Answer, Opening, Requests};
use crate::sftp::root::Root;

/// Answers of one folder's listing that are asked for at once.
const AHEAD: usize = 4;

/// Hands over what lies in the folder that is being opened, until `each` has enough.
pub(super) fn list(
    root: &Root,
    opening: Opening,
    each: &mut dyn FnMut(Listed<'_>) -> ControlFlow<()>,
) -> Result<(), Problem> {
    let handle = opening.handle()?;
    // A small folder needs two; what is asked for in vain costs little.
    let asked: Result<VecDeque<_>, _> = (0..AHEAD).map(|_| handle.names()).collect();
    let mut answers = asked?;
    let mut is_there = root.ask(handle.link())?;
    for number in 0.. {
        let Some(names) = answers.pop_front().map(Answer::names).transpose()?.flatten() else {
            // OpenSSH ends a listing that cannot be read on as it ends one that is complete. What was asked behind the last
            // name tells whether the destination was still there.
            let is_there = if number < AHEAD {
                is_there.take()
            } else {
                root.ask(handle.link())?
            };
            return root.check(is_there);
        };
        answers.push_back(handle.names()?);
        for entry in names {
            let name = entry.name.as_slice();
            if !Folder::is_name(name) {
                continue;
            }
            let mut stat = metadata::stat(&entry.attributes).ok();
            if let Some(stat) = &mut stat {
                stat.links = metadata::links(&entry.shown);
            }
            let kind = stat.map(|stat| stat.kind);
            if each(Listed { name, kind, stat }).is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Whether there is nothing in the folder at `path`.
pub(super) fn is_empty(root: &Root, link: &Arc<Link>, path: &[u8]) -> Result<bool, Problem> {
    let mut empty = true;
    let listed = link.open_folder(path).and_then(|opening| {
        list(root, opening, &mut |_| {
            empty = false;
            ControlFlow::Break(())
        })
    });
    match listed {
        Ok(()) => Ok(empty),
        Err(problem) if problem.is_connections() => Err(problem),
        // It cannot be looked into: the first failure tells more.
        Err(_) => Ok(true),
    }
}
