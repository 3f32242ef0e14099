//! The steps of a trial on objects.

use std::fmt::Write;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use engine_api::{BlobStore, Body, Key, PutMode, StoreError, StoreErrorKind};
use sha2::{Digest, Sha256};

use super::{TrialStep, unexpected};

/// The first and the largest amount that is written at once, in bytes.
const SMALLEST: usize = 1 << 20;
const LARGEST: usize = 32 << 20;

/// What part of the room that is left may be taken for the time of the trial.
const SHARE_OF_ROOM: u64 = 8;

/// How long a step has to take before its speed says something.
const TELLING: Duration = Duration::from_millis(1000);

/// How often a small piece is read to see how long an answer takes.
const ANSWERS: u32 = 5;

/// Why a trial ended early.
pub(super) enum Failed {
    Store(StoreError),
    /// An operation went well and did not do what it should.
    Wrong(String),
    Interrupted,
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// The objects of one trial.
pub(super) struct Objects<'a> {
    store: &'a dyn BlobStore,
    /// Named as restic's packs are, by what they hold: such a server takes no others.
    as_packs: bool,
    written: Vec<Written>,
}

struct Written {
    key: Key,
    content: Vec<u8>,
}

type Each<'a> = dyn FnMut(TrialStep) + 'a;

/// A step; gives how many bytes it moved, in how many operations.
type Work<'a> = dyn FnMut(&mut Objects<'a>) -> Result<(u64, u64), Failed>;

impl<'a> Objects<'a> {
    pub(super) fn new(store: &'a dyn BlobStore, as_packs: bool) -> Self {
        Self {
            store,
            as_packs,
            written: Vec::new(),
        }
    }

    /// All steps in order; gives how long one answer takes.
    pub(super) fn run(&mut self, stop: &dyn Fn() -> bool, each: &mut Each<'_>) -> Result<Duration, Failed> {
        self.write(stop, each)?;
        let mut step = |this: &mut Self, name, work: &mut Work<'a>| {
            if stop() {
                return Err(Failed::Interrupted);
            }
            let start = Instant::now();
            let (bytes, operations) = work(this)?;
            let seconds = start.elapsed().as_secs_f64();
            each(TrialStep {
                name,
                seconds,
                bytes,
                operations,
            });
            Ok(seconds)
        };
        step(self, "read", &mut |this| this.read())?;
        let ranges = step(self, "range", &mut |this| this.ranges())?;
        step(self, "list", &mut |this| this.list())?;
        step(self, "refuse", &mut |this| this.refuse())?;
        step(self, "replace", &mut |this| this.replace())?;
        step(self, "remove", &mut |this| this.remove())?;
        Ok(Duration::from_secs_f64(ranges) / ANSWERS)
    }

    /// Removes what a step that failed has left.
    pub(super) fn clear(&mut self) -> Result<(), StoreError> {
        let mut end = Ok(());
        for object in self.written.drain(..) {
            match self.store.remove(&object.key) {
                Err(error) if !error.is_not_found() => end = Err(error),
                _ => {}
            }
        }
        end
    }

    /// Writes more and more, until it takes long enough to tell how fast that is.
    fn write(&mut self, stop: &dyn Fn() -> bool, each: &mut Each<'_>) -> Result<(), Failed> {
        let threads = self.store.capabilities().concurrency.clamp(1, 8);
        let room = self
            .store
            .space()?
            .map_or(u64::MAX, |space| space.available / SHARE_OF_ROOM);
        let largest = usize::try_from(room).map_or(LARGEST, |room| room.min(LARGEST));
        let mut size = SMALLEST;
        loop {
            if stop() {
                return Err(Failed::Interrupted);
            }
            for _ in 0..threads {
                let object = self.invent(size / threads)?;
                self.written.push(object);
            }
            let start = Instant::now();
            self.on_all(|object| {
                self.store
                    .put(&object.key, Body::Bytes(&object.content), PutMode::Create)
            })?;
            let took = start.elapsed();
            if took >= TELLING || size.saturating_mul(4) > largest {
                each(TrialStep {
                    name: "write",
                    seconds: took.as_secs_f64(),
                    bytes: self.bytes(),
                    operations: threads as u64,
                });
                return Ok(());
            }
            self.clear()?;
            size *= 4;
        }
    }

    /// Random content under a name that nobody has.
    fn invent(&self, length: usize) -> Result<Written, Failed> {
        let mut content = vec![0; length.max(4096)];
        getrandom::fill(&mut content).map_err(|error| Failed::Wrong(format!("no random numbers: {error}")))?;
        let mut name = String::new();
        for byte in Sha256::digest(&content) {
            let _ = write!(name, "{byte:02x}");
        }
        let short = name.get(..2).unwrap_or_default();
        let name = if self.as_packs {
            format!("data/{short}/{name}")
        } else {
            format!("holdfast-test-{}", name.get(..24).unwrap_or_default())
        };
        let key = Key::new(name).map_err(|error| Failed::Wrong(error.to_string()))?;
        Ok(Written { key, content })
    }

    fn bytes(&self) -> u64 {
        self.written.iter().map(|object| object.content.len() as u64).sum()
    }

    /// Does `work` on all objects at once.
    fn on_all(&self, work: impl Fn(&Written) -> Result<(), StoreError> + Sync) -> Result<(), StoreError> {
        let failed = Mutex::new(None);
        std::thread::scope(|scope| {
            for object in &self.written {
                let (work, failed) = (&work, &failed);
                scope.spawn(move || {
                    if let Err(error) = work(object)
                        && let Ok(mut first) = failed.lock()
                    {
                        first.get_or_insert(error);
                    }
                });
            }
        });
        failed.into_inner().ok().flatten().map_or(Ok(()), Err)
    }

    fn read(&mut self) -> Result<(u64, u64), Failed> {
        let wrong = Mutex::new(false);
        self.on_all(|object| {
            let same = self.store.get(&object.key)? == object.content;
            if !same && let Ok(mut wrong) = wrong.lock() {
                *wrong = true;
            }
            Ok(())
        })?;
        if wrong.into_inner().unwrap_or(true) {
            return Err(Failed::Wrong("what was read is not what was written".to_owned()));
        }
        Ok((self.bytes(), self.written.len() as u64))
    }

    fn first(&self) -> Result<&Written, Failed> {
        let none = || Failed::Wrong("nothing was written".to_owned());
        self.written.first().ok_or_else(none)
    }

    fn ranges(&mut self) -> Result<(u64, u64), Failed> {
        const LENGTH: usize = 512;
        let object = self.first()?;
        for number in 0..ANSWERS {
            let offset = object.content.len() / 2 + number as usize;
            let mut piece = [0; LENGTH];
            self.store.get_range(&object.key, offset as u64, &mut piece)?;
            if object.content.get(offset..offset + LENGTH) != Some(&piece) {
                return Err(Failed::Wrong("a part of an object is not what was written".to_owned()));
            }
        }
        Ok((u64::from(ANSWERS) * LENGTH as u64, u64::from(ANSWERS)))
    }

    fn list(&mut self) -> Result<(u64, u64), Failed> {
        let mut missing = self.written.len();
        let mut wrong = None;
        let folder = if self.as_packs { "data" } else { "" };
        self.store.list(folder, &mut |found| {
            if let Some(object) = self.written.iter().find(|object| object.key == found.key) {
                missing -= 1;
                if found.size != object.content.len() as u64 {
                    wrong = Some(format!("a listing gives {} a wrong size", found.key));
                }
            }
            if missing == 0 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        match wrong {
            Some(reason) => Err(Failed::Wrong(reason)),
            None if missing > 0 => Err(Failed::Wrong("a listing does not show what was written".to_owned())),
            None => Ok((0, 1)),
        }
    }

    fn refuse(&mut self) -> Result<(u64, u64), Failed> {
        let object = self.first()?;
        match self
            .store
            .put(&object.key, Body::Bytes(&object.content), PutMode::Create)
        {
            Ok(()) => Err(Failed::Wrong("an object that must be new was overwritten".to_owned())),
            Err(error) if unexpected(&error, StoreErrorKind::AlreadyExists) => Err(error.into()),
            Err(_) => Ok((0, 1)),
        }
    }

    fn replace(&mut self) -> Result<(u64, u64), Failed> {
        let as_packs = self.as_packs;
        let Some(object) = self.written.first_mut() else {
            return Err(Failed::Wrong("nothing was written".to_owned()));
        };
        // A server that looks at names takes only what belongs to this one.
        if !as_packs {
            object.content.truncate(1000);
        }
        self.store
            .put(&object.key, Body::Bytes(&object.content), PutMode::Replace)?;
        if self.store.get(&object.key)? != object.content {
            return Err(Failed::Wrong(
                "an object that was replaced still is the old one".to_owned(),
            ));
        }
        Ok((2 * object.content.len() as u64, 2))
    }

    fn remove(&mut self) -> Result<(u64, u64), Failed> {
        let operations = self.written.len() as u64 + 1;
        let first = self.first()?.key.clone();
        self.on_all(|object| self.store.remove(&object.key))?;
        self.written.clear();
        match self.store.stat(&first) {
            Ok(_) => Err(Failed::Wrong("an object that was removed is still there".to_owned())),
            Err(error) if unexpected(&error, StoreErrorKind::NotFound) => Err(error.into()),
            Err(_) => Ok((0, operations)),
        }
    }
}
