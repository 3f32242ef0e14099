//! A database on disk: read without a lock, changed under one.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::database::{Database, Misfit};
use super::oddity::{self, Oddity};
use crate::atomic;
use crate::error::{Error, Result};

/// A database file; one that does not exist reads as empty and is made by the first change.
#[derive(Debug, Clone)]
pub struct DatabaseFile {
    path: PathBuf,
    zone: TimeZone,
    computed: Vec<(&'static str, String)>,
}

impl DatabaseFile {
    /// The database at `path`; the time in its header is in `zone`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, zone: TimeZone) -> Self {
        Self {
            path: path.into(),
            zone,
            computed: Vec::new(),
        }
    }

    /// The same with keys that always read as given, whatever the file has, as long as the file exists.
    #[must_use]
    pub fn with_computed(mut self, computed: Vec<(&'static str, String)>) -> Self {
        self.computed = computed;
        self
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the key's value is computed, so that writing it has no effect.
    #[must_use]
    pub fn is_computed(&self, key: &[u8]) -> bool {
        let key = key.trim_ascii();
        self.computed.iter().any(|(name, _)| name.as_bytes() == key)
    }

    /// Reads it as it is now.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn read(&self) -> Result<Database> {
        let Some(content) = self.content()? else {
            return Ok(Database::default());
        };
        let mut database = Database::parse(&content);
        for (key, value) in &self.computed {
            database.overlay(key, value);
        }
        Ok(database)
    }

    /// What is strange in the lines of the file, by key; the commands read over it.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn oddities(&self) -> Result<BTreeMap<Vec<u8>, Vec<Oddity>>> {
        Ok(oddity::find(&self.content()?.unwrap_or_default()))
    }

    /// Locks it, reads it again, lets `change` work on it, and writes it in one step if anything is different.
    ///
    /// # Errors
    /// When it cannot be locked, read or written, or when `change` fails; the file is then as it was.
    pub fn update<T>(&self, change: impl FnOnce(&mut Database) -> Result<T>) -> Result<T> {
        if let Some(folder) = self.path.parent() {
            atomic::create_dir(folder, 0o750)?;
        }
        let _locks = self.lock()?;
        let before = Database::parse(&self.content()?.unwrap_or_default());
        let mut after = before.clone();
        let result = change(&mut after)?;
        if after != before {
            let now = Timestamp::now().to_zoned(self.zone.clone());
            let updated = now.strftime("%a %b %e %H:%M:%S %Y").to_string();
            atomic::replace(&self.path, 0o640, &after.to_bytes(&updated))?;
        }
        Ok(result)
    }

    /// Says which record and field of this file cannot be represented.
    #[must_use]
    pub fn unfit(&self, misfit: Misfit) -> Error {
        Error::Unfit {
            file: self.path.clone(),
            misfit: Box::new(misfit),
        }
    }

    fn content(&self) -> Result<Option<Vec<u8>>> {
        match fs::read(&self.path) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read the database", &self.path, error)),
        }
    }

    /// Takes two locks. That of the folder, which nobody can remove, is for us. The other is the original tools', which
    /// remove its file after use: whoever has locked a file that is gone by then tries again.
    fn lock(&self) -> Result<(File, File)> {
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        let ours = File::open(folder).and_then(|file| file.lock().map(|()| file));
        let ours = ours.map_err(|error| Error::io("lock the folder", folder, error))?;
        let mut name = self.path.clone().into_os_string();
        name.push(".lock");
        let path = PathBuf::from(name);
        loop {
            match lock_file(&path) {
                Ok(Some(theirs)) => return Ok((ours, theirs)),
                Ok(None) => {}
                Err(error) => return Err(Error::io("lock the database by", &path, error)),
            }
        }
    }
}

/// The locked file; `None` when it was removed while we waited for it.
fn lock_file(path: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new().append(true).create(true).mode(0o640).open(path)?;
    file.lock()?;
    let held = file.metadata()?;
    match fs::metadata(path) {
        Ok(there) => Ok(((there.dev(), there.ino()) == (held.dev(), held.ino())).then_some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
