//! Before the walk: the lock is taken, and at the same time all is found out that does not depend on it.

use engine_api::{BackupRequest, Progress};

use super::plan::Plan;
use crate::error::Result;
use crate::layout;
use crate::lock::Lock;
use crate::snapshots;
use crate::survey::Survey;
use crate::{Marker, RsyncEngine};

/// Takes the lock and makes the plan.
pub fn run(engine: &RsyncEngine, request: &BackupRequest, progress: &dyn Progress) -> Result<(Lock, Plan)> {
    let store = engine.store();
    store.get_ready();
    std::thread::scope(|scope| {
        // Whoever asks next waits for this answer.
        let try_out = || scope.spawn(|| store.capabilities());
        if engine.settings().marker == Marker::Seen {
            try_out();
        }
        let seen = Survey::take(engine)?;
        // Before anything is written, a lock too.
        seen.check_marker(engine)?;
        try_out();
        let newest = seen.dated().last().cloned();
        let expected = newest.filter(|_| request.parent.is_none() && !seen.may_be_taken_over());
        let early = expected.map(|(time, name)| {
            let size = seen.manifest_size(&name);
            scope.spawn(move || snapshots::load_to_read(store, time, &name, size))
        });
        // What another run did meanwhile shows only to who holds the lock.
        let (lock, now) = Lock::take_and(engine, progress, Some(&seen), || Survey::take(engine))?;
        now.check_marker(engine)?;
        if now.in_progress() && !seen.in_progress() {
            // The script began in between.
            layout::check_script(store)?;
        }
        let early = early.and_then(|early| early.join().ok()?.ok());
        let plan = Plan::make(engine, request, progress, now, early)?;
        Ok((lock, plan))
    })
}
