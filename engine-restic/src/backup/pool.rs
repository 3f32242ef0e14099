//! The workers: files to be read, and chunks of large files that all of them share.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, select};

use super::Context;
use super::file::{ChunkTask, FileTask, read_file, save_chunk};
use super::folder::Tools;
use crate::Id;
use crate::error::{Error, Result};
use crate::repository::{Sealer, lock};

/// Files that wait for a worker.
const FILES_WAITING: usize = 256;

/// Capacity of a buffer for chunks: most are shorter. What is not touched of it takes no memory.
const USUAL: usize = 3 << 20;

/// Buffers that are kept for other chunks.
const SPARE: usize = 4;

/// The way to the workers.
pub struct Pool {
    files: Sender<FileTask>,
    chunks: Sender<ChunkTask>,
    finished: Sender<Id>,
    failed: AtomicBool,
    failure: Mutex<Option<Error>>,
    spare: Mutex<Vec<Vec<u8>>>,
}

struct Queues {
    files: Receiver<FileTask>,
    chunks: Receiver<ChunkTask>,
    /// Disconnected when there will be no more work.
    stop: Receiver<()>,
}

/// Runs `assemble` with workers beside it and waits for the topmost listing.
pub fn run(context: &Context<'_>, assemble: impl FnOnce(&Pool) -> Result<Option<Id>>) -> Result<Id> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from) + 1;
    let (files, files_waiting) = bounded(FILES_WAITING);
    let (chunks, chunks_waiting) = bounded(workers - 1);
    let (finished, finish) = bounded(1);
    let (running, stop) = bounded::<()>(0);
    let pool = Pool {
        files,
        chunks,
        finished,
        failed: false.into(),
        failure: Mutex::new(None),
        spare: Mutex::default(),
    };
    let queues = Queues {
        files: files_waiting,
        chunks: chunks_waiting,
        stop,
    };
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| pool.work(context, &queues));
        }
        let tree = assemble(&pool).and_then(|tree| tree.map_or_else(|| pool.wait(&finish, context), Ok));
        if tree.is_err() {
            // What still waits is thrown away by the workers.
            pool.failed.store(true, Ordering::Release);
        }
        drop(running);
        tree
    })
}

impl Pool {
    /// Hands a file to the workers; waits while many wait already.
    pub fn send(&self, task: FileTask) -> Result<()> {
        self.check()?;
        self.files.send(task).map_err(|_| Error::Interrupted)
    }

    /// Hands a chunk to another worker, or gives it back when all are busy.
    pub fn share(&self, task: ChunkTask) -> Option<ChunkTask> {
        match self.chunks.try_send(task) {
            Ok(()) => None,
            Err(TrySendError::Full(task) | TrySendError::Disconnected(task)) => Some(task),
        }
    }

    /// Fails when a worker has failed.
    pub fn check(&self) -> Result<()> {
        if self.has_failed() {
            Err(self.take_failure())
        } else {
            Ok(())
        }
    }

    /// Whether a worker has failed.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// A buffer for a chunk, used before if there is one.
    pub fn buffer(&self) -> Vec<u8> {
        let spare = lock(&self.spare).pop();
        spare.unwrap_or_else(|| Vec::with_capacity(USUAL))
    }

    /// Gives a buffer back.
    pub fn recycle(&self, mut buffer: Vec<u8>) {
        let mut spare = lock(&self.spare);
        if spare.len() < SPARE {
            // The few that grew far beyond the usual chunk are not worth all of their memory.
            buffer.clear();
            buffer.shrink_to(USUAL);
            spare.push(buffer);
        }
    }

    fn wait(&self, finish: &Receiver<Id>, context: &Context<'_>) -> Result<Id> {
        let pause = std::time::Duration::from_millis(100);
        loop {
            if let Ok(tree) = finish.recv_timeout(pause) {
                return Ok(tree);
            }
            self.check()?;
            if context.progress.cancelled() {
                return Err(Error::Interrupted);
            }
        }
    }

    fn take_failure(&self) -> Error {
        lock(&self.failure).take().unwrap_or(Error::Interrupted)
    }

    fn fail(&self, error: Error) {
        lock(&self.failure).get_or_insert(error);
        self.failed.store(true, Ordering::Release);
    }

    fn work(&self, context: &Context<'_>, queues: &Queues) {
        match Sealer::new(context.repository) {
            Ok(sealer) => {
                let mut tools = Tools {
                    sealer,
                    sealed: Vec::new(),
                };
                while let Some(task) = queues.next() {
                    self.run_task(task, context, &mut tools);
                }
            }
            Err(error) => {
                self.fail(error);
                while queues.next().is_some() {}
            }
        }
    }

    fn run_task(&self, task: Task, context: &Context<'_>, tools: &mut Tools) {
        if self.has_failed() {
            return;
        }
        let finished = match task {
            Task::File(task) => read_file(*task, self, context, tools),
            Task::Chunk(task) => save_chunk(task, self, context, tools),
        };
        match finished {
            // There is one topmost listing and the queue has room for it.
            Ok(Some(tree)) => drop(self.finished.try_send(tree)),
            Ok(None) => {}
            Err(error) => self.fail(error),
        }
    }
}

enum Task {
    File(Box<FileTask>),
    Chunk(ChunkTask),
}

impl Queues {
    /// The next task, chunks first: they hold memory. `None` when there will be none.
    fn next(&self) -> Option<Task> {
        if let Ok(task) = self.chunks.try_recv() {
            return Some(Task::Chunk(task));
        }
        select! {
            recv(self.chunks) -> task => task.ok().map(Task::Chunk),
            recv(self.files) -> task => task.ok().map(|task| Task::File(Box::new(task))),
            recv(self.stop) -> _ => None,
        }
    }
}
