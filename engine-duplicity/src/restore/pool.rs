//! The threads that write.

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread::Scope;

use crossbeam_channel::{Receiver, Sender, bounded};
use engine_api::{Change, EntryKind, Metadata, Timestamp};
use fstree::TargetFile;

use super::Context;
use crate::budget::{Budget, Permit};

/// Batches that wait.
const WAITING: usize = 64;
/// Bytes that all of them hold together: as many as the reader makes of a member of a volume, several times, so that
/// neither it nor the threads that write stand still for the other.
const BYTES: u64 = 8 << 20;
/// Jobs, and bytes, that are handed over at once: of small files the handing over costs as much as the writing.
const BATCH: usize = 32;
const BATCH_BYTES: u64 = 256 << 10;

/// Something to be written.
pub(super) enum Job {
    /// A file that is at hand whole.
    Whole(PathBuf, Box<Metadata>, Vec<u8>),
    /// A piece of a file.
    Piece(Arc<Open>, u64, Vec<u8>),
    /// A file whose content is right and whose metadata may not be.
    Right(PathBuf, Box<Metadata>),
}

impl Job {
    fn bytes(&self) -> u64 {
        match self {
            Self::Whole(_, _, data) | Self::Piece(_, _, data) => data.len() as u64,
            Self::Right(..) => 0,
        }
    }
}

/// A file between its first write and its last.
pub(super) struct Open {
    pub path: PathBuf,
    pub file: TargetFile,
    /// Set when all its pieces are on their way.
    pub end: OnceLock<Metadata>,
    /// Whether a part of it is lost.
    pub incomplete: AtomicBool,
}

/// Sends jobs to the threads that write.
pub(super) struct Pool {
    sender: Sender<(Vec<Job>, Permit)>,
    budget: Budget,
    pending: Arc<Pending>,
    gathered: RefCell<Gathered>,
}

/// Jobs that nobody was given yet.
#[derive(Default)]
struct Gathered {
    jobs: Vec<Job>,
    bytes: u64,
}

/// How many batches are not done yet.
#[derive(Default)]
struct Pending {
    count: Mutex<usize>,
    none: Condvar,
}

impl Pool {
    /// Starts the threads; they end when the pool is dropped and its jobs are done.
    pub(super) fn start<'s, 'e: 's>(scope: &'s Scope<'s, 'e>, context: &'e Context<'e>) -> Self {
        let (sender, receiver) = bounded(WAITING);
        let pending = Arc::new(Pending::default());
        let threads = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 4);
        for _ in 0..threads {
            let (receiver, pending) = (receiver.clone(), Arc::clone(&pending));
            scope.spawn(move || work(context, &receiver, &pending));
        }
        Self {
            sender,
            budget: Budget::new(BYTES),
            pending,
            gathered: RefCell::default(),
        }
    }

    /// Hands a job over, sooner or later; waits while there are many.
    pub(super) fn send(&self, job: Job) {
        let mut gathered = self.gathered.borrow_mut();
        gathered.bytes += job.bytes();
        gathered.jobs.push(job);
        let full = gathered.jobs.len() >= BATCH || gathered.bytes >= BATCH_BYTES;
        drop(gathered);
        if full {
            self.hand_over();
        }
    }

    /// Waits until everything that was sent is done.
    pub(super) fn wait(&self) {
        self.hand_over();
        let mut count = self.pending.count.lock().unwrap_or_else(PoisonError::into_inner);
        while *count > 0 {
            count = self.pending.none.wait(count).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn hand_over(&self) {
        let Gathered { jobs, bytes } = self.gathered.take();
        if jobs.is_empty() {
            return;
        }
        self.pending.add();
        let permit = self.budget.take(bytes, &|| false);
        if self.sender.send((jobs, permit)).is_err() {
            self.pending.done();
        }
    }
}

impl Drop for Pool {
    /// What was sent before a failure is written all the same.
    fn drop(&mut self) {
        self.hand_over();
    }
}

impl Pending {
    fn add(&self) {
        *self.count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
    }

    fn done(&self) {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        *count = count.saturating_sub(1);
        if *count == 0 {
            self.none.notify_all();
        }
    }
}

fn work(context: &Context<'_>, batches: &Receiver<(Vec<Job>, Permit)>, pending: &Pending) {
    for (jobs, permit) in batches {
        for job in jobs {
            // After an interruption the queue is only emptied.
            if !context.progress.cancelled() {
                one(context, job);
            }
        }
        drop(permit);
        pending.done();
    }
}

fn one(context: &Context<'_>, job: Job) {
    match job {
        Job::Whole(path, metadata, data) => whole(context, &path, &metadata, &data),
        Job::Piece(open, at, data) => {
            if let Err(error) = piece(context, &open, at, &data) {
                // Once is enough for a disk that is full.
                if !open.incomplete.swap(true, Ordering::Relaxed) {
                    context.counters.failed(&open.path, "write", &error);
                }
            }
            Open::let_go(context, open);
        }
        Job::Right(path, metadata) => context.counters.problems(context.target.set_metadata(&path, &metadata)),
    }
}

fn whole(context: &Context<'_>, path: &std::path::Path, metadata: &Metadata, data: &[u8]) {
    let size = data.len() as u64;
    let file = match context.target.create_file(path, size) {
        Ok(file) => file,
        Err(error) => return context.counters.failed(path, "create", &error),
    };
    let written = file.write_at(data, 0);
    let mut metadata = metadata.clone();
    if let Err(error) = written {
        context.counters.failed(path, "write", &error);
        metadata.mtime = Timestamp::now();
    } else {
        context.counters.bytes(size, 0);
    }
    context.counters.problems(file.finish(&metadata));
    context.counters.finished(path, EntryKind::File, Change::Changed, size);
}

/// Writes a piece, unless the file that is changed in place has it already.
fn piece(context: &Context<'_>, open: &Open, at: u64, data: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::FileExt;
    if !open.file.is_new()
        && let Ok(existing) = context.target.open_existing(&open.path)
    {
        let mut there = vec![0; data.len()];
        if existing.read_exact_at(&mut there, at).is_ok() && there == data {
            context.counters.bytes(0, data.len() as u64);
            return Ok(());
        }
    }
    open.file.write_at(data, at)?;
    context.counters.bytes(data.len() as u64, 0);
    Ok(())
}

impl Open {
    /// Whoever lets go of it last finishes it.
    pub(super) fn let_go(context: &Context<'_>, open: Arc<Self>) {
        let Some(mut open) = Arc::into_inner(open) else { return };
        let Some(mut metadata) = open.end.take() else { return };
        if open.incomplete.load(Ordering::Relaxed) {
            // The time tells that it is not what was saved.
            metadata.mtime = Timestamp::now();
        }
        let size = metadata.size;
        open.file.set_size(size);
        context.counters.problems(open.file.finish(&metadata));
        context
            .counters
            .finished(&open.path, EntryKind::File, Change::Changed, size);
    }
}
