//! What the planner hands over to the workers.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::existing::Decision;
use super::folder::Folder;
use crate::manifest::Record;
use crate::parallel::lock;

/// Something to be put into a folder.
pub struct Job {
    /// What.
    pub record: Record,
    /// Where, relative to the target.
    pub path: PathBuf,
    /// The folder it is put into.
    pub folder: Arc<Folder>,
    /// Where it lies in the snapshot.
    pub stored: engine_api::Folder,
    /// What is to be done.
    pub task: Task,
}

/// What is to be done.
pub enum Task {
    /// Write a file, as was decided; others may wait for its name.
    File(Decision, Option<Named>),
    /// Make another name of an entry that was planned before.
    Link(Arc<First>),
}

/// The first name of an entry with several.
pub struct First {
    path: PathBuf,
    done: Mutex<bool>,
    changed: Condvar,
}

impl First {
    /// One that is still to be made; it counts as made when what is returned with it is dropped.
    pub fn expect(path: PathBuf) -> (Arc<Self>, Named) {
        let first = Arc::new(Self {
            path,
            done: Mutex::new(false),
            changed: Condvar::new(),
        });
        (Arc::clone(&first), Named(first))
    }

    /// Where it was put; waits until it is, or could not be. Whoever waits has taken its job from the queue after the one
    /// it waits for, so that one is being done.
    pub fn wait(&self) -> &PathBuf {
        let mut done = lock(&self.done);
        while !*done {
            done = self.changed.wait(done).unwrap_or_else(PoisonError::into_inner);
        }
        &self.path
    }
}

/// Tells, when it is dropped, that the first name is made.
pub struct Named(Arc<First>);

impl Drop for Named {
    fn drop(&mut self) {
        *lock(&self.0.done) = true;
        self.0.changed.notify_all();
    }
}

/// Jobs that one worker does in a row.
#[derive(Default)]
pub struct Batch {
    pub jobs: Vec<Job>,
    bytes: u64,
}

impl Batch {
    /// Adds a job.
    pub fn add(&mut self, job: Job) {
        self.bytes += job.record.metadata.size;
        self.jobs.push(job);
    }

    /// Whether it is time to begin another: few enough that the workers end together, many enough that handing over
    /// costs nothing.
    pub fn is_full(&self, is_far: bool) -> bool {
        // Far away a job is mostly waiting.
        let most = if is_far { 1 } else { 64 };
        self.jobs.len() >= most || self.bytes >= 4 << 20
    }
}
