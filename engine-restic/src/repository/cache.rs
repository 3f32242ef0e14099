//! The local cache, in the layout of restic's own: `REPOSITORY/{index,snapshots,data}/XX/NAME`.
//!
//! Whatever fails here only costs time, so nothing here is an error; what is read is checked by whoever uses it.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};

use super::FileKind;
use crate::Id;
use crate::id::IdSet;

const VERSION: &str = "1";
const TAG: &str = "Signature: 8a477f597d28d172789f06886806bc55\n";

/// The cache of one repository.
#[derive(Clone)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// Opens the repository's part of the cache; `None` when it cannot be used.
    pub fn open(base: &Path, repository: Id) -> Option<Self> {
        let folder = base.join(repository.to_string());
        for kind in [FileKind::Index, FileKind::Snapshot, FileKind::Pack] {
            make_folder(&folder.join(kind.folder())).ok()?;
        }
        let tag = base.join("CACHEDIR.TAG");
        if !tag.exists() {
            fs::write(tag, TAG).ok()?;
        }
        let version = folder.join("version");
        match fs::read_to_string(&version) {
            Ok(text) if text.trim() == VERSION => {}
            Ok(_) => return None,
            Err(_) => fs::write(&version, VERSION).ok()?,
        }
        // restic removes caches whose folder was not touched for long.
        let now = std::time::SystemTime::now();
        let _ = fs::File::open(&folder).and_then(|file| file.set_times(fs::FileTimes::new().set_modified(now)));
        Some(Self { folder })
    }

    fn path(&self, kind: FileKind, id: Id) -> Option<PathBuf> {
        let folder = match kind {
            FileKind::Index | FileKind::Snapshot | FileKind::Pack => kind.folder(),
            FileKind::Key | FileKind::Lock => return None,
        };
        let name = id.to_string();
        Some(self.folder.join(folder).join(name.get(..2)?).join(&name))
    }

    /// A cached file.
    pub fn read(&self, kind: FileKind, id: Id) -> Option<Vec<u8>> {
        fs::read(self.path(kind, id)?).ok()
    }

    /// Fills `buffer` from a cached file, if it is there and long enough.
    pub fn read_range(&self, kind: FileKind, id: Id, offset: u64, buffer: &mut [u8]) -> bool {
        let file = self.path(kind, id).and_then(|path| fs::File::open(path).ok());
        file.is_some_and(|file| file.read_exact_at(buffer, offset).is_ok())
    }

    /// Keeps a copy of a file.
    pub fn write(&self, kind: FileKind, id: Id, bytes: &[u8]) {
        if let Some(path) = self.path(kind, id) {
            let _ = write_file(&path, bytes);
        }
    }

    /// Drops the copy of a file.
    pub fn remove(&self, kind: FileKind, id: Id) {
        if let Some(path) = self.path(kind, id) {
            let _ = fs::remove_file(path);
        }
    }

    /// Drops every file of a kind that is not among `existing`.
    pub fn keep_only(&self, kind: FileKind, existing: &[Id]) {
        let existing: IdSet = existing.iter().copied().collect();
        let folders = fs::read_dir(self.folder.join(kind.folder()))
            .into_iter()
            .flatten()
            .flatten();
        let files = folders
            .filter_map(|folder| fs::read_dir(folder.path()).ok())
            .flatten()
            .flatten();
        for file in files {
            let id = file.file_name().to_str().and_then(Id::parse);
            if id.is_some_and(|id| !existing.contains(&id)) {
                let _ = fs::remove_file(file.path());
            }
        }
    }
}

fn make_folder(path: &Path) -> std::io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Not synced: a torn copy does not fit its name and is fetched again.
fn write_file(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().ok_or(std::io::ErrorKind::InvalidInput)?;
    make_folder(folder)?;
    let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
    temporary.write_all(bytes)?;
    temporary.persist(path)?;
    Ok(())
}
