//! Reading stored files and comparing them with their digests.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use engine_api::{FileStore, Folder, Progress};

use super::findings::Findings;
use super::share::{Chooser, Share};
use crate::error::{Error, Result};
use crate::manifest::Digest;
use crate::parallel::{self, READERS, lock};
use crate::read::{PIECE, Unread, digest_of};
use crate::tree::{Folders, absolute};

/// Files that are read before the walk goes on.
const FILES: usize = 1024;

/// A file that should have this digest.
pub struct Candidate {
    pub path: Vec<u8>,
    pub digest: Digest,
    pub size: u64,
    /// What is the same for all names of the file; `None` when it has only one.
    pub identity: Option<(u64, u64)>,
}

/// Reads files in parallel, those of several names once.
pub struct Reader<'a> {
    store: &'a dyn FileStore,
    chooser: Chooser,
    findings: &'a Findings,
    progress: &'a dyn Progress,
    snapshot: String,
    top: Folder,
    waiting: Vec<Candidate>,
    /// Further names of files that wait.
    again: Vec<Candidate>,
    /// Files of several names that were read, with what was expected: two words each, whatever their names.
    seen: HashSet<u64>,
    /// What is wrong with those of them that are not good.
    bad: HashMap<u64, String>,
    random: RandomState,
    bytes: u64,
}

impl<'a> Reader<'a> {
    pub fn new(store: &'a dyn FileStore, share: Share, findings: &'a Findings, progress: &'a dyn Progress) -> Self {
        Self {
            store,
            chooser: Chooser::new(share),
            findings,
            progress,
            snapshot: String::new(),
            top: store.root(),
            waiting: Vec::new(),
            again: Vec::new(),
            seen: HashSet::new(),
            bad: HashMap::new(),
            random: RandomState::new(),
            bytes: 0,
        }
    }

    /// What is added from now on is in this snapshot.
    pub fn begin(&mut self, snapshot: &str, top: Folder) {
        snapshot.clone_into(&mut self.snapshot);
        self.top = top;
    }

    /// Notes that something of the snapshot is lost.
    pub fn error(&self, path: &[u8], what: &str) {
        self.findings.error(self.object(path), what);
    }

    /// Notes something of the snapshot that is worth knowing.
    pub fn hint(&self, path: &[u8], what: &str) {
        self.findings.hint(self.object(path), what);
    }

    fn object(&self, path: &[u8]) -> String {
        format!("snapshot {}: {}", self.snapshot, absolute(path).display())
    }

    /// A file to be read, if it is in the share.
    pub fn add(&mut self, candidate: Candidate) -> Result<()> {
        if !self.chooser.takes(&candidate.digest) {
            return Ok(());
        }
        if candidate.identity.is_some() && !self.seen.insert(self.key(&candidate)) {
            self.again.push(candidate);
        } else {
            self.waiting.push(candidate);
        }
        if self.waiting.len() + self.again.len() >= FILES {
            self.read_rest()?;
        }
        Ok(())
    }

    /// Reads what waits.
    pub fn read_rest(&mut self) -> Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        let (bad, bytes) = (Mutex::new(Vec::new()), AtomicU64::new(0));
        let readers = self.store.capabilities().concurrency.min(READERS);
        parallel::each(&waiting, readers, |candidate| {
            match self.read(candidate)? {
                None => {
                    bytes.fetch_add(candidate.size, Ordering::Relaxed);
                }
                Some(what) => {
                    self.error(&candidate.path, &what);
                    lock(&bad).push((self.key(candidate), what));
                }
            }
            Ok(())
        })?;
        self.bytes += bytes.into_inner();
        self.bad.extend(bad.into_inner().unwrap_or_default());
        for candidate in std::mem::take(&mut self.again) {
            if let Some(what) = self.bad.get(&self.key(&candidate)) {
                self.error(&candidate.path, what);
            }
        }
        Ok(())
    }

    /// Bytes that were read and are good.
    pub fn finish(self) -> u64 {
        self.bytes
    }

    fn key(&self, candidate: &Candidate) -> u64 {
        self.random.hash_one((candidate.identity, candidate.digest))
    }

    /// What is wrong with a file, if anything.
    fn read(&self, candidate: &Candidate) -> Result<Option<String>> {
        let mut folders = Folders::new(self.top.clone());
        let opened = folders
            .find(&candidate.path)
            .map_err(|error| error.to_string())
            .and_then(|(folder, name)| {
                let opened = self.store.open(&folder, name);
                opened.map_err(|error| engine_api::Error::from(error).chain())
            });
        let lost = "look for it in another snapshot, and make the next backup with `--force`, so that it is read and saved anew";
        let file = match opened {
            Ok(file) => file,
            Err(error) => return Ok(Some(format!("{error}; {lost}"))),
        };
        let mut piece = vec![0; usize::try_from(candidate.size).unwrap_or(PIECE).clamp(1, PIECE)];
        match digest_of(file.as_ref(), self.progress, &mut piece) {
            Ok((digest, _)) if digest == candidate.digest => Ok(None),
            Ok(_) => Ok(Some(format!(
                "its content has rotted: size and time are those that were saved, the content is not; {lost}, and look after the disk"
            ))),
            Err(Unread::Failed(error)) => {
                let error = engine_api::Error::from(error).chain();
                Ok(Some(format!("{error}; {lost}, and look after the disk")))
            }
            Err(Unread::Stopped) => Err(Error::Interrupted),
        }
    }
}
