use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::sftp::link::Link;
use crate::sftp::requests::Requests;

/// A writer that takes longer for one object has lost its connection, in seconds.
const OLD: i64 = 24 * 60 * 60;

/// More than a machine that crashes daily leaves behind in a year; the next listing finds the rest.
const KEPT: usize = 1024;

/// Old temporary files that a listing met: reading never changes the destination, so the next write removes them.
pub(super) struct Leftovers {
    paths: Mutex<Vec<Vec<u8>>>,
    /// By how many seconds the server's clock is ahead; without it no file's age is known.
    clock_ahead: Option<i64>,
}

impl Leftovers {
    pub(super) const fn new(clock_ahead: Option<i64>) -> Self {
        Self {
            paths: Mutex::new(Vec::new()),
            clock_ahead,
        }
    }

    /// Notes the file at `path`, last changed at `changed`, when it is old.
    pub(super) fn note(&self, path: &[u8], changed: Option<u32>) {
        if !self.is_old(changed).unwrap_or(false) {
            return;
        }
        let mut paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        if paths.len() < KEPT {
            paths.push(path.to_vec());
        }
    }

    fn is_old(&self, changed: Option<u32>) -> Option<bool> {
        let here = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
        let there = i64::try_from(here).ok()?.checked_add(self.clock_ahead?)?;
        Some(there - i64::from(changed?) > OLD)
    }

    /// Removes them; what cannot be removed stays, as invisible as before.
    pub(super) fn sweep(&self, link: &Arc<Link>) {
        let paths = std::mem::take(&mut *self.paths.lock().unwrap_or_else(PoisonError::into_inner));
        let answers: Vec<_> = paths.iter().map(|path| link.remove(path)).collect();
        for answer in answers.into_iter().flatten() {
            let _ = answer.done();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_old_by_the_servers_clock_is_noted() {
        let here = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let changed = u32::try_from(here - 1000).unwrap();
        for (ahead, noted) in [(Some(0), 0), (Some(OLD), 1), (Some(-OLD), 0), (None, 0)] {
            let leftovers = Leftovers::new(ahead);
            leftovers.note(b"x", Some(changed));
            leftovers.note(b"y", None);
            assert_eq!(leftovers.paths.lock().unwrap().len(), noted, "{ahead:?}");
        }
    }
}
