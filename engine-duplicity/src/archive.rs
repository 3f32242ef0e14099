//! The archive folder: plain manifests and gzipped signature files of a repository on this machine, shared with
//! duplicity, which keeps them under the same names and the same lock.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::fs::FlockOperation;
use tempfile::{NamedTempFile, TempDir};

use crate::chain::{Collection, Set, Stored};
use crate::container::unwrap;
use crate::engine::DuplicityEngine;
use crate::error::{Error, Result};
use crate::format::{Container, FileKind, FileName, Prefixes, SetId};
use crate::stored::StoredReader;

/// The folder, locked for this process.
pub struct Archive {
    dir: PathBuf,
    prefixes: Prefixes,
    _place: Place,
}

enum Place {
    /// Kept between runs.
    Kept { _lock: Lock },
    /// For this run alone.
    Passing { _dir: TempDir },
}

impl Archive {
    /// Opens and locks the folder, which is made where it is missing; a passing one where none is set.
    pub fn open(engine: &DuplicityEngine) -> Result<Self> {
        let settings = engine.settings();
        let prefixes = settings.prefixes.clone();
        let Some(parent) = &settings.archive else {
            let dir = tempfile::Builder::new()
                .prefix("holdfast-duplicity-")
                .tempdir_in(engine.temp())
                .map_err(Error::local("make a folder in", engine.temp()))?;
            return Ok(Self {
                dir: dir.path().to_owned(),
                prefixes,
                _place: Place::Passing { _dir: dir },
            });
        };
        let dir = parent.join(&settings.archive_name);
        let mut builder = fs::DirBuilder::new();
        let made = builder.recursive(true).mode(0o700).create(&dir);
        made.map_err(Error::local("make", &dir))?;
        let lock = Lock::take(&dir)?;
        Ok(Self {
            dir,
            prefixes,
            _place: Place::Kept { _lock: lock },
        })
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The path of a file of a set in it; an unfinished one's with `partial`.
    pub fn path(&self, kind: FileKind, set: SetId, partial: bool) -> PathBuf {
        let container = match kind {
            FileKind::Signatures if !partial => Container::Gzip,
            _ => Container::Plain,
        };
        let name = FileName {
            partial,
            ..FileName::new(kind, set, container)
        };
        self.dir.join(name.write(&self.prefixes))
    }

    /// What lies in it, by name.
    pub fn files(&self) -> Result<Vec<(FileName, PathBuf)>> {
        let reading = || Error::local("list", &self.dir);
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(reading())? {
            let entry = entry.map_err(reading())?;
            if let Some(name) = FileName::parse(entry.file_name().as_encoded_bytes(), &self.prefixes) {
                files.push((name, entry.path()));
            }
        }
        Ok(files)
    }

    /// Brings it in line with the storage: what is of no set there goes, and what the sets of `chain` have there and
    /// lack here comes. Returns whether the signatures of all of them are here then.
    pub fn sync(&self, engine: &DuplicityEngine, collection: &Collection, chain: &[Set]) -> Result<bool> {
        // Signatures that only this machine has may be all that is left of them.
        let has_manifest = collection.sets().filter(|set| set.manifest.is_some());
        let alive: BTreeSet<SetId> = has_manifest.map(|set| set.id).collect();
        for (name, path) in self.files()? {
            if !name.partial && !alive.contains(&name.set) {
                remove(&path)?;
            }
        }
        let mut whole = true;
        for set in chain {
            let signatures = self.path(FileKind::Signatures, set.id, false);
            if !signatures.exists() {
                whole &= match &set.signatures {
                    Some(stored) => self.fetch_signatures(engine, stored, &signatures)?,
                    None => false,
                };
            }
            let manifest = self.path(FileKind::Manifest, set.id, false);
            if let Some(stored) = set.manifest.as_ref().filter(|_| !manifest.exists()) {
                self.fetch(engine, stored, &manifest, false)?;
            }
        }
        Ok(whole)
    }

    /// Fetches a signature file; false when what is stored is damaged.
    fn fetch_signatures(&self, engine: &DuplicityEngine, stored: &Stored, path: &Path) -> Result<bool> {
        match self.fetch(engine, stored, path, true) {
            Ok(()) => Ok(true),
            Err(error) if error.is_loss() => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn fetch(&self, engine: &DuplicityEngine, stored: &Stored, path: &Path, gzip: bool) -> Result<()> {
        let name = stored.key.to_string();
        let reader = StoredReader::new(engine.blobs().as_ref(), stored);
        let cipher = engine.settings().encryption.as_deref();
        let mut content = unwrap(&name, stored.container, Box::new(reader), cipher)?;
        let mut file = self.temp_file()?;
        let copied = if gzip {
            let mut encoder = GzEncoder::new(&mut file, Compression::fast());
            copy(&mut content, &mut encoder).and_then(|()| encoder.finish().map(drop).map_err(Fault::Write))
        } else {
            copy(&mut content, &mut file)
        };
        match copied {
            Ok(()) => place(file, path),
            Err(Fault::Read(error)) => Err(crate::container::opening(&name, &error)),
            Err(Fault::Write(error)) => Err(Error::local("write", path)(error)),
        }
    }

    /// A file that will get a name in the folder.
    pub fn temp_file(&self) -> Result<NamedTempFile> {
        tempfile::Builder::new()
            .prefix(".holdfast-")
            .tempfile_in(&self.dir)
            .map_err(Error::local("make a file in", &self.dir))
    }

    /// Puts a finished file in its place, durably.
    pub fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let mut file = self.temp_file()?;
        file.write_all(bytes).map_err(Error::local("write", path))?;
        place(file, path)
    }

    /// Makes the folder's names durable.
    pub fn sync_names(&self) -> Result<()> {
        let dir = File::open(&self.dir).map_err(Error::local("open", &self.dir))?;
        dir.sync_all().map_err(Error::local("sync", &self.dir))
    }
}

enum Fault {
    Read(io::Error),
    Write(io::Error),
}

fn copy(from: &mut dyn Read, to: &mut dyn Write) -> Result<(), Fault> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => to
                .write_all(buffer.get(..read).unwrap_or_default())
                .map_err(Fault::Write)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Fault::Read(error)),
        }
    }
}

/// Gives a temporary file its name, durably.
fn place(file: NamedTempFile, path: &Path) -> Result<()> {
    file.as_file().sync_data().map_err(Error::local("write", path))?;
    file.persist(path)
        .map_err(|error| Error::local("rename", path)(error.error))?;
    Ok(())
}

/// Removes a file that may be gone already.
pub fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::local("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Lock files of this process: the system's lock does not keep a process from itself.
static HELD: Mutex<BTreeSet<(u64, u64)>> = Mutex::new(BTreeSet::new());

/// The lock that duplicity takes too: a POSIX record lock, which dies with the process.
struct Lock {
    path: PathBuf,
    file: Option<File>,
    id: (u64, u64),
}

impl Lock {
    fn take(dir: &Path) -> Result<Self> {
        let path = dir.join("lockfile");
        loop {
            let opened = File::options()
                .create(true)
                .truncate(false)
                .read(true)
                .write(true)
                .open(&path);
            let file = opened.map_err(Error::local("open", &path))?;
            let id = id(&file).map_err(Error::local("look at", &path))?;
            let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
            if held.contains(&id) {
                // Closing a file lets go of this process's locks on it: that cannot be undone, but leaked it can.
                std::mem::forget(file);
                return Err(Error::Locked { folder: dir.to_owned() });
            }
            match rustix::fs::fcntl_lock(file.as_fd(), FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(rustix::io::Errno::ACCESS | rustix::io::Errno::AGAIN) => {
                    return Err(Error::Locked { folder: dir.to_owned() });
                }
                Err(error) => return Err(Error::local("lock", &path)(error.into())),
            }
            // Its holder before may have removed it between the opening and the locking.
            let named = fs::metadata(&path).map(|now| (now.dev(), now.ino()));
            if named.is_ok_and(|now| now == id) {
                held.insert(id);
                drop(held);
                return Ok(Self {
                    path,
                    file: Some(file),
                    id,
                });
            }
        }
    }
}

fn id(file: &File) -> io::Result<(u64, u64)> {
    let metadata = file.metadata()?;
    Ok((metadata.dev(), metadata.ino()))
}

impl Drop for Lock {
    fn drop(&mut self) {
        let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
        // Removed while it is held, as the original does; who waits for it looks whether it still has its name.
        let _ = fs::remove_file(&self.path);
        drop(self.file.take());
        held.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_also_in_one_process() {
        let dir = tempfile::tempdir().unwrap();
        let lock = Lock::take(dir.path()).unwrap();
        assert!(matches!(Lock::take(dir.path()), Err(Error::Locked { .. })));
        assert!(matches!(Lock::take(dir.path()), Err(Error::Locked { .. })));
        drop(lock);
        assert!(!dir.path().join("lockfile").exists());
        drop(Lock::take(dir.path()).unwrap());
    }
}
