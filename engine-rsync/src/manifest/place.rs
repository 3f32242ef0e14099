//! Where manifests lie: in a folder of their own beside the snapshots, which users need not look at and which no pattern
//! for snapshot names matches.

use std::io::{self, Write};

use engine_api::{FileStore, Folder, NewMetadata, StoreError, StoreErrorKind, StoredFile};

use super::stored::{START, Stored};
use super::{About, Manifest, ManifestError, Record, Source, Totals, Writer};

/// The folder of the manifests, in the destination.
pub const FOLDER: &[u8] = b".holdfast";
const SUFFIX: &[u8] = b".manifest";
const UNFINISHED: &[u8] = b".manifest.part";
/// So much is written at once.
const PIECE: usize = 256 << 10;

/// The name of a snapshot's manifest.
#[must_use]
pub fn file_name(snapshot: &str) -> Vec<u8> {
    [snapshot.as_bytes(), SUFFIX].concat()
}

/// The snapshot that a file in the folder of the manifests is about; `None` when it is no manifest.
#[must_use]
pub fn snapshot_of(file_name: &[u8]) -> Option<&str> {
    std::str::from_utf8(file_name.strip_suffix(SUFFIX)?).ok()
}

/// Whether a file in the folder of the manifests is one that was not finished.
#[must_use]
pub fn is_unfinished(file_name: &[u8]) -> bool {
    file_name.ends_with(UNFINISHED)
}

/// The folder of the manifests, whether it is there or not.
#[must_use]
pub fn folder(store: &dyn FileStore) -> Folder {
    let root = store.root();
    root.child(FOLDER).unwrap_or(root)
}

/// Opens the manifest of a snapshot; `None` when there is none, or the one of that name is another snapshot's.
///
/// # Errors
/// When it is damaged, of a later version, or cannot be read.
pub fn open(store: &dyn FileStore, snapshot: &str) -> Result<Option<Manifest>, ManifestError> {
    let file = match store.open(&folder(store), &file_name(snapshot)) {
        Ok(file) => file,
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let manifest = Manifest::open(Box::new(Stored::new(file)))?;
    Ok(Some(manifest).filter(|manifest| manifest.about().snapshot == snapshot))
}

/// The same for one whose records will be read, and which has `size` bytes as far as is known: a small one is read at once,
/// and both ends of a large one. A store far away waits less often.
///
/// # Errors
/// As [`open`].
pub fn open_to_read(
    store: &dyn FileStore,
    snapshot: &str,
    size: Option<u64>,
) -> Result<Option<Manifest>, ManifestError> {
    let (folder, name) = (folder(store), file_name(snapshot));
    let known = match size {
        Some(size) if size >= START as u64 => {
            let file = store.open(&folder, &name);
            let stored = file.and_then(|file| Stored::with_ends(file, size));
            stored.map(|stored| Some(Box::new(stored) as Box<dyn Source>))
        }
        _ => {
            let read = store.read_start(&folder, &name, START);
            read.map(|(_, content)| (content.len() < START).then(|| Box::new(content) as Box<dyn Source>))
        }
    };
    let source = match known {
        Ok(Some(source)) => source,
        Ok(None) => return open(store, snapshot),
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    match Manifest::open(source) {
        Ok(manifest) => Ok(Some(manifest).filter(|manifest| manifest.about().snapshot == snapshot)),
        // Perhaps another has taken its place.
        Err(_) if size.is_some() => open(store, snapshot),
        Err(error) => Err(error),
    }
}

/// Removes the manifest of a snapshot, if there is one.
///
/// # Errors
/// When it could not be removed.
pub fn remove(store: &dyn FileStore, snapshot: &str) -> Result<(), StoreError> {
    match store.remove(&folder(store), &file_name(snapshot)) {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}

/// A manifest that is being written, under a name that says so. One that is dropped leaves that file; the next one for
/// the same snapshot, or a clean-up, removes it.
pub struct Pending<'a> {
    store: &'a dyn FileStore,
    folder: Folder,
    snapshot: String,
    writer: Writer<Sink>,
}

impl<'a> Pending<'a> {
    /// Begins the manifest of the snapshot that `about` names.
    ///
    /// # Errors
    /// When the file could not be made.
    pub fn create(store: &'a dyn FileStore, about: &About) -> Result<Self, ManifestError> {
        let folder = folder(store);
        let name = unfinished_name(&about.snapshot);
        let file = match store.create(&folder, &name) {
            Err(error) if may_be_there(&error) => match store.remove(&folder, &name) {
                Err(error) if !error.is_not_found() => return Err(error.into()),
                _ => store.create(&folder, &name)?,
            },
            Err(error) if error.is_not_found() => {
                store.make_folder(&store.root(), FOLDER)?;
                // Its name has to outlast a power cut as the manifests in it do.
                store.sync_folder(&store.root())?;
                store.create(&folder, &name)?
            }
            other => other?,
        };
        Ok(Self {
            store,
            folder,
            snapshot: about.snapshot.clone(),
            writer: Writer::new(Sink::new(file), about)?,
        })
    }

    /// Adds the next record, in walk order.
    ///
    /// # Errors
    /// As [`Writer::push`].
    pub fn push(&mut self, record: &Record) -> Result<(), ManifestError> {
        self.writer.push(record)
    }

    /// Finishes the manifest, makes it durable and gives it its name; an older one of the snapshot is replaced.
    ///
    /// # Errors
    /// When any of that failed; then there is no new manifest.
    pub fn publish(self, bytes_added: u64) -> Result<Totals, ManifestError> {
        let complete = self.complete(bytes_added, true)?;
        complete.show()?;
        Ok(complete.totals)
    }

    /// Finishes the manifest, and makes it durable unless `sync` says that the caller will.
    ///
    /// # Errors
    /// When that failed.
    pub fn complete(self, bytes_added: u64, sync: bool) -> Result<Complete<'a>, ManifestError> {
        let (sink, totals) = self.writer.finish(bytes_added)?;
        let private = NewMetadata {
            mode: Some(0o600),
            ..NewMetadata::default()
        };
        // What a place without modes says does not matter here.
        let _ = sink.file.complete(&private, sync)?;
        Ok(Complete {
            store: self.store,
            folder: self.folder,
            snapshot: self.snapshot,
            totals,
        })
    }
}

/// Whether what was to be made may be there: an earlier run left it, or the answer was lost. It is ours in either case, for
/// nobody else writes while we have the lock.
fn may_be_there(error: &StoreError) -> bool {
    match error.kind {
        StoreErrorKind::AlreadyExists => true,
        StoreErrorKind::Connection => error.is_permanent(),
        _ => false,
    }
}

/// A manifest that is complete, and has not its name yet.
pub struct Complete<'a> {
    store: &'a dyn FileStore,
    folder: Folder,
    snapshot: String,
    totals: Totals,
}

impl Complete<'_> {
    /// Gives it its name when it is durable; an older one of the snapshot is replaced.
    ///
    /// # Errors
    /// When that failed; then there is no new manifest.
    pub fn show(&self) -> Result<(), ManifestError> {
        let (from, to) = (unfinished_name(&self.snapshot), file_name(&self.snapshot));
        if !self.store.capabilities().atomic_replace {
            remove(self.store, &self.snapshot)?;
        }
        Ok(self.store.rename_durably((&self.folder, &from), (&self.folder, &to))?)
    }
}

fn unfinished_name(snapshot: &str) -> Vec<u8> {
    [snapshot.as_bytes(), UNFINISHED].concat()
}

/// A file of the store that is written from its start.
struct Sink {
    file: Box<dyn StoredFile>,
    offset: u64,
    piece: Vec<u8>,
}

impl Sink {
    fn new(file: Box<dyn StoredFile>) -> Self {
        Self {
            file,
            offset: 0,
            piece: Vec::with_capacity(PIECE),
        }
    }
}

impl Write for Sink {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(data);
        if self.piece.len() >= PIECE {
            self.flush()?;
        }
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_at(self.offset, &self.piece).map_err(io::Error::other)?;
        self.offset += self.piece.len() as u64;
        self.piece.clear();
        Ok(())
    }
}
