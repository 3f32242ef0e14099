//! The keys of a repository: each seals the same master key with another password.

use std::sync::atomic::AtomicBool;

use engine_api::{BlobStore, Timestamp};
use jiff::tz::TimeZone;

use super::open::{read_key_file, store_key_file};
use super::{FileKind, Repository, Settings};
use crate::Id;
use crate::crypto::Password;
use crate::error::{Error, Result};
use crate::format::{self, KeyFile};

/// What is known of a key without its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyInfo {
    /// Its name.
    pub id: Id,
    /// Who made it.
    pub user: String,
    /// On which machine.
    pub host: String,
    /// When, as its file says.
    pub created: String,
    /// Whether the repository was opened with it.
    pub current: bool,
}

impl Repository {
    /// All keys.
    pub fn keys(&self) -> Result<Vec<KeyInfo>> {
        let info = |id: Id| {
            let file = read_key_file(self.store.as_ref(), id)?;
            let current = id == self.key_id;
            Ok(KeyInfo {
                id,
                user: file.username,
                host: file.hostname,
                created: file.created,
                current,
            })
        };
        key_ids(self.store.as_ref())?.into_iter().map(info).collect()
    }

    /// Adds a key with another password.
    pub fn add_key(&self, password: &Password) -> Result<Id> {
        let (user, host) = (&self.settings.user, &self.settings.host);
        let file = KeyFile::new(&self.key, password, user, host, now(&self.settings.zone))?;
        let id = store_key_file(self.store.as_ref(), &file)?;
        // Reads back what the storage has before anybody relies on it.
        match read_key_file(self.store.as_ref(), id)?.open(password, &FileKind::Key.object(id))? {
            Some(_) => Ok(id),
            None => Err(Error::damaged(
                FileKind::Key.object(id),
                "it does not open with its own password",
            )),
        }
    }

    /// Removes the key whose name begins with `prefix`; never the one in use, which is never the last one either.
    pub fn remove_key(&self, prefix: &str) -> Result<Id> {
        let ids = key_ids(self.store.as_ref())?;
        let fitting: Vec<Id> = ids
            .into_iter()
            .filter(|id| id.to_string().starts_with(prefix))
            .collect();
        let [id] = fitting.as_slice() else {
            return Err(Error::Usage(format!(
                "`{prefix}` fits {} keys; `holdfast key list` shows them",
                fitting.len()
            )));
        };
        if *id == self.key_id {
            return Err(Error::KeyInUse {
                id: id.to_string(),
                why: "the repository is open with it",
            });
        }
        self.remove(FileKind::Key, *id)?;
        Ok(*id)
    }

    /// Replaces the key in use by one with another password; returns the repository as opened with that, and its name.
    pub fn change_password(&self, password: &Password) -> Result<(Self, Id)> {
        let new = self.add_key(password)?;
        let settings = Settings {
            password: password.clone(),
            ..self.settings.clone()
        };
        self.remove(FileKind::Key, self.key_id)?;
        let (store, config, key, cache) = (
            self.store.clone(),
            self.config.clone(),
            self.key.clone(),
            self.cache.clone(),
        );
        Ok((
            Self {
                store,
                settings,
                config,
                key,
                key_id: new,
                cache,
                unlocked: AtomicBool::new(false),
            },
            new,
        ))
    }
}

/// Now, as restic writes times.
pub fn now(zone: &TimeZone) -> String {
    let mut text = Vec::new();
    format::format_time(Timestamp::now(), zone, &mut text);
    String::from_utf8(text).unwrap_or_default()
}

/// The names of all keys.
pub fn key_ids(store: &dyn BlobStore) -> Result<Vec<Id>> {
    let keys = super::files::list(store, FileKind::Key)?;
    Ok(keys.into_iter().map(|(id, _)| id).collect())
}
