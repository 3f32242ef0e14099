use std::sync::RwLock;

use engine_api::Silent;

use super::{Lock, Mode};
use crate::error::Error;
use crate::testing::Model;

/// Readers and writers at once, each where one of the other kind would be noticed.
#[test]
fn of_those_who_lock_at_once_none_meets_one_that_it_excludes() {
    let model = Model::new();
    for prompt in [true, false] {
        let store = model.store.copy();
        let store = if prompt { store } else { store.without_prompt_listings() };
        let (_, engine) = model.on(store);
        let repository = engine.repository();
        let held = RwLock::new(());
        let work = |mode| {
            for _ in 0..40 {
                match Lock::take(&repository, mode, &Silent).and_then(|lock| lock.settle().map(|()| lock)) {
                    Ok(_lock) if mode == Mode::Shared => drop(held.try_read().unwrap()),
                    Ok(_lock) => drop(held.try_write().unwrap()),
                    Err(Error::Locked { .. }) => std::thread::yield_now(),
                    Err(error) => panic!("{error}"),
                }
            }
        };
        std::thread::scope(|scope| {
            for mode in [Mode::Exclusive, Mode::Shared, Mode::Exclusive, Mode::Shared] {
                scope.spawn(move || work(mode));
            }
        });
        assert_eq!(repository.list(crate::repository::FileKind::Lock).unwrap(), []);
    }
}

/// What was seen when the repository was opened is no excuse for not looking later.
#[test]
fn a_lock_that_came_after_the_opening_is_met() {
    let model = Model::new();
    let (store, engine) = model.on(model.store.copy().on_a_network());
    let late = engine.repository();
    let first = model.open(&store).repository();
    let held = Lock::take(&first, Mode::Exclusive, &Silent).unwrap();
    for mode in [Mode::Shared, Mode::Exclusive] {
        let refused = Lock::take(&late, mode, &Silent).err();
        assert!(matches!(refused, Some(Error::Locked { .. })));
    }
    drop(held);
    let lock = Lock::take(&late, Mode::Exclusive, &Silent).unwrap();
    assert!(lock.is_settled());
    assert_eq!(store.names("locks").len(), 1);
    drop(lock);
    assert_eq!(store.names("locks").len(), 0);
}
