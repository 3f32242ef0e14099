//! What an interrupted run left in a folder.

use std::collections::HashMap;
use std::ops::ControlFlow;

use engine_api::{EntryKind, FileStore, Folder};

use crate::error::Result;

/// The names that are there and nobody asked for yet, each with what it is, where the place tells.
#[derive(Default)]
pub struct Existing(HashMap<Box<[u8]>, Option<EntryKind>>);

impl Existing {
    pub fn list(store: &dyn FileStore, folder: &Folder) -> Result<Self> {
        let mut names = HashMap::new();
        store.list(folder, &mut |listed| {
            let kind = listed.kind.or(listed.stat.map(|stat| stat.kind));
            names.insert(listed.name.into(), kind);
            ControlFlow::Continue(())
        })?;
        Ok(Self(names))
    }

    /// What has the name, if anything has; the caller deals with it.
    pub fn take(&mut self, name: &[u8]) -> Option<Option<EntryKind>> {
        self.0.remove(name)
    }

    /// What is left: nothing of the new snapshot.
    pub fn into_names(self) -> Vec<Box<[u8]>> {
        self.0.into_keys().collect()
    }
}
