//! The same directory as a tree of files: every operation is a system call on an open folder.

mod folders;
mod handle;
mod metadata;
mod node;
mod probe;
mod xattr;

use std::ffi::OsString;
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use engine_api::{
    EntryKind, FileCapabilities, FileStat, FileStore, Folder, Listed, NewMetadata, Space, StoreError, StoreErrorKind,
    StoredFile, Xattr,
};
use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::io::Errno;

use self::folders::Folders;
use self::handle::LocalFile;
use self::metadata::Carrier;
use super::errors::Context;
use super::root::{Root, sync_folder};

/// A directory of this machine as a [`FileStore`].
pub(super) struct LocalFiles {
    shared: Arc<Shared>,
    top: Folder,
    capabilities: OnceLock<FileCapabilities>,
}

/// What an open file shares with its store.
struct Shared {
    root: Root,
    folders: Folders,
    euid: u32,
}

impl LocalFiles {
    pub(super) fn open(dir: &Path) -> Result<Self, StoreError> {
        let root = Root::open(dir, false)?;
        let context = Context::folder("open", "", root.location());
        let folders = Folders::new(&root).map_err(|errno| context.errno(errno))?;
        let shared = Shared {
            folders,
            euid: rustix::process::geteuid().as_raw(),
            root,
        };
        Ok(Self {
            shared: Arc::new(shared),
            top: Folder::top(),
            capabilities: OnceLock::new(),
        })
    }

    /// Does `work` in the open folder; what fails becomes an error about `name` in it.
    fn within<T>(
        &self,
        operation: &'static str,
        folder: &Folder,
        name: &[u8],
        work: impl FnOnce(&OwnedFd) -> Result<T, Errno>,
    ) -> Result<T, StoreError> {
        self.try_within(folder, name, work)
            .map_err(|errno| self.shared.error(operation, folder, name, errno))
    }

    fn try_within<T>(
        &self,
        folder: &Folder,
        name: &[u8],
        work: impl FnOnce(&OwnedFd) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        if !Folder::is_name(name) {
            return Err(Errno::INVAL);
        }
        work(self.shared.folders.fd(folder)?.as_ref())
    }

    fn file(&self, folder: &Folder, name: &[u8], fd: OwnedFd, is_new: bool) -> Box<dyn StoredFile> {
        Box::new(LocalFile::new(
            Arc::clone(&self.shared),
            folder.clone(),
            name,
            fd,
            is_new,
        ))
    }
}

impl Shared {
    fn error(&self, operation: &'static str, folder: &Folder, name: &[u8], errno: Errno) -> StoreError {
        let context = Context::path(operation, &folder.path_of(name), self.root.location());
        let error = context.errno(errno);
        let suspicious = matches!(error.kind, StoreErrorKind::NotFound | StoreErrorKind::Other);
        if suspicious && !self.root.is_in_place() {
            return context.vanished();
        }
        error
    }
}

impl FileStore for LocalFiles {
    fn location(&self) -> &str {
        self.shared.root.location()
    }

    fn capabilities(&self) -> &FileCapabilities {
        self.capabilities
            .get_or_init(|| probe::probe(self, self.shared.root.path()))
    }

    fn root(&self) -> Folder {
        self.top.clone()
    }

    fn syncs_all(&self) -> bool {
        self.capabilities().unanswered.is_none()
    }

    fn stat(&self, folder: &Folder, name: &[u8]) -> Result<Option<FileStat>, StoreError> {
        match self.try_within(folder, name, |fd| fs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW)) {
            Ok(stat) => Ok(Some(node::file_stat(&stat))),
            // The folder itself may be what is not there.
            Err(Errno::NOENT) if self.shared.folders.fd(folder).is_ok() && self.shared.root.is_linked() => Ok(None),
            Err(errno) => Err(self.shared.error("look at", folder, name, errno)),
        }
    }

    fn list(&self, folder: &Folder, each: &mut dyn FnMut(Listed<'_>) -> ControlFlow<()>) -> Result<(), StoreError> {
        let listed = self.shared.folders.fd(folder).and_then(|fd| node::list(&fd, each));
        listed.map_err(|errno| self.shared.error("list", folder, b"", errno))
    }

    fn read_link(&self, folder: &Folder, name: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.within("read the link", folder, name, |fd| {
            Ok(fs::readlinkat(fd, name, Vec::new())?.into_bytes())
        })
    }

    fn xattrs(&self, folder: &Folder, name: &[u8]) -> Result<Vec<Xattr>, StoreError> {
        self.within("read the extended attributes of", folder, name, |fd| {
            let found = xattr::read(&Carrier::entry(fd, name))?;
            let xattr = |(name, value): (std::ffi::CString, _)| Xattr {
                name: OsString::from_vec(name.into_bytes()),
                value,
            };
            Ok(found.into_iter().map(xattr).collect())
        })
    }

    fn make_folder(&self, folder: &Folder, name: &[u8]) -> Result<(), StoreError> {
        self.within("make the folder", folder, name, |fd| fs::mkdirat(fd, name, Mode::RWXU))
    }

    fn create(&self, folder: &Folder, name: &[u8]) -> Result<Box<dyn StoredFile>, StoreError> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let fd = self.within("create", folder, name, |fd| fs::openat(fd, name, flags, mode))?;
        Ok(self.file(folder, name, fd, true))
    }

    fn open(&self, folder: &Folder, name: &[u8]) -> Result<Box<dyn StoredFile>, StoreError> {
        let fd = self.within("open", folder, name, |fd| node::open_file(fd, name))?;
        Ok(self.file(folder, name, fd, false))
    }

    fn symlink(&self, folder: &Folder, name: &[u8], points_to: &[u8]) -> Result<(), StoreError> {
        self.within("make the link", folder, name, |fd| fs::symlinkat(points_to, fd, name))
    }

    fn hard_link(&self, from: (&Folder, &[u8]), to: (&Folder, &[u8])) -> Result<(), StoreError> {
        self.within("link", to.0, to.1, |fd| {
            self.try_within(from.0, from.1, |source| {
                fs::linkat(source, from.1, fd, to.1, AtFlags::empty())
            })
        })
    }

    fn make_node(&self, folder: &Folder, name: &[u8], kind: EntryKind, rdev: u64) -> Result<(), StoreError> {
        self.within("make the node", folder, name, |fd| node::make(fd, name, kind, rdev))
    }

    fn rename(&self, from: (&Folder, &[u8]), to: (&Folder, &[u8])) -> Result<(), StoreError> {
        self.within("rename", from.0, from.1, |source| {
            self.try_within(to.0, to.1, |fd| fs::renameat(source, from.1, fd, to.1))
        })
    }

    fn remove(&self, folder: &Folder, name: &[u8]) -> Result<(), StoreError> {
        self.within("remove", folder, name, |fd| fs::unlinkat(fd, name, AtFlags::empty()))
    }

    fn remove_folder(&self, folder: &Folder, name: &[u8]) -> Result<(), StoreError> {
        self.within("remove the folder", folder, name, |fd| {
            fs::unlinkat(fd, name, AtFlags::REMOVEDIR)
        })
    }

    fn set_metadata(&self, folder: &Folder, name: &[u8], metadata: &NewMetadata<'_>) -> Vec<StoreError> {
        let mut failed = Vec::new();
        let mut note = |operation, errno| failed.push(self.shared.error(operation, folder, name, errno));
        let set = self.try_within(folder, name, |fd| {
            metadata::set(&Carrier::entry(fd, name), metadata, self.shared.euid, false, &mut note);
            Ok(())
        });
        if let Err(errno) = set {
            note("set the metadata of", errno);
        }
        failed
    }

    fn sync_folder(&self, folder: &Folder) -> Result<(), StoreError> {
        let synced = self.shared.folders.fd(folder).and_then(sync_folder);
        synced.map_err(|errno| self.shared.error("sync", folder, b"", errno))
    }

    fn sync(&self) -> Result<(), StoreError> {
        let context = Context::folder("sync", "", self.location());
        fs::syncfs(self.shared.folders.root()).map_err(|errno| context.errno(errno))?;
        // What was written into a place that is not there any more is not what anybody wants.
        if self.shared.root.is_in_place() {
            return Ok(());
        }
        Err(context.vanished())
    }

    fn space(&self) -> Result<Option<Space>, StoreError> {
        let context = Context::folder("ask for the free space of", "", self.location());
        self.shared.root.space().map(Some).map_err(|errno| context.errno(errno))
    }
}
