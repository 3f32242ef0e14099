use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::put::temporary_name;
use crate::sftp::errors::Problem;
use crate::sftp::link::Link;
use crate::sftp::requests::Requests;
use crate::sftp::root::Root;
use crate::sftp::wire::{Attributes, flag};

/// How a finished file gets a name that nobody may have taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exclusive {
    /// A second hard link, then the temporary name goes.
    Link,
    /// A look, then a rename; the protocol has it refuse to replace, but two writers at once may not be told apart.
    Look,
}

/// What the destination's folder can do, and how things are done there.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) exclusive: Exclusive,
    pub(super) file_mode: u32,
    pub(super) folder_mode: u32,
    /// How many seconds the server's clock is ahead of ours, as far as is known.
    pub(super) clock_ahead: Option<i64>,
}

impl Place {
    /// Finds out with a temporary file; where none can be made, nothing is promised.
    pub(super) fn probe(root: &Root, link: &Arc<Link>) -> Result<Self, Problem> {
        let config = link.stat(&root.path_of(b"config"))?;
        let mut place = Self {
            exclusive: Exclusive::Look,
            file_mode: 0o400,
            folder_mode: 0o700,
            clock_ahead: None,
        };
        let names = [temporary_name(), temporary_name()].map(|name| root.path_of(&name));
        let flags = flag::WRITE | flag::CREATE | flag::EXCLUSIVE;
        let [first, second] = &names;
        let opening = link.open_file(first, flags, &Attributes::with_mode(0o600))?;
        // As restic derives them, from the repository's first file.
        if config
            .attributes()
            .is_ok_and(|found| found.mode.unwrap_or(0) & 0o040 != 0)
        {
            place.file_mode = 0o440;
            place.folder_mode = 0o770;
        }
        match opening.handle() {
            Ok(file) => {
                let attributes = file.attributes()?;
                place.exclusive = Self::exclusive(link, first, second)?;
                let changed = attributes.attributes()?.times.map(|(_, changed)| i64::from(changed));
                place.clock_ahead = changed.and_then(|changed| Some(changed - now()?));
            }
            Err(problem) if problem.is_connections() => return Err(problem),
            Err(_) => {}
        }
        Ok(place)
    }

    /// Whether a second link can be made, and is refused when its name is taken; removes both names.
    fn exclusive(link: &Arc<Link>, first: &[u8], second: &[u8]) -> Result<Exclusive, Problem> {
        let can = link.extensions().hard_link;
        let links = || Ok((link.hard_link(first, second)?, link.hard_link(first, second)?));
        let links = can.then(links).transpose()?;
        let removed = [link.remove(second)?, link.remove(first)?];
        let works = links.is_some_and(|(made, refused)| {
            made.done().is_ok() && refused.done().is_err_and(|problem| !problem.is_connections())
        });
        removed.into_iter().try_for_each(|answer| match answer.done() {
            Err(problem) if problem.is_connections() => Err(problem),
            _ => Ok(()),
        })?;
        Ok(if works { Exclusive::Link } else { Exclusive::Look })
    }

    pub(super) fn is_exclusive(&self) -> bool {
        self.exclusive == Exclusive::Link
    }
}

fn now() -> Option<i64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok()
}
