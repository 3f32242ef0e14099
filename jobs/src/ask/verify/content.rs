//! The content of files, read and compared.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use engine_api::{CompareRequest, DiffKind, EntryKind, ErrorKind, Event, Progress, Snapshot};

use super::{Difference, Pass, Verify};
use crate::open::Repository;

/// So many paths that differ are remembered, so that none is told twice.
const REMEMBERED: usize = 1 << 20;

impl Pass<'_> {
    /// Reads what is the same by its metadata, and everything else too: that is told already.
    pub(super) fn content(
        &mut self,
        repository: &Repository,
        snapshot: &Snapshot,
        verify: &Verify,
    ) -> engine_api::Result<()> {
        let request = CompareRequest {
            snapshot: snapshot.id.clone(),
            paths: verify.paths.clone(),
            target: verify.target.clone(),
        };
        let listener = Listener {
            progress: self.progress,
            shared: Mutex::new(Shared {
                told: &self.told,
                content: 0,
                broken: false,
                each: &mut *self.each,
            }),
        };
        let compared = repository.engine().compare(&request, &listener);
        let shared = listener.shared.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (content, broken) = (shared.content, shared.broken);
        self.verified.content += content;
        match compared {
            Ok(report) => self.verified.files_read = report.same,
            Err(error) if broken && error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// The paths that were told, as digests.
#[derive(Default)]
pub(super) struct Told {
    paths: HashSet<u64>,
    hasher: RandomState,
}

impl Told {
    pub(super) fn note(&mut self, path: &Path) {
        if self.paths.len() < REMEMBERED {
            self.paths.insert(self.hasher.hash_one(path));
        }
    }

    fn has(&self, path: &Path) -> bool {
        self.paths.contains(&self.hasher.hash_one(path))
    }
}

/// Turns what an engine says of content into differences.
struct Listener<'l> {
    progress: &'l dyn Progress,
    shared: Mutex<Shared<'l>>,
}

struct Shared<'l> {
    told: &'l Told,
    content: u64,
    broken: bool,
    each: &'l mut (dyn FnMut(&Difference) -> ControlFlow<()> + Send),
}

impl Progress for Listener<'_> {
    fn event(&self, event: Event<'_>) {
        let Event::Problem(problem) = event else {
            return self.progress.event(event);
        };
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if problem.action != "verify" {
            return self.progress.event(event);
        }
        if shared.told.has(&problem.path) {
            return;
        }
        shared.content += 1;
        let difference = Difference {
            sort: DiffKind::Content,
            path: problem.path.clone(),
            kind: EntryKind::File,
            properties: vec!["content"],
            size_before: None,
            size_after: None,
        };
        self.progress.event(Event::Notice(&crate::text::problem(problem)));
        shared.broken |= (shared.each)(&difference).is_break();
    }

    fn cancelled(&self) -> bool {
        let broken = self.shared.lock().is_ok_and(|shared| shared.broken);
        broken || self.progress.cancelled()
    }
}
