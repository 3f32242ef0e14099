use std::ops::ControlFlow;
use std::sync::Arc;

use engine_api::{BlobStore, Body, Capabilities, Key, ObjectMeta, PutMode, Space, StoreError};

use super::objects::{Failed, Objects};

/// A local folder behind a storage that does one thing wrong.
struct Liar {
    inner: Arc<dyn BlobStore>,
    lie: Lie,
}

#[derive(Clone, Copy, PartialEq)]
enum Lie {
    Corrupts,
    Overwrites,
    HidesFromListings,
    KeepsRemoved,
    ShowsOldAfterReplace,
}

impl BlobStore for Liar {
    fn location(&self) -> &str {
        self.inner.location()
    }

    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    fn put(&self, key: &Key, body: Body<'_>, mode: PutMode) -> Result<(), StoreError> {
        match (self.lie, mode) {
            (Lie::Overwrites, _) => self.inner.put(key, body, PutMode::Replace),
            (Lie::ShowsOldAfterReplace, PutMode::Replace) => Ok(()),
            _ => self.inner.put(key, body, mode),
        }
    }

    fn get(&self, key: &Key) -> Result<Vec<u8>, StoreError> {
        let mut bytes = self.inner.get(key)?;
        if self.lie == Lie::Corrupts {
            bytes[17] ^= 1;
        }
        Ok(bytes)
    }

    fn get_range(&self, key: &Key, offset: u64, buffer: &mut [u8]) -> Result<(), StoreError> {
        self.inner.get_range(key, offset, buffer)
    }

    fn list(&self, folder: &str, each: &mut dyn FnMut(ObjectMeta) -> ControlFlow<()>) -> Result<(), StoreError> {
        if self.lie == Lie::HidesFromListings {
            return Ok(());
        }
        self.inner.list(folder, each)
    }

    fn remove(&self, key: &Key) -> Result<(), StoreError> {
        if self.lie == Lie::KeepsRemoved {
            return self.inner.stat(key).map(|_| ());
        }
        self.inner.remove(key)
    }

    fn stat(&self, key: &Key) -> Result<ObjectMeta, StoreError> {
        self.inner.stat(key)
    }

    fn space(&self) -> Result<Option<Space>, StoreError> {
        self.inner.space()
    }
}

/// Each lie is found out, and what the trial wrote is gone again unless that is the lie.
#[test]
fn a_storage_that_lies_is_found_out() {
    let lies = [
        (Lie::Corrupts, "not what was written"),
        (Lie::Overwrites, "was overwritten"),
        (Lie::HidesFromListings, "does not show"),
        (Lie::ShowsOldAfterReplace, "still is the old one"),
        (Lie::KeepsRemoved, "is still there"),
    ];
    for (lie, says) in lies {
        let folder = tempfile::tempdir().unwrap();
        let inner = backends::local::open(folder.path(), false).unwrap().blobs;
        let liar = Liar { inner, lie };
        let mut objects = Objects::new(&liar, false);
        let outcome = objects.run(&|| false, &mut |_| ());
        let Err(Failed::Wrong(reason)) = outcome else {
            panic!("it was believed that a storage is good that is not: {says}");
        };
        assert!(reason.contains(says), "{reason}");
        objects.clear().unwrap();
        if lie != Lie::KeepsRemoved {
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        }
    }
}

#[test]
fn a_trial_that_is_stopped_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = backends::local::open(folder.path(), false).unwrap().blobs;
    let mut objects = Objects::new(store.as_ref(), false);
    let steps = std::cell::Cell::new(0);
    let outcome = objects.run(&|| steps.get() == 2, &mut |_| steps.set(steps.get() + 1));
    assert!(matches!(outcome, Err(Failed::Interrupted)));
    objects.clear().unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
