//! The store: every method that writes may find the place full.

use std::ops::ControlFlow;

use engine_api::{
    EntryKind, FileCapabilities, FileStat, FileStore, Folder, Listed, NewMetadata, Space, StoreError, StoreErrorKind,
    StoredFile, Xattr,
};

use super::RoomyStore;
use super::file::RoomyFile;

fn is_full(error: &StoreError) -> bool {
    error.kind == StoreErrorKind::NoSpace
}

#[deny(clippy::missing_trait_methods)]
impl FileStore for RoomyStore {
    fn location(&self) -> &str {
        self.room.store.location()
    }

    fn capabilities(&self) -> &FileCapabilities {
        self.room.store.capabilities()
    }

    fn root(&self) -> Folder {
        self.room.store.root()
    }

    fn get_ready(&self) {
        self.room.store.get_ready();
    }

    fn syncs_all(&self) -> bool {
        self.room.store.syncs_all()
    }

    fn stat(&self, folder: &Folder, name: &[u8]) -> Result<Option<FileStat>, StoreError> {
        self.room.store.stat(folder, name)
    }

    fn list(&self, folder: &Folder, each: &mut dyn FnMut(Listed<'_>) -> ControlFlow<()>) -> Result<(), StoreError> {
        self.room.store.list(folder, each)
    }

    fn read_link(&self, folder: &Folder, name: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.room.store.read_link(folder, name)
    }

    fn xattrs(&self, folder: &Folder, name: &[u8]) -> Result<Vec<Xattr>, StoreError> {
        self.room.store.xattrs(folder, name)
    }

    fn make_folder(&self, folder: &Folder, name: &[u8]) -> Result<(), StoreError> {
        self.room.with_room(|| self.room.store.make_folder(folder, name))
    }

    fn make_folders(&self, folders: &[&Folder]) -> Vec<Result<(), StoreError>> {
        let mut results = self.room.store.make_folders(folders);
        for (folder, result) in folders.iter().zip(&mut results) {
            if let (Some(above), true) = (folder.above(), result.as_ref().is_err_and(is_full)) {
                *result = self.make_folder(above, folder.name());
            }
        }
        results
    }

    fn create(&self, folder: &Folder, name: &[u8]) -> Result<Box<dyn StoredFile>, StoreError> {
        let file = self.room.with_room(|| self.room.store.create(folder, name))?;
        Ok(Box::new(RoomyFile::new(file, &self.room)))
    }

    fn open(&self, folder: &Folder, name: &[u8]) -> Result<Box<dyn StoredFile>, StoreError> {
        self.room.store.open(folder, name)
    }

    fn read_start(&self, folder: &Folder, name: &[u8], most: usize) -> Result<(FileStat, Vec<u8>), StoreError> {
        self.room.store.read_start(folder, name, most)
    }

    fn symlink(&self, folder: &Folder, name: &[u8], points_to: &[u8]) -> Result<(), StoreError> {
        self.room.with_room(|| self.room.store.symlink(folder, name, points_to))
    }

    fn hard_link(&self, from: (&Folder, &[u8]), to: (&Folder, &[u8])) -> Result<(), StoreError> {
        self.room.with_room(|| self.room.store.hard_link(from, to))
    }

    fn hard_links_if(
        &self,
        from: &Folder,
        to: &Folder,
        names: &[&[u8]],
        fits: &dyn Fn(usize, &FileStat) -> bool,
    ) -> Vec<Result<bool, StoreError>> {
        let store = &self.room.store;
        let mut results = store.hard_links_if(from, to, names, fits);
        for (place, (name, result)) in names.iter().zip(&mut results).enumerate() {
            if result.as_ref().is_err_and(is_full) {
                *result = self.room.with_room(|| {
                    let one = store.hard_links_if(from, to, &[name], &|_, stat| fits(place, stat));
                    one.into_iter().next().unwrap_or(Ok(false))
                });
            }
        }
        results
    }

    fn make_node(&self, folder: &Folder, name: &[u8], kind: EntryKind, rdev: u64) -> Result<(), StoreError> {
        self.room
            .with_room(|| self.room.store.make_node(folder, name, kind, rdev))
    }

    fn rename(&self, from: (&Folder, &[u8]), to: (&Folder, &[u8])) -> Result<(), StoreError> {
        self.room.with_room(|| self.room.store.rename(from, to))
    }

    fn rename_durably(&self, from: (&Folder, &[u8]), to: (&Folder, &[u8])) -> Result<(), StoreError> {
        self.room.with_room(|| self.room.store.rename_durably(from, to))
    }

    fn remove(&self, folder: &Folder, name: &[u8]) -> Result<(), StoreError> {
        self.room.store.remove(folder, name)
    }

    fn remove_all(&self, folder: &Folder, names: &[&[u8]]) -> Vec<Result<(), StoreError>> {
        self.room.store.remove_all(folder, names)
    }

    fn remove_folder(&self, folder: &Folder, name: &[u8]) -> Result<(), StoreError> {
        self.room.store.remove_folder(folder, name)
    }

    fn set_metadata(&self, folder: &Folder, name: &[u8], metadata: &NewMetadata<'_>) -> Vec<StoreError> {
        self.room.store.set_metadata(folder, name, metadata)
    }

    fn sync_folder(&self, folder: &Folder) -> Result<(), StoreError> {
        self.room.store.sync_folder(folder)
    }

    // What could not be written by then is lost: to try again would be to believe that it is there.
    fn sync(&self) -> Result<(), StoreError> {
        self.room.store.sync()
    }

    fn space(&self) -> Result<Option<Space>, StoreError> {
        self.room.store.space()
    }
}
