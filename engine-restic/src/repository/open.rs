//! Making a repository and opening one.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use engine_api::{BlobStore, Body, Key, PutMode, StoreErrorKind};

use super::cache::Cache;
use super::{FileKind, Repository, Settings};
use crate::Id;
use crate::chunker;
use crate::crypto::SealingKey;
use crate::error::{Error, Result};
use crate::format::{self, Config, KeyFile};

/// Format version of new repositories.
const NEW_VERSION: u32 = 2;

impl Repository {
    /// Makes a new repository; its config comes last, so that half a repository is none.
    pub fn init(store: Arc<dyn BlobStore>, settings: Settings) -> Result<Self> {
        refuse_existing(store.as_ref())?;
        let mut id = [0; 32];
        getrandom::fill(&mut id).map_err(Error::Random)?;
        let polynomial = chunker::random_polynomial()?;
        let config = Config {
            version: NEW_VERSION,
            id: Id::from_bytes(id),
            chunker_polynomial: polynomial,
        };
        let key = SealingKey::generate()?;
        let created = super::keys::now(&settings.zone);
        let file = KeyFile::new(&key, &settings.password, &settings.user, &settings.host, created)?;
        let key_id = store_key_file(store.as_ref(), &file)?;
        let json = serde_json::to_vec(&config).map_err(|error| Error::damaged("the config", error.to_string()))?;
        // The config is never encoded as the other files are: its version says how those are.
        if let Err(error) = store.put(&config_key()?, Body::Bytes(&key.seal(&json)?), PutMode::Create) {
            // Somebody else may have made a repository here meanwhile: a key that does not belong to it must not stay.
            let _ = store.remove(&FileKind::Key.key(key_id)?);
            return Err(error.into());
        }
        // Somebody who made a repository at the same moment may have taken this key for what an interrupted making left.
        if store
            .stat(&FileKind::Key.key(key_id)?)
            .is_err_and(|error| error.is_not_found())
        {
            store_key_file(store.as_ref(), &file)?;
        }
        let cache = open_cache(&store, &settings, &config);
        Ok(Self {
            store,
            settings,
            config,
            key,
            key_id,
            cache,
            unlocked: AtomicBool::new(false),
        })
    }

    /// Opens the repository with the settings' password.
    pub fn open(store: Arc<dyn BlobStore>, settings: Settings) -> Result<Self> {
        let location = || store.location().to_owned();
        // Where every question takes its time, two are asked at once, and the locks while the password is worked on.
        let opened = std::thread::scope(|scope| {
            let ids = scope.spawn(|| super::keys::key_ids(store.as_ref()));
            let sealed = read_config_file(store.as_ref());
            let ids = ids.join().unwrap_or(Err(Error::Interrupted));
            let Some(sealed) = sealed? else {
                return Err(Error::NoRepository { location: location() });
            };
            let locks = scope.spawn(|| !store.capabilities().local && has_no_lock(store.as_ref()));
            let found = search_key(store.as_ref(), &settings, &sealed, &ids?)?;
            Ok((found, locks.join().unwrap_or(false)))
        });
        let ((key_id, key, config), unlocked) = opened?;
        if !(1..=2).contains(&config.version) {
            return Err(Error::UnsupportedVersion {
                location: location(),
                version: config.version,
            });
        }
        let cache = open_cache(&store, &settings, &config);
        Ok(Self {
            store,
            settings,
            config,
            key,
            key_id,
            cache,
            unlocked: AtomicBool::new(unlocked),
        })
    }
}

fn config_key() -> Result<Key> {
    Key::new("config").map_err(|error| Error::Usage(error.to_string()))
}

fn read_config_file(store: &dyn BlobStore) -> Result<Option<Vec<u8>>> {
    match store.get(&config_key()?) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind == StoreErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether there is no lock for certain.
fn has_no_lock(store: &dyn BlobStore) -> bool {
    let mut none = true;
    let listed = store.list(FileKind::Lock.folder(), &mut |_| {
        none = false;
        ControlFlow::Break(())
    });
    none && listed.is_ok()
}

fn open_cache(store: &Arc<dyn BlobStore>, settings: &Settings, config: &Config) -> Option<Cache> {
    let folder = settings.cache.as_ref().filter(|_| !store.capabilities().local)?;
    Cache::open(folder, config.id)
}

/// Fails when there is a repository, or what is left of one. Keys alone are left of a making that was interrupted: they
/// seal nothing, and are removed.
fn refuse_existing(store: &dyn BlobStore) -> Result<()> {
    let exists = || Error::RepositoryExists {
        location: store.location().to_owned(),
    };
    if read_config_file(store)?.is_some() {
        return Err(exists());
    }
    for kind in [FileKind::Snapshot, FileKind::Index, FileKind::Pack] {
        let mut empty = true;
        store.list(kind.folder(), &mut |_| {
            empty = false;
            ControlFlow::Break(())
        })?;
        if !empty {
            return Err(exists());
        }
    }
    for id in super::keys::key_ids(store)? {
        store.remove(&FileKind::Key.key(id)?)?;
    }
    Ok(())
}

/// Stores a key file under its digest.
pub fn store_key_file(store: &dyn BlobStore, file: &KeyFile) -> Result<Id> {
    let json = serde_json::to_vec(file).map_err(|error| Error::damaged("a key", error.to_string()))?;
    let id = Id::of(&json);
    store.put(&FileKind::Key.key(id)?, Body::Bytes(&json), PutMode::Replace)?;
    Ok(id)
}

/// Reads a key file.
pub fn read_key_file(store: &dyn BlobStore, id: Id) -> Result<KeyFile> {
    let json = store.get(&FileKind::Key.key(id)?)?;
    serde_json::from_slice(&json).map_err(|error| Error::damaged(FileKind::Key.object(id), error.to_string()))
}

/// Tries the password on every key until one opens the config. A damaged key file does not keep the others from fitting.
fn search_key(
    store: &dyn BlobStore,
    settings: &Settings,
    config: &[u8],
    ids: &[Id],
) -> Result<(Id, SealingKey, Config)> {
    let mut damaged = None;
    for id in ids {
        let opened =
            read_key_file(store, *id).and_then(|file| file.open(&settings.password, &FileKind::Key.object(*id)));
        let key = match opened {
            Ok(Some(key)) => key,
            Ok(None) => continue,
            Err(error @ Error::Damaged { .. }) => {
                damaged = Some(error);
                continue;
            }
            Err(error) => return Err(error),
        };
        match open_config(&key, config) {
            Ok(config) => return Ok((*id, key, config)),
            Err(error) => damaged = Some(error),
        }
    }
    Err(damaged.unwrap_or_else(|| Error::WrongPassword {
        location: store.location().to_owned(),
        tried: ids.len(),
    }))
}

fn open_config(key: &SealingKey, sealed: &[u8]) -> Result<Config> {
    let mut sealed = sealed.to_vec();
    let json = key.open_in_place(&mut sealed);
    let json = json.map_err(|_| Error::damaged("the config", "its authentication code does not fit"))?;
    let json = format::decode_unpacked(json.to_vec(), "the config")?;
    serde_json::from_slice(&json).map_err(|error| Error::damaged("the config", error.to_string()))
}
