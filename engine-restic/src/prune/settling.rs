//! The lock, and the plan that is made while it settles.

use std::sync::Arc;

use engine_api::Progress;

use super::Prepared;
use crate::Id;
use crate::error::{Error, Result};
use crate::index;
use crate::lock::{Lock, Mode};
use crate::repository::{FileKind, Repository};

/// Takes the exclusive lock and makes the plan by `prepare`, which only reads. Where the lock has to wait until it is
/// settled, the plan is made meanwhile, and made anew if somebody has ended a backup since, or another prune.
pub fn lock_and_plan(
    repository: &Arc<Repository>,
    progress: &dyn Progress,
    prepare: &dyn Fn() -> Result<Prepared>,
) -> Result<(Arc<Lock>, Prepared)> {
    let lock = Lock::take_unsettled(repository, progress)?;
    if lock.is_settled() {
        return Ok((Arc::new(lock), prepare()?));
    }
    let early = prepare();
    match lock.settle() {
        Ok(()) => {}
        Err(Error::Locked { .. }) => {
            drop(lock);
            // From the start, waiting as long as the settings say.
            let lock = Lock::take(repository, Mode::Exclusive, progress)?;
            return Ok((Arc::new(lock), prepare()?));
        }
        Err(error) => return Err(error),
    }
    let prepared = match early {
        Ok(prepared) if is_current(repository, &prepared)? => prepared,
        Err(Error::Interrupted) => return Err(Error::Interrupted),
        _ => prepare()?,
    };
    Ok((Arc::new(lock), prepared))
}

/// Whether the snapshots and the index are still those of the plan: whoever adds or removes data changes one of them
/// before giving the lock back.
fn is_current(repository: &Repository, prepared: &Prepared) -> Result<bool> {
    let (snapshots, files) = std::thread::scope(|scope| {
        let files = scope.spawn(|| index::files(repository));
        let snapshots = repository.list(FileKind::Snapshot);
        (snapshots, files.join().unwrap_or(Err(Error::Interrupted)))
    });
    let mut planned: Vec<Id> = prepared.files.iter().map(|file| file.id).collect();
    planned.sort_unstable();
    let same_snapshots = snapshots?.iter().map(|(id, _)| id).eq(&prepared.snapshots);
    Ok(same_snapshots && files? == planned)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use engine_api::{Engine, ErrorKind, Event, Phase, PruneRequest, Silent};

    use super::*;
    use crate::testing::{Model, noise};

    const REQUEST: PruneRequest = PruneRequest {
        max_unused: 0.0,
        max_repack: None,
        dry_run: false,
    };

    /// Does something when a plan is half made.
    struct Meanwhile<'a> {
        plans: AtomicU32,
        act: &'a (dyn Fn() + Sync),
    }

    impl Progress for Meanwhile<'_> {
        fn event(&self, event: Event<'_>) {
            let half_made = matches!(
                event,
                Event::Phase {
                    phase: Phase::FindingUsed,
                    ..
                }
            );
            if half_made && self.plans.fetch_add(1, Ordering::SeqCst) == 0 {
                (self.act)();
            }
        }

        fn cancelled(&self) -> bool {
            false
        }
    }

    fn model() -> Model {
        let mut model = Model::new();
        for turn in 0..3 {
            model.write("same", &noise(1, 9000));
            model.write("other", &noise(10 + turn, 9000));
            model.backup();
        }
        model
    }

    /// A backup has ended between the listing of the snapshots and the moment at which the lock is settled.
    #[test]
    fn a_snapshot_that_comes_while_the_lock_settles_keeps_its_data() {
        let model = model();
        let (store, engine) = model.on(model.store.copy().without_prompt_listings());
        let name = format!("snapshots/{}", model.ids[2]);
        store.change(&name, |_| None);
        let act = || store.take_from(&model.store, &name);
        let meanwhile = Meanwhile {
            plans: AtomicU32::new(0),
            act: &act,
        };
        let report = engine.prune(&REQUEST, &meanwhile).unwrap();
        assert_eq!(meanwhile.plans.load(Ordering::SeqCst), 2);
        assert_eq!((report.packs_removed, report.packs_repacked), (0, 0));
        assert_eq!(store.names("snapshots").len(), 3);
        model.assert_good(&engine);
    }

    #[test]
    fn a_plan_that_nothing_has_changed_since_is_made_once() {
        let model = model();
        let (_, engine) = model.on(model.store.copy().without_prompt_listings());
        let meanwhile = Meanwhile {
            plans: AtomicU32::new(0),
            act: &|| (),
        };
        engine.prune(&REQUEST, &meanwhile).unwrap();
        assert_eq!(meanwhile.plans.load(Ordering::SeqCst), 1);
    }

    /// Somebody who took a lock at the same moment is met when ours is settled, and nothing is removed.
    #[test]
    fn a_lock_that_comes_while_ours_settles_ends_it() {
        let mut model = model();
        let first = model.ids[0].clone();
        let (store, engine) = model.on(model.store.copy().without_prompt_listings());
        store.change(&format!("snapshots/{first}"), |_| None);
        model.saved.remove(&first);
        let (elsewhere, other) = model.on(store.copy());
        let _held = Lock::take(&other.repository(), Mode::Shared, &Silent).unwrap();
        let name = elsewhere.names("locks").remove(0);
        let act = || store.take_from(&elsewhere, &name);
        let meanwhile = Meanwhile {
            plans: AtomicU32::new(0),
            act: &act,
        };
        let packs = store.names("data");
        let refused = engine.prune(&REQUEST, &meanwhile).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Locked);
        assert_eq!(store.names("data"), packs);
        model.assert_good(&engine);
    }
}
