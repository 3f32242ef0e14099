//! A file tree at a destination: what an engine needs that keeps plain trees rather than objects.
//!
//! Everything is named by a [`Folder`] and a name in it, never by a whole path, so that a local store reaches it through
//! an open descriptor however deep it lies; a store across a network joins the names to a path.

mod folder;

use std::any::Any;
use std::ops::{ControlFlow, Range};
use std::os::fd::BorrowedFd;
use std::path::PathBuf;

pub use folder::Folder;

use crate::{Cause, EntryKind, Space, StoreError, StoreErrorKind, Timestamp, Xattr};

/// What a place for files can do, found out by trying when it was first asked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is an independent ability of a filesystem, and named where it is used"
)]
pub struct FileCapabilities {
    /// A file may have several names.
    pub hard_links: bool,
    /// Symbolic links can be made and read back as they were.
    pub symlinks: bool,
    /// `a` and `A` are two names.
    pub case_sensitive: bool,
    /// Names may be any bytes but `/` and NUL.
    pub any_name: bool,
    /// [`FileStore::rename`] replaces what has the name in one step.
    pub atomic_replace: bool,
    /// Entries can be given to any owner and group.
    pub owners: bool,
    /// All twelve permission bits are kept.
    pub modes: bool,
    /// The unit of modification times, in nanoseconds: 1 when they are kept exactly.
    pub time_unit: u32,
    /// Symbolic links keep owner and times of their own.
    pub link_metadata: bool,
    /// Extended attributes of users are kept.
    pub xattrs: bool,
    /// POSIX ACLs are kept.
    pub acls: bool,
    /// Named pipes can be made.
    pub fifos: bool,
    /// Devices can be made.
    pub devices: bool,
    /// What is never written of a file takes no room.
    pub holes: bool,
    /// [`StoredFile::copy_range`] copies at the place itself, without the bytes coming here.
    pub copy_range: bool,
    /// [`StoredFile::reflink`] works.
    pub reflinks: bool,
    /// How many operations at once pay off.
    pub concurrency: usize,
    /// Where the root is on this machine, when the store is a plain folder of it: an engine may then read and write it
    /// with the system's own calls.
    pub local_path: Option<PathBuf>,
    /// Why the place could not be tried out, where it gave no answer: what it can do is then not known, though the rest
    /// here promises nothing.
    pub unanswered: Option<Unanswered>,
}

/// Why a place could not be tried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unanswered {
    /// What sort of failure it was.
    pub kind: StoreErrorKind,
    /// What was said of it.
    pub cause: String,
}

impl Unanswered {
    /// The failure as it is told of the place at `location`.
    #[must_use]
    pub fn error(&self, location: &str) -> StoreError {
        StoreError {
            operation: "try out",
            object: "the folder".to_owned(),
            location: location.to_owned(),
            kind: self.kind,
            source: Cause::new(self.cause.as_str()).into(),
        }
    }
}

impl From<&StoreError> for Unanswered {
    fn from(error: &StoreError) -> Self {
        Self {
            kind: error.kind,
            cause: error.source.to_string(),
        }
    }
}

impl Default for FileCapabilities {
    /// Nothing is promised.
    fn default() -> Self {
        Self {
            hard_links: false,
            symlinks: false,
            case_sensitive: false,
            any_name: false,
            atomic_replace: false,
            owners: false,
            modes: false,
            time_unit: 2_000_000_000,
            link_metadata: false,
            xattrs: false,
            acls: false,
            fifos: false,
            devices: false,
            holes: false,
            copy_range: false,
            reflinks: false,
            concurrency: 1,
            local_path: None,
            unanswered: None,
        }
    }
}

/// What a store tells of an entry; a place that does not know its owners or modes makes something up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStat {
    /// What it is.
    pub kind: EntryKind,
    /// Permission bits: the low twelve bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Content length in bytes; 0 for everything but files.
    pub size: u64,
    /// When the content last changed, in the place's unit.
    pub mtime: Timestamp,
    /// For a device: which one, as `st_rdev`; 0 for everything else and where the place does not tell.
    pub rdev: u64,
    /// Filesystem and inode number, where the place tells: two names with the same are one file.
    pub identity: Option<(u64, u64)>,
    /// Hard links to it, where the place tells.
    pub links: Option<u64>,
}

/// One name of a folder's listing.
#[derive(Debug, Clone, Copy)]
pub struct Listed<'a> {
    /// The name.
    pub name: &'a [u8],
    /// What it is, where the listing tells.
    pub kind: Option<EntryKind>,
    /// All about it, where the listing tells that at no cost.
    pub stat: Option<FileStat>,
}

/// What is to be set of an entry; what is `None` stays as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NewMetadata<'a> {
    /// Owner and group, by number.
    pub owner: Option<(u32, u32)>,
    /// The twelve permission bits; of a symbolic link they are never set.
    pub mode: Option<u32>,
    /// When the content last changed.
    pub mtime: Option<Timestamp>,
    /// When it was last read; `mtime` when only that is given.
    pub atime: Option<Timestamp>,
    /// Exactly these extended attributes and ACLs: others are removed, save those of the system's own policy.
    pub xattrs: Option<&'a [Xattr]>,
}

/// A file of a store that is open.
///
/// Reads and writes go by position and may come from many threads. A store may keep writes on their way: an error of one
/// may show only at [`sync`](Self::sync) or [`close`](Self::close), which wait for all of them.
pub trait StoredFile: Send + Sync {
    /// Reads at `offset` what is there, at the most the buffer full; 0 at the end.
    ///
    /// # Errors
    /// When it could not be read.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError>;

    /// Writes all of `data` at `offset`.
    ///
    /// # Errors
    /// When it could not be written whole.
    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), StoreError>;

    /// Makes the file so long: cuts it off, or lets a hole follow.
    ///
    /// # Errors
    /// When it could not be done.
    fn set_len(&self, len: u64) -> Result<(), StoreError>;

    /// Takes room for so many bytes beforehand, so that a full place shows at once; its length stays. Does nothing where
    /// the place has no such thing.
    ///
    /// # Errors
    /// [`NoSpace`](crate::StoreErrorKind::NoSpace).
    fn reserve(&self, len: u64) -> Result<(), StoreError>;

    /// What it is now.
    ///
    /// # Errors
    /// When that could not be found out.
    fn stat(&self) -> Result<FileStat, StoreError>;

    /// Sets metadata, the owner first, the times last; each part that failed is an error of its own. When the owner could
    /// not be set, setuid and setgid are left out of the mode.
    #[must_use]
    fn set_metadata(&self, metadata: &NewMetadata<'_>) -> Vec<StoreError>;

    /// The next run of data at or after `offset`; `None` when only a hole or the end follows. A store that knows no
    /// holes gives the whole rest.
    ///
    /// # Errors
    /// When that could not be found out.
    fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>, StoreError>;

    /// Copies `from` a range of another open file of the same store, at the place itself, and says how much that was:
    /// less only when `source` ends before.
    ///
    /// # Errors
    /// [`Unsupported`](crate::StoreErrorKind::Unsupported) when the place cannot; any other kind when it failed.
    fn copy_range(&self, source: &dyn StoredFile, from: Range<u64>, to: u64) -> Result<u64, StoreError>;

    /// Copies ranges of another open file to the same places in this one, as [`copy_range`](Self::copy_range) does, and says
    /// how much that was together. A store far away waits once for all of them.
    ///
    /// # Errors
    /// As [`copy_range`](Self::copy_range); then some of it may be copied.
    fn copy_ranges(&self, source: &dyn StoredFile, ranges: &[Range<u64>]) -> Result<u64, StoreError> {
        ranges.iter().try_fold(0, |copied, range| {
            Ok(copied + self.copy_range(source, range.clone(), range.start)?)
        })
    }

    /// Makes this file share all blocks of `source`, at no cost.
    ///
    /// # Errors
    /// [`Unsupported`](crate::StoreErrorKind::Unsupported) when the place cannot; any other kind when it failed.
    fn reflink(&self, source: &dyn StoredFile) -> Result<(), StoreError>;

    /// Makes content and metadata durable.
    ///
    /// # Errors
    /// When that, or a write before it, failed.
    fn sync(&self) -> Result<(), StoreError>;

    /// Closes it.
    ///
    /// # Errors
    /// When that, or a write before it, failed.
    fn close(self: Box<Self>) -> Result<(), StoreError>;

    /// Sets metadata, makes all of it durable when `sync` says so, and closes it: the same as
    /// [`set_metadata`](Self::set_metadata), [`sync`](Self::sync) and [`close`](Self::close) one after the other, but a
    /// store far away waits only once for all of them. Returns what could not be set; the file is whole all the same.
    ///
    /// # Errors
    /// When syncing or closing it, or a write before, failed.
    fn complete(self: Box<Self>, metadata: &NewMetadata<'_>, sync: bool) -> Result<Vec<StoreError>, StoreError> {
        let failed = self.set_metadata(metadata);
        if sync {
            self.sync()?;
        }
        self.close()?;
        Ok(failed)
    }

    /// Its descriptor, when it is a file of this machine.
    fn descriptor(&self) -> Option<BorrowedFd<'_>>;

    /// The store's own type, for [`copy_range`](Self::copy_range) and [`reflink`](Self::reflink); a wrapper hands on
    /// that of what it wraps.
    fn as_any(&self) -> &dyn Any;
}

/// A tree of files.
///
/// Contract: no name is followed when it is a symbolic link (a store across a network, which names folders by their
/// path, can promise that of the last name only), and nothing leads out of the root. What a method did is seen by every
/// later call; it is durable after [`sync`](Self::sync), or after the file and the folder it lies in were
/// synced. Every method may be called from many threads at once. A folder that is not there is
/// [`NotFound`](crate::StoreErrorKind::NotFound), from every method; a name that is empty, `.`, `..` or holds `/` or NUL
/// is an error from every method.
pub trait FileStore: Send + Sync {
    /// Where this is, for messages; holds no secret.
    fn location(&self) -> &str;

    /// What the place can do: tried out at the first call, with files that are gone afterwards. Where nothing can be
    /// written, nothing is promised, and [`FileCapabilities::unanswered`] says why.
    fn capabilities(&self) -> &FileCapabilities;

    /// The topmost folder.
    fn root(&self) -> Folder;

    /// Says that much is about to be written: a store begins with what takes a while to get ready, and does not wait for it.
    fn get_ready(&self) {}

    /// Whether [`sync`](Self::sync) works; otherwise each file has to be synced. It takes a while to find out where the place
    /// is far away, which is why it is no capability.
    fn syncs_all(&self) -> bool;

    /// What has the name; `None` when nothing has.
    ///
    /// # Errors
    /// When that could not be found out.
    fn stat(&self, folder: &Folder, name: &[u8]) -> Result<Option<FileStat>, StoreError>;

    /// Hands every name in the folder but `.` and `..` to `each`, in any order, until it breaks.
    ///
    /// # Errors
    /// When the listing could not be completed: what was handed over before is then not the whole.
    fn list(&self, folder: &Folder, each: &mut dyn FnMut(Listed<'_>) -> ControlFlow<()>) -> Result<(), StoreError>;

    /// Where a symbolic link points.
    ///
    /// # Errors
    /// When it is none or could not be read.
    fn read_link(&self, folder: &Folder, name: &[u8]) -> Result<Vec<u8>, StoreError>;

    /// The extended attributes and ACLs, sorted by name; none where the place has no such thing.
    ///
    /// # Errors
    /// When they could not be read.
    fn xattrs(&self, folder: &Folder, name: &[u8]) -> Result<Vec<Xattr>, StoreError>;

    /// Makes a folder, with mode 0700 where the place has modes.
    ///
    /// # Errors
    /// [`AlreadyExists`](crate::StoreErrorKind::AlreadyExists) when something has the name.
    fn make_folder(&self, folder: &Folder, name: &[u8]) -> Result<(), StoreError>;

    /// Makes folders as [`make_folder`](Self::make_folder) does, each with its result; one may lie in another that comes
    /// before it. A store far away waits once for all of them. After a failure those that follow may have been tried or
    /// not.
    #[must_use]
    fn make_folders(&self, folders: &[&Folder]) -> Vec<Result<(), StoreError>> {
        let make = |folder: &&Folder| match folder.above() {
            Some(above) => self.make_folder(above, folder.name()),
            None => Ok(()),
        };
        folders.iter().map(make).collect()
    }

    /// Makes a new, empty file, open for reading and writing, with mode 0600 where the place has modes.
    ///
    /// # Errors
    /// [`AlreadyExists`](crate::StoreErrorKind::AlreadyExists) when something has the name.
    fn create(&self, folder: &Folder, name: &[u8]) -> Result<Box<dyn StoredFile>, StoreError>;

    /// Opens a regular file for reading.
    ///
    /// # Errors
    /// [`NotFound`](crate::StoreErrorKind::NotFound) when nothing has the name; another kind when it is no regular file.
    fn open(&self, folder: &Folder, name: &[u8]) -> Result<Box<dyn StoredFile>, StoreError>;

    /// What a regular file is, and its first `most` bytes; fewer only when it is shorter. A store far away waits less often
    /// than for [`open`](Self::open) and what follows it.
    ///
    /// # Errors
    /// As [`open`](Self::open), or when it could not be read.
    fn read_start(&self, folder: &Folder, name: &[u8], most: usize) -> Result<(FileStat, Vec<u8>), StoreError> {
        let file = self.open(folder, name)?;
        let stat = file.stat()?;
        let mut content = vec![0; most];
        let mut filled = 0;
        while let Some(rest) = content.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match file.read_at(filled as u64, rest)? {
                0 => break,
                read => filled += read,
            }
        }
        content.truncate(filled);
        Ok((stat, content))
    }

    /// Makes a symbolic link.
    ///
    /// # Errors
    /// [`AlreadyExists`](crate::StoreErrorKind::AlreadyExists) when something has the name.
    fn symlink(&self, folder: &Folder, name: &[u8], points_to: &[u8]) -> Result<(), StoreError>;

    /// Gives what `from` names another name.
    ///
    /// # Errors
    /// [`AlreadyExists`](crate::StoreErrorKind::AlreadyExists) when something has the name;
    /// [`TooManyLinks`](crate::StoreErrorKind::TooManyLinks) when it cannot have one more.
    fn hard_link(&self, from: (&Folder, &[u8]), to: (&Folder, &[u8])) -> Result<(), StoreError>;

    /// Gives entries of `from` the same names in `to`, each if `fits` says so of what it is, by its place among `names`;
    /// `false` where it does not, or nothing has the name. A store far away waits once for all of them; what does not fit
    /// may then have its new name for a moment. Each fails as [`hard_link`](Self::hard_link) or [`stat`](Self::stat) does.
    #[must_use]
    fn hard_links_if(
        &self,
        from: &Folder,
        to: &Folder,
        names: &[&[u8]],
        fits: &dyn Fn(usize, &FileStat) -> bool,
    ) -> Vec<Result<bool, StoreError>> {
        let link = |(place, name): (usize, &&[u8])| match self.stat(from, name)? {
            Some(stat) if fits(place, &stat) => self.hard_link((from, name), (to, name)).map(|()| true),
            _ => Ok(false),
        };
        names.iter().enumerate().map(link).collect()
    }

    /// Makes a named pipe or a device (`rdev` as in `st_rdev`), with mode 0600.
    ///
    /// # Errors
    /// [`Unsupported`](crate::StoreErrorKind::Unsupported) for any other kind or where the place cannot;
    /// [`AlreadyExists`](crate::StoreErrorKind::AlreadyExists) when something has the name.
    fn make_node(&self, folder: &Folder, name: &[u8], kind: EntryKind, rdev: u64) -> Result<(), StoreError>;

    /// Gives an entry another name; what has that name is replaced: a file by a file in one step where
    /// [`FileCapabilities::atomic_replace`] says so, a folder only when it is empty.
    ///
    /// # Errors
    /// When it could not be done.
    fn rename(&self, from: (&Folder, &[u8]), to: (&Folder, &[u8])) -> Result<(), StoreError>;

    /// Gives an entry another name, as [`rename`](Self::rename) does, and makes the names in both folders durable. A store far
    /// away waits once for all of it.
    ///
    /// # Errors
    /// When any of it failed; the entry may have its new name then.
    fn rename_durably(&self, from: (&Folder, &[u8]), to: (&Folder, &[u8])) -> Result<(), StoreError> {
        self.rename(from, to)?;
        sync_both(self, from.0, to.0)
    }

    /// Removes anything but a folder.
    ///
    /// # Errors
    /// [`NotFound`](crate::StoreErrorKind::NotFound) when it was not there. A folder is refused; far away for good, so that
    /// nobody tries again ([`StoreError::is_permanent`]).
    fn remove(&self, folder: &Folder, name: &[u8]) -> Result<(), StoreError>;

    /// Removes several names of one folder as [`remove`](Self::remove) does, each with its result. A store far away waits
    /// once for all of them.
    #[must_use]
    fn remove_all(&self, folder: &Folder, names: &[&[u8]]) -> Vec<Result<(), StoreError>> {
        names.iter().map(|name| self.remove(folder, name)).collect()
    }

    /// Removes an empty folder.
    ///
    /// # Errors
    /// [`NotFound`](crate::StoreErrorKind::NotFound) when it was not there;
    /// [`NotEmpty`](crate::StoreErrorKind::NotEmpty) where the place tells.
    fn remove_folder(&self, folder: &Folder, name: &[u8]) -> Result<(), StoreError>;

    /// Sets metadata of any entry, as [`StoredFile::set_metadata`] does; a symbolic link is not followed.
    #[must_use]
    fn set_metadata(&self, folder: &Folder, name: &[u8], metadata: &NewMetadata<'_>) -> Vec<StoreError>;

    /// Makes the names in the folder durable. Does nothing where the place has no such thing.
    ///
    /// # Errors
    /// When it failed.
    fn sync_folder(&self, folder: &Folder) -> Result<(), StoreError>;

    /// Makes everything durable that was written.
    ///
    /// # Errors
    /// [`Unsupported`](crate::StoreErrorKind::Unsupported) when [`syncs_all`](Self::syncs_all) does not say so; another
    /// kind when a write failed after it seemed done.
    fn sync(&self) -> Result<(), StoreError>;

    /// The room there is; `None` where the place does not know.
    ///
    /// # Errors
    /// When the question itself failed.
    fn space(&self) -> Result<Option<Space>, StoreError>;
}

/// Makes the names in both folders durable, which may be one.
///
/// # Errors
/// As [`FileStore::sync_folder`].
pub fn sync_both<S: FileStore + ?Sized>(store: &S, one: &Folder, other: &Folder) -> Result<(), StoreError> {
    store.sync_folder(one)?;
    if one.path() == other.path() {
        return Ok(());
    }
    store.sync_folder(other)
}
