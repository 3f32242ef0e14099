//! What the walk and the threads that read ahead share.

use std::os::unix::ffi::OsStrExt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::Step;
use super::listing::{self, Reader, Row};
use super::schedule::{Id, Place, Schedule, Task, Turn};
use super::scope::Rules;

pub(super) struct Shared {
    rules: Rules,
    state: Mutex<State>,
    /// The walk waits here for what a thread reads.
    read: Condvar,
    /// The threads wait here for work.
    work: Condvar,
}

#[derive(Default)]
struct State {
    schedule: Schedule,
    idle: usize,
    walk_waits: bool,
    closed: bool,
}

impl Shared {
    pub(super) fn new(rules: Rules, schedule: Schedule) -> Self {
        let state = State {
            schedule,
            ..State::default()
        };
        Self {
            rules,
            state: Mutex::new(state),
            read: Condvar::new(),
            work: Condvar::new(),
        }
    }

    /// Reads ahead until the walk is over.
    pub(super) fn read_ahead(&self) {
        let mut reader = Reader::new(&self.rules);
        while let Some(task) = self.wait_for_task() {
            self.execute(task, &mut reader);
        }
    }

    /// Lets the threads end.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.work.notify_all();
    }

    /// Waits for the folder that is entry `index` of `parent`, or reads it, and enters it.
    pub(super) fn enter(&self, parent: Id, index: u32, device: u64, reader: &mut Reader) -> Option<(Id, Entered)> {
        let id = self.take(reader, |schedule| schedule.turn_to_folder(parent, index, device))?;
        Some((id, self.entered(id)?))
    }

    /// Enters the root.
    pub(super) fn entered(&self, id: Id) -> Option<Entered> {
        let mut state = self.lock();
        let entered = state.schedule.enter(id);
        self.wake_readers(&state);
        entered
    }

    /// Waits for the next batch of folder `id`, or reads it; `None` when there is no more.
    pub(super) fn next_batch(&self, id: Id, reader: &mut Reader) -> Option<Vec<Row>> {
        let rows = self.take(reader, |schedule| schedule.turn_to_batch(id))?;
        self.wake_readers(&self.lock());
        Some(rows)
    }

    pub(super) fn leave(&self, parent: Option<(Id, u32)>, id: Id) {
        self.lock().schedule.leave(parent, id);
    }

    fn take<T>(&self, reader: &mut Reader, mut turn: impl FnMut(&mut Schedule) -> Turn<T>) -> Option<T> {
        let mut state = self.lock();
        loop {
            match turn(&mut state.schedule) {
                Turn::Ready(taken) => return Some(taken),
                Turn::End => return None,
                Turn::Wait => {
                    state.walk_waits = true;
                    state = self.read.wait(state).unwrap_or_else(PoisonError::into_inner);
                    state.walk_waits = false;
                }
                Turn::Read(task) => {
                    drop(state);
                    self.execute(task, reader);
                    state = self.lock();
                }
            }
        }
    }

    fn wait_for_task(&self) -> Option<Task> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(task) = state.schedule.next_task() {
                self.wake_readers(&state);
                return Some(task);
            }
            state.idle += 1;
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }

    fn execute(&self, task: Task, reader: &mut Reader) {
        match task {
            Task::Folder {
                id,
                parent,
                index,
                device,
            } => {
                let listing = self.read_folder(&parent, index, device, reader);
                self.done(|schedule| schedule.opened(id, listing));
            }
            Task::Batch { id, place, batch } => {
                let rows = listing::stat(&place.dir, &place.scope, &place.names, batch);
                self.done(|schedule| schedule.batch_read(id, batch, rows));
            }
        }
    }

    fn read_folder(&self, parent: &Place, index: u32, device: u64, reader: &mut Reader) -> listing::Listing {
        let name = parent.names.name(index as usize);
        let dir = parent.dir.child(name);
        let (scope, left_out) = parent.scope.child(name, device, &self.rules, reader.scanner.as_mut());
        let mut listing = listing::read(dir, scope, &self.rules, reader);
        if let Some(text) = left_out {
            let path = parent.dir.path_of(name);
            let path = String::from_utf8_lossy(path.as_os_str().as_bytes()).into_owned();
            listing.messages.insert(0, Step::Notice(format!("{path}: {text}")));
        }
        listing
    }

    fn done(&self, note: impl FnOnce(&mut Schedule)) {
        let mut state = self.lock();
        note(&mut state.schedule);
        if state.walk_waits {
            self.read.notify_one();
        }
        self.wake_readers(&state);
    }

    /// A thread that finds nothing to do goes to sleep again, so waking one too many does no harm; waking one for every
    /// entry that makes room would.
    fn wake_readers(&self, state: &State) {
        if state.idle > 0 && state.schedule.is_hungry() {
            self.work.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A folder that the walk is in, and what is to be said of it.
pub(super) type Entered = (Place, Vec<Step>);

/// Starts as many threads as the system gives, at most `wanted`.
pub(super) fn start(shared: &Arc<Shared>, wanted: usize) -> Vec<std::thread::JoinHandle<()>> {
    (0..wanted)
        .map_while(|_| {
            let shared = Arc::clone(shared);
            std::thread::Builder::new()
                .name("read-ahead".to_owned())
                .spawn(move || shared.read_ahead())
                .ok()
        })
        .collect()
}
