//! Files removed, many at once.

use engine_api::{Event, Phase, Problem, Progress};

use crate::Id;
use crate::error::{Error, Result};
use crate::lock::Lock;
use crate::parallel;
use crate::repository::{FileKind, Repository};

/// Removes files as long as the lock holds. One that cannot be removed is told, and the error in the end: the others go all
/// the same.
pub fn remove(repository: &Repository, lock: &Lock, kind: FileKind, ids: &[Id], progress: &dyn Progress) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    progress.event(Event::Phase {
        phase: Phase::Removing,
        total: Some(ids.len() as u64),
    });
    let mut failure = None;
    parallel::each(
        ids,
        repository.store().capabilities().concurrency.max(1),
        |id| {
            if progress.cancelled() {
                return Err(Error::Interrupted);
            }
            lock.check()?;
            Ok(repository.remove(kind, *id))
        },
        |id, removed| {
            progress.event(Event::Advanced(1));
            if let Err(error) = removed {
                tell(progress, kind.object(*id), &error);
                failure.get_or_insert(error);
            }
            Ok(())
        },
    )?;
    failure.map_or(Ok(()), Err)
}

fn tell(progress: &dyn Progress, object: String, error: &Error) {
    let problem = Problem {
        path: object.into(),
        action: "remove",
        cause: error.to_string(),
    };
    progress.event(Event::Problem(&problem));
}
