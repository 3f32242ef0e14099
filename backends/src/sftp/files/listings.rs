//! What lies in folders that are linked from. One answer of a listing tells of a hundred names what a hundred questions would,
//! and a server's process does one request after the other.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use engine_api::FileStat;

use super::metadata;
use crate::sftp::errors::Problem;
use crate::sftp::link::Link;
use crate::sftp::requests::{Answer, Handle, Opening, Requests};

/// For fewer names a listing is not worth its turns.
const WORTH: usize = 16;

/// Names of one answer, as OpenSSH gives them.
const AT_ONCE: usize = 100;

/// For each name that is wanted so many are listed at most: of a folder of which few names are wanted, no more is read than
/// asking for each would cost.
const FOR_EACH: usize = 8;

/// More names that nobody has asked for are not kept of one folder.
const KEPT: usize = 4096;

/// So many folders are listed at a time.
const FOLDERS: usize = 16;

/// After that a folder may have become another.
const FRESH: Duration = Duration::from_mins(1);

/// The folders that are listed now.
#[derive(Default)]
pub(super) struct Listings(Mutex<VecDeque<(Vec<u8>, Arc<Listing>)>>);

/// One folder's listing, read as far as its names are wanted.
pub(super) struct Listing {
    begun: Instant,
    state: Mutex<State>,
}

struct State {
    reading: Reading,
    names: HashMap<Vec<u8>, FileStat>,
}

enum Reading {
    Opening(Opening),
    Open(Handle),
    Over,
}

impl Listings {
    /// The listing of the folder at `path` for `wanted` names of it, begun if need be; none where that is not worth it.
    pub(super) fn of(&self, link: &Arc<Link>, path: &[u8], wanted: usize) -> Result<Option<Arc<Listing>>, Problem> {
        if wanted < WORTH {
            return Ok(None);
        }
        let mut listings = lock(&self.0);
        listings.retain(|(_, listing)| listing.begun.elapsed() < FRESH);
        if let Some((_, listing)) = listings.iter().find(|(listed, _)| listed == path) {
            return Ok(Some(Arc::clone(listing)));
        }
        let listing = Arc::new(Listing {
            begun: Instant::now(),
            state: Mutex::new(State {
                reading: Reading::Opening(link.open_folder(path)?),
                names: HashMap::new(),
            }),
        });
        if listings.len() >= FOLDERS {
            listings.pop_front();
        }
        listings.push_back((path.to_vec(), Arc::clone(&listing)));
        Ok(Some(listing))
    }

    /// What lies in the folder of `path` changes.
    pub(super) fn forget_of(&self, path: &[u8]) {
        let mut listings = lock(&self.0);
        if !listings.is_empty() {
            let end = path.iter().rposition(|byte| *byte == b'/');
            let folder = path.get(..end.unwrap_or(0)).unwrap_or_default();
            listings.retain(|(listed, _)| listed != folder);
        }
    }

    /// Anything may change.
    pub(super) fn forget(&self) {
        lock(&self.0).clear();
    }
}

impl Listing {
    /// What the folder has under each of the names, where the listing tells in good time. Each is told once: a second
    /// question is about what is there then.
    pub(super) fn take(&self, wanted: &[&[u8]]) -> Vec<Option<FileStat>> {
        let mut state = lock(&self.state);
        let mut left = (wanted.len() * FOR_EACH).div_ceil(AT_ONCE);
        let mut step = wanted.len().div_ceil(AT_ONCE) + 1;
        while left > 0 && wanted.iter().any(|name| !state.names.contains_key(*name)) {
            if !state.read_on(step.min(left)) {
                break;
            }
            (left, step) = (left.saturating_sub(step), left);
        }
        wanted.iter().map(|name| state.names.remove(*name)).collect()
    }
}

impl State {
    /// Reads so many more answers, unless too much is kept already; whether more may follow. What cannot be read is over.
    fn read_on(&mut self, answers: usize) -> bool {
        self.names.len() < KEPT && self.read(answers).unwrap_or(false)
    }

    fn read(&mut self, answers: usize) -> Result<bool, Problem> {
        let handle = match std::mem::replace(&mut self.reading, Reading::Over) {
            Reading::Opening(opening) => opening.handle()?,
            Reading::Open(handle) => handle,
            Reading::Over => return Ok(false),
        };
        let asked: Vec<_> = (0..answers).map(|_| handle.names()).collect::<Result<_, _>>()?;
        let mut is_over = false;
        for names in asked.into_iter().map(Answer::names) {
            let Some(names) = names? else {
                is_over = true;
                continue;
            };
            for entry in names {
                let told = entry.attributes;
                // Some servers tell less in a listing than when they are asked.
                let is_all = told.size.is_some() && told.times.is_some();
                if let Some(stat) = metadata::stat(&told).ok().filter(|_| is_all) {
                    self.names.insert(entry.name, stat);
                }
            }
        }
        if !is_over {
            self.reading = Reading::Open(handle);
        }
        Ok(!is_over)
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
