//! Packs on their way to the storage: sealed and stored by threads of their own while the next ones are filled.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::save::OPEN_PACKS;
use super::{FileKind, Repository, lock};
use crate::error::{Error, Result};
use crate::format::{BlobKind, IndexWriter};
use crate::lock::Lock;
use crate::pack::PackWriter;

/// Age at which an index file is written although it is not full, so that an interrupted run is not done all over.
const INDEX_AGE: Duration = Duration::from_secs(300);

/// Buffers of packs that are kept for the next ones: one for each that is filled. New memory costs time, idle memory space.
const SPARE: usize = OPEN_PACKS;

/// What the uploading threads share.
struct Shared {
    repository: Arc<Repository>,
    lock: Arc<Lock>,
    failed: AtomicBool,
    failure: Mutex<Option<Error>>,
    index: Mutex<PendingIndex>,
    spare: Mutex<Vec<Vec<u8>>>,
}

struct PendingIndex {
    writer: IndexWriter,
    since: Instant,
    written: Vec<crate::Id>,
}

/// Stores packs and, after them, the index files that name them.
pub struct Uploader {
    queue: Option<Sender<(BlobKind, PackWriter)>>,
    threads: Vec<JoinHandle<()>>,
    shared: Arc<Shared>,
}

impl Uploader {
    /// Starts the threads: as many as the storage says pay off.
    pub fn new(repository: Arc<Repository>, repository_lock: Arc<Lock>) -> Self {
        let capabilities = repository.store().capabilities();
        // A local disk gains nothing from more, and each holds a pack in memory.
        let threads = capabilities
            .concurrency
            .clamp(1, if capabilities.local { 2 } else { 5 });
        let index = PendingIndex {
            writer: IndexWriter::new(),
            since: Instant::now(),
            written: Vec::new(),
        };
        let shared = Arc::new(Shared {
            repository,
            lock: repository_lock,
            failed: AtomicBool::new(false),
            failure: Mutex::new(None),
            index: Mutex::new(index),
            spare: Mutex::new(Vec::new()),
        });
        // No queue besides the threads: memory is bounded by what they hold and the packs being filled.
        let (sender, receiver) = bounded(0);
        let spawn = |_| {
            let (shared, receiver) = (Arc::clone(&shared), receiver.clone());
            std::thread::spawn(move || shared.run(&receiver))
        };
        let threads = (0..threads).map(spawn).collect();
        Self {
            queue: Some(sender),
            threads,
            shared,
        }
    }

    /// A buffer for the next pack, used before if there is one.
    pub fn buffer(&self) -> Vec<u8> {
        lock(&self.shared.spare).pop().unwrap_or_default()
    }

    /// Hands over a full pack; waits while all threads are busy.
    pub fn send(&self, kind: BlobKind, pack: PackWriter) -> Result<()> {
        self.check()?;
        let sent = self.queue.as_ref().map(|queue| queue.send((kind, pack)));
        match sent {
            Some(Ok(())) => Ok(()),
            _ => Err(self.shared.take_failure()),
        }
    }

    /// Fails when a pack could not be stored.
    pub fn check(&self) -> Result<()> {
        if self.shared.failed.load(Ordering::Acquire) {
            Err(self.shared.take_failure())
        } else {
            Ok(())
        }
    }

    /// Waits until everything is stored, then writes what is left of the index; returns the index files written.
    pub fn finish(mut self) -> Result<Vec<crate::Id>> {
        self.join();
        self.check()?;
        let mut index = lock(&self.shared.index);
        self.shared.flush_index(&mut index)?;
        Ok(std::mem::take(&mut index.written))
    }

    fn join(&mut self) {
        self.queue = None;
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                self.shared.failed.store(true, Ordering::Release);
            }
        }
    }
}

impl Drop for Uploader {
    /// An operation that failed waits for its threads, so that nothing is written after it has said so.
    fn drop(&mut self) {
        self.join();
    }
}

impl Shared {
    fn run(&self, queue: &Receiver<(BlobKind, PackWriter)>) {
        for (kind, pack) in queue {
            if self.failed.load(Ordering::Acquire) {
                return;
            }
            if let Err(error) = self.store(kind, pack) {
                lock(&self.failure).get_or_insert(error);
                self.failed.store(true, Ordering::Release);
                return;
            }
        }
    }

    fn store(&self, kind: BlobKind, pack: PackWriter) -> Result<()> {
        let pack = pack.seal(&self.repository.key)?;
        self.lock.settle()?;
        self.lock.check()?;
        self.repository.put(FileKind::Pack, pack.id, &pack.bytes)?;
        if let Some(cache) = self.repository.cache.as_ref().filter(|_| kind == BlobKind::Tree) {
            cache.write(FileKind::Pack, pack.id, &pack.bytes);
        }
        let mut index = lock(&self.index);
        index.writer.add(&pack.id, &pack.blobs);
        if index.writer.is_full() || index.since.elapsed() > INDEX_AGE {
            self.flush_index(&mut index)?;
        }
        drop(index);
        let mut spare = lock(&self.spare);
        if spare.len() < SPARE {
            spare.push(pack.bytes);
        }
        Ok(())
    }

    fn flush_index(&self, index: &mut PendingIndex) -> Result<()> {
        index.since = Instant::now();
        if !index.writer.is_empty() {
            let json = std::mem::replace(&mut index.writer, IndexWriter::new()).finish();
            index.written.push(self.repository.write_file(FileKind::Index, &json)?);
        }
        Ok(())
    }

    fn take_failure(&self) -> Error {
        lock(&self.failure).take().unwrap_or(Error::Interrupted)
    }
}
