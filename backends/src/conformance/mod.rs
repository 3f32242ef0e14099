//! What every storage must do: the contract of [`BlobStore`] as runnable checks, for storages inside and outside this
//! crate.
//!
//! [`run`] works in a fresh folder name of its own at the destination and removes what it made there. It reads the
//! storage's [`Capabilities`](engine_api::Capabilities) and skips, with the reason, what the storage does not promise.

mod concurrent;
pub mod files;
mod large;
mod listing;
mod objects;

pub use large::large_object;

use engine_api::{BlobStore, Key, StoreError, StoreErrorKind};

/// A storage broke the contract, or failed.
#[derive(Debug)]
pub struct Broken {
    /// The check that found it.
    pub check: &'static str,
    /// What was expected and what was seen.
    pub message: String,
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.check, self.message)
    }
}

impl std::error::Error for Broken {}

/// What a run of the suite did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Checks that passed.
    pub passed: Vec<&'static str>,
    /// Checks that do not apply, each with the reason.
    pub skipped: Vec<(&'static str, &'static str)>,
}

/// The outcome of one check: done, or skipped for a reason.
type Outcome = Result<Option<&'static str>, String>;

type Check = (&'static str, fn(&Bench<'_>) -> Outcome);

const CHECKS: &[Check] = &[
    ("what was put can be read", objects::round_trip),
    ("every kind of body arrives whole", objects::bodies),
    ("exclusive create refuses an existing object", objects::create_refuses),
    ("replace puts the new object in place of the old", objects::replace),
    ("ranges are exact", objects::ranges),
    ("sizes are right", objects::sizes),
    ("a missing object is NotFound from every method", objects::missing),
    ("removed objects are gone", objects::removes),
    ("an interrupted put leaves nothing", objects::interrupted),
    ("odd names work", objects::odd_names),
    ("a listing shows all of a folder and nothing else", listing::folders),
    ("a listing stops when it is told to", listing::stops),
    ("a listing shows ten thousand objects", listing::many),
    ("one of many creators wins", concurrent::one_creator),
    ("readers never see half an object", concurrent::whole_objects),
    (
        "many writers and a listing go together",
        concurrent::writers_and_listing,
    ),
];

/// Runs every check against `store` in the folder `area`, which must not be in use.
///
/// # Errors
/// The first check that found the contract broken; the later ones have not run.
pub fn run(store: &dyn BlobStore, area: &str) -> Result<Summary, Broken> {
    run_without(store, area, &[])
}

/// The same without the checks of `left_out`, each with the reason, which then count as skipped: for a server that is
/// known to break a promise, while the rest of the contract is still to be held.
///
/// # Errors
/// The first check that found the contract broken; the later ones have not run.
pub fn run_without(
    store: &dyn BlobStore,
    area: &str,
    left_out: &[(&'static str, &'static str)],
) -> Result<Summary, Broken> {
    let mut summary = Summary::default();
    for (number, (name, check)) in CHECKS.iter().enumerate() {
        if let Some(known) = left_out.iter().find(|(check, _)| check == name) {
            summary.skipped.push(*known);
            continue;
        }
        let bench = Bench {
            store,
            folder: format!("{area}/{number:02}"),
        };
        let outcome = check(&bench).and_then(|outcome| bench.clear().map(|()| outcome));
        match outcome {
            Ok(None) => summary.passed.push(name),
            Ok(Some(reason)) => summary.skipped.push((name, reason)),
            Err(message) => return Err(Broken { check: name, message }),
        }
    }
    Ok(summary)
}

/// A store and the folder that one check may use.
struct Bench<'a> {
    store: &'a dyn BlobStore,
    folder: String,
}

impl Bench<'_> {
    fn key(&self, name: impl AsRef<[u8]>) -> Result<Key, String> {
        let bytes = [self.folder.as_bytes(), b"/", name.as_ref()].concat();
        Key::new(bytes).map_err(|error| error.to_string())
    }

    fn put(&self, name: impl AsRef<[u8]>, bytes: &[u8]) -> Result<Key, String> {
        let key = self.key(name)?;
        let body = engine_api::Body::Bytes(bytes);
        self.store
            .put(&key, body, engine_api::PutMode::Replace)
            .map_err(failed)?;
        Ok(key)
    }

    /// The names and sizes below `folder`, sorted.
    fn list(&self, folder: &str) -> Result<Vec<(Key, u64)>, String> {
        let mut found = Vec::new();
        self.store
            .list(folder, &mut |object| {
                found.push((object.key, object.size));
                std::ops::ControlFlow::Continue(())
            })
            .map_err(failed)?;
        found.sort();
        Ok(found)
    }

    fn clear(&self) -> Result<(), String> {
        for (key, _) in self.list(&self.folder)? {
            self.store.remove(&key).map_err(failed)?;
        }
        Ok(())
    }
}

fn failed(error: StoreError) -> String {
    engine_api::Error::from(error).chain()
}

fn expect(condition: bool, message: impl FnOnce() -> String) -> Result<(), String> {
    if condition { Ok(()) } else { Err(message()) }
}

fn expect_kind<T>(result: Result<T, StoreError>, kind: StoreErrorKind, what: &str) -> Result<(), String> {
    match result {
        Err(error) if error.kind == kind => Ok(()),
        Err(error) => Err(format!(
            "{what} must fail with {kind:?}, not as it did: {}",
            failed(error)
        )),
        Ok(_) => Err(format!("{what} must fail with {kind:?}, and it went well")),
    }
}

/// Bytes that look random and are the same for the same seed.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut step = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = std::iter::repeat_with(&mut step)
        .take(length.div_ceil(8))
        .flatten()
        .collect();
    bytes.truncate(length);
    bytes
}
