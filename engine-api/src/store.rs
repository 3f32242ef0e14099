//! Named immutable objects: the contract a storage fulfils and the errors it may give.

use std::fmt;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use crate::{ErrorKind, Failure, FileStore};

/// The name of an object: a relative path of plain bytes, components separated by `/`.
///
/// No component is empty, `.` or `..`, and there is no NUL byte, so a key can never leave the place it belongs to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Box<[u8]>);

/// A name that cannot be a [`Key`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a valid object name")]
pub struct KeyError(pub String);

impl Key {
    /// Checks `name` and makes it a key.
    ///
    /// # Errors
    /// When a component is empty, `.` or `..`, or a byte is NUL.
    pub fn new(name: impl Into<Vec<u8>>) -> Result<Self, KeyError> {
        let name = name.into();
        let bad = |part: &[u8]| part.is_empty() || part == b"." || part == b".." || part.contains(&0);
        if name.split(|&byte| byte == b'/').any(bad) {
            return Err(KeyError(String::from_utf8_lossy(&name).into_owned()));
        }
        Ok(Self(name.into_boxed_slice()))
    }

    /// The bytes of the name.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

/// What is put under a key: it can be read again from the start, so that a storage may retry.
#[derive(Clone, Copy)]
pub enum Body<'a> {
    /// One run of bytes.
    Bytes(&'a [u8]),
    /// One run of bytes whose digest is known: a storage that needs it does not compute it once more.
    Digested {
        /// The bytes.
        bytes: &'a [u8],
        /// Their SHA-256.
        sha256: &'a [u8; 32],
    },
    /// Several runs, one after the other.
    Parts(&'a [&'a [u8]]),
    /// The first `len` bytes of an open file, read by position.
    File {
        /// The file; its own position is not used.
        file: &'a std::fs::File,
        /// How many bytes of it.
        len: u64,
    },
}

impl<'a> Body<'a> {
    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) | Self::Digested { bytes, .. } => bytes.len() as u64,
            Self::Parts(parts) => parts.iter().map(|part| part.len() as u64).sum(),
            Self::File { len, .. } => *len,
        }
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A fresh reader from the first byte; call it again to send the body again.
    #[must_use]
    pub fn reader(&self) -> Box<dyn Read + Send + 'a> {
        match *self {
            Self::Bytes(bytes) | Self::Digested { bytes, .. } => Box::new(bytes),
            Self::Parts(parts) => Box::new(PartsReader { parts, current: &[] }),
            Self::File { file, len } => Box::new(FileReader { file, position: 0, len }),
        }
    }
}

struct PartsReader<'a> {
    parts: &'a [&'a [u8]],
    current: &'a [u8],
}

impl Read for PartsReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            let Some((first, rest)) = self.parts.split_first() else {
                return Ok(0);
            };
            self.current = first;
            self.parts = rest;
        }
        self.current.read(buffer)
    }
}

struct FileReader<'a> {
    file: &'a std::fs::File,
    position: u64,
    len: u64,
}

impl Read for FileReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.len - self.position)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let Some(window) = buffer.get_mut(..left) else {
            return Ok(0);
        };
        let read = self.file.read_at(window, self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

/// What to do when the key exists already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutMode {
    /// Fail with [`StoreErrorKind::AlreadyExists`] where the storage can tell; see [`Capabilities::exclusive_create`].
    Create,
    /// Replace it in one step: a reader sees the old object or the new one, whole.
    Replace,
}

/// One object of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectMeta {
    /// Its name.
    pub key: Key,
    /// Its length in bytes.
    pub size: u64,
}

/// What a storage can do, found out when it was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Whether [`PutMode::Create`] is guaranteed to fail on an existing key, also against another writer.
    pub exclusive_create: bool,
    /// How many operations at once pay off.
    pub concurrency: usize,
    /// Whether reads are as fast as a local disk, so that a cache on another local disk gains nothing.
    pub local: bool,
    /// Whether a listing shows at once what somebody else has stored: of two who store and then list, at least one sees the
    /// other's object.
    pub prompt_listings: bool,
}

impl Capabilities {
    /// The cautious starting point: nothing is promised.
    #[must_use]
    pub const fn minimal() -> Self {
        Self {
            exclusive_create: false,
            concurrency: 1,
            local: false,
            prompt_listings: false,
        }
    }

    /// The same, with `exclusive_create` as given.
    #[must_use]
    pub const fn with_exclusive_create(mut self, yes: bool) -> Self {
        self.exclusive_create = yes;
        self
    }

    /// The same, with `concurrency` as given (at least 1).
    #[must_use]
    pub const fn with_concurrency(mut self, operations: usize) -> Self {
        self.concurrency = if operations == 0 { 1 } else { operations };
        self
    }

    /// The same, with `local` as given.
    #[must_use]
    pub const fn with_local(mut self, yes: bool) -> Self {
        self.local = yes;
        self
    }

    /// The same, with `prompt_listings` as given.
    #[must_use]
    pub const fn with_prompt_listings(mut self, yes: bool) -> Self {
        self.prompt_listings = yes;
        self
    }
}

/// Room at the destination, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Space {
    /// The whole size of the filesystem or quota.
    pub total: u64,
    /// What is in use.
    pub used: u64,
    /// What this user can still write.
    pub available: u64,
}

/// Named immutable objects.
///
/// Contract: `put` is atomic and durable when it returns (a reader, also after a power cut, sees the whole object or
/// none). A listing shows every object whose `put` has returned. Ranges are exact: a short read is an error. Every
/// method may be called from many threads at once. A missing object is [`StoreErrorKind::NotFound`], from every method.
pub trait BlobStore: Send + Sync {
    /// Where this is, for messages; holds no secret.
    fn location(&self) -> &str;

    /// What this storage can do.
    fn capabilities(&self) -> &Capabilities;

    /// Stores `body` under `key`, atomically and durably.
    ///
    /// # Errors
    /// [`StoreErrorKind::AlreadyExists`] in mode [`PutMode::Create`]; any other kind when it could not be stored.
    fn put(&self, key: &Key, body: Body<'_>, mode: PutMode) -> Result<(), StoreError>;

    /// Reads the whole object.
    ///
    /// # Errors
    /// [`StoreErrorKind::NotFound`] when it is not there; any other kind when it could not be read.
    fn get(&self, key: &Key) -> Result<Vec<u8>, StoreError>;

    /// Fills `buffer` from the object's bytes at `offset`.
    ///
    /// # Errors
    /// [`StoreErrorKind::Truncated`] when the object ends before the buffer is full.
    fn get_range(&self, key: &Key, offset: u64, buffer: &mut [u8]) -> Result<(), StoreError>;

    /// Hands every object whose key is `folder` or lies below it to `each`, in any order, until it breaks; the empty
    /// folder means everything. An absent folder has no objects. Leftovers of interrupted puts are not objects.
    ///
    /// # Errors
    /// When the listing could not be completed: what was handed over before is then not the whole.
    fn list(&self, folder: &str, each: &mut dyn FnMut(ObjectMeta) -> ControlFlow<()>) -> Result<(), StoreError>;

    /// Removes the object, durably.
    ///
    /// # Errors
    /// [`StoreErrorKind::NotFound`] when it was not there.
    fn remove(&self, key: &Key) -> Result<(), StoreError>;

    /// Removes the object, durably, where it is all the same whether it was there: a storage that would have to look first
    /// does not.
    ///
    /// # Errors
    /// When it could not be removed.
    fn discard(&self, key: &Key) -> Result<(), StoreError> {
        match self.remove(key) {
            Err(error) if error.is_not_found() => Ok(()),
            other => other,
        }
    }

    /// The object's size.
    ///
    /// # Errors
    /// [`StoreErrorKind::NotFound`] when it is not there.
    fn stat(&self, key: &Key) -> Result<ObjectMeta, StoreError>;

    /// The room there is; `None` where the storage does not know.
    ///
    /// # Errors
    /// When the question itself failed.
    fn space(&self) -> Result<Option<Space>, StoreError>;
}

/// What a backend hands over when it is opened.
#[non_exhaustive]
pub struct Destination {
    /// Its objects.
    pub blobs: Arc<dyn BlobStore>,
    /// Its files, where it keeps files.
    pub files: Option<Arc<dyn FileStore>>,
    guard: Box<dyn Send>,
}

impl Destination {
    /// A destination whose `guard` disconnects or unmounts when it is dropped.
    #[must_use]
    pub fn new(blobs: Arc<dyn BlobStore>, guard: Box<dyn Send>) -> Self {
        Self {
            blobs,
            files: None,
            guard,
        }
    }

    /// The same, with `files` at the same place.
    #[must_use]
    pub fn with_files(mut self, files: Arc<dyn FileStore>) -> Self {
        self.files = Some(files);
        self
    }

    /// The same, with one more `guard`, dropped after those before it.
    #[must_use]
    pub fn guarded_by(mut self, guard: Box<dyn Send>) -> Self {
        self.guard = Box::new((self.guard, guard));
        self
    }

    /// Disconnects now rather than at the end of the scope.
    pub fn close(self) {
        drop(self.blobs);
        drop(self.files);
        drop(self.guard);
    }
}

/// The kinds of failure a storage tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// The object, or the place itself, is not there.
    NotFound,
    /// The object is there already.
    AlreadyExists,
    /// This account may not do that.
    PermissionDenied,
    /// The object is kept from change and removal until its time is over.
    Retained,
    /// The login was refused.
    Unauthenticated,
    /// The storage is full or over its quota.
    NoSpace,
    /// The storage takes no writes.
    ReadOnly,
    /// The object is shorter than what was asked for.
    Truncated,
    /// No answer in time.
    Timeout,
    /// The connection broke or could not be made.
    Connection,
    /// The server could not prove who it is: its certificate or key is not one that is trusted.
    Untrusted,
    /// The place went away while it was in use (unmounted, deleted, replaced).
    Vanished,
    /// The place cannot do that at all.
    Unsupported,
    /// The file cannot have one more name.
    TooManyLinks,
    /// The folder holds something.
    NotEmpty,
    /// The answer makes no sense, or anything else.
    Other,
}

impl StoreErrorKind {
    /// Whether trying the same again cannot help.
    #[must_use]
    pub const fn is_permanent(self) -> bool {
        !matches!(self, Self::Timeout | Self::Connection | Self::Other)
    }
}

/// A failed storage operation: what was being done, to which object, where.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {object} in {location}")]
pub struct StoreError {
    /// A verb: `read`, `write`, `list`, `remove`, …
    pub operation: &'static str,
    /// The object, or `the folder`.
    pub object: String,
    /// The place, without secrets.
    pub location: String,
    /// What went wrong.
    pub kind: StoreErrorKind,
    /// The cause below.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl StoreError {
    /// Whether the object was simply not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.kind == StoreErrorKind::NotFound
    }

    /// Whether trying the same again cannot help.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.kind.is_permanent() || self.cause().is_some_and(|cause| cause.lasting)
    }

    /// How long the storage asks to be left alone before the next try.
    #[must_use]
    pub fn wait(&self) -> Option<Duration> {
        self.cause().and_then(|cause| cause.wait)
    }

    fn cause(&self) -> Option<&Cause> {
        self.source.downcast_ref()
    }
}

/// A source of a [`StoreError`] that knows more than the error's kind tells.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Cause {
    message: String,
    hint: Option<String>,
    wait: Option<Duration>,
    lasting: bool,
}

impl Cause {
    /// A cause that says `message`.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
            wait: None,
            lasting: false,
        }
    }

    /// The same, with a hint that goes before the one of the error's kind.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same, asking to be left alone for `wait`.
    #[must_use]
    pub fn with_wait(mut self, wait: Option<Duration>) -> Self {
        self.wait = wait;
        self
    }

    /// The same, whatever the error's kind says: trying again cannot help.
    #[must_use]
    pub fn lasting(mut self) -> Self {
        self.lasting = true;
        self
    }

    /// The hint, where it has one of its own.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Whether trying again cannot help, whatever the error's kind says.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        self.lasting
    }
}

impl Failure for StoreError {
    fn kind(&self) -> ErrorKind {
        match self.kind {
            StoreErrorKind::Retained => ErrorKind::Retained,
            _ => ErrorKind::Storage,
        }
    }

    fn hint(&self) -> Option<String> {
        if let Some(hint) = self.cause().and_then(|cause| cause.hint.clone()) {
            return Some(hint);
        }
        let hint = match self.kind {
            StoreErrorKind::NoSpace => "free some room there, or lower the retention and run `holdfast prune`",
            StoreErrorKind::ReadOnly => "mount the destination writable",
            StoreErrorKind::PermissionDenied => "check the owner and mode of the destination, or run as its owner",
            StoreErrorKind::Retained => "it can be removed when its time is over, by the next prune",
            StoreErrorKind::Unauthenticated => "check the login and password of the backup's record",
            StoreErrorKind::Timeout | StoreErrorKind::Connection => "check that the server is up and reachable",
            StoreErrorKind::Untrusted => {
                "check that the address is right; if it is, give the record the server's own certificate or key"
            }
            StoreErrorKind::Vanished => "check that the disk or share is still mounted, then run the command again",
            StoreErrorKind::Truncated => "run `holdfast check` to see what else is damaged",
            StoreErrorKind::NotFound
            | StoreErrorKind::AlreadyExists
            | StoreErrorKind::Unsupported
            | StoreErrorKind::TooManyLinks
            | StoreErrorKind::NotEmpty
            | StoreErrorKind::Other => return None,
        };
        Some(hint.to_owned())
    }
}
