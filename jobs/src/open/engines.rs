//! The engines, each opened with what a record says of it.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine_api::{Destination, Engine, FileStore, StoreError, StoreErrorKind};
use engine_duplicity::{BackupMode, Cipher, DuplicityEngine, OpenPgp, OpenPgpSettings};
use engine_restic::ResticEngine;
use engine_rsync::{Marker, RsyncEngine};
use jiff::Timestamp;
use md5::{Digest, Md5};
use zeroize::Zeroizing;

use super::password;
use crate::context::Context;
use crate::error::Error;
use crate::record::{EngineName, Place};
use crate::secrets::Secret;
use crate::site::Site;

/// What the rsync engine's places have.
const MARKER: &[u8] = b"backup.marker";

/// An engine on a destination.
pub(crate) enum Opened {
    Duplicity(Box<DuplicityEngine>),
    Restic(Box<ResticEngine>),
    Rsync(Box<RsyncEngine>),
}

impl Opened {
    pub(super) fn contract(&self) -> &dyn Engine {
        match self {
            Self::Duplicity(engine) => engine.as_ref(),
            Self::Restic(engine) => engine.as_ref(),
            Self::Rsync(engine) => engine.as_ref(),
        }
    }
}

/// Opens what is there.
pub(super) fn open(
    context: &Context,
    site: &Site,
    destination: &Destination,
    secret: &Secret,
) -> engine_api::Result<Opened> {
    match site.engine {
        EngineName::Restic => {
            let engine = ResticEngine::open(Arc::clone(&destination.blobs), restic(context, site, secret))?;
            Ok(Opened::Restic(Box::new(engine)))
        }
        EngineName::Duplicity => {
            let engine = duplicity(context, site, destination, secret)?;
            if engine.is_empty()? {
                Err(none(site).into())
            } else {
                Ok(Opened::Duplicity(Box::new(engine)))
            }
        }
        EngineName::Rsync => {
            let files = files(site, destination)?;
            if files.stat(&files.root(), MARKER)?.is_none() {
                return Err(none(site).into());
            }
            let engine = RsyncEngine::open(files, rsync(context, site));
            Ok(Opened::Rsync(Box::new(engine)))
        }
    }
}

/// Whether the storage has no room, or no more of it for this account.
pub(crate) fn is_full(error: &engine_api::Error) -> bool {
    let restic = match error.downcast_ref() {
        Some(engine_restic::Error::Store(error)) => Some(error),
        _ => None,
    };
    let duplicity = match error.downcast_ref() {
        Some(engine_duplicity::Error::Store(error)) => Some(error),
        _ => None,
    };
    let error = restic.or(duplicity).or_else(|| error.downcast_ref::<StoreError>());
    error.is_some_and(|error| error.kind == StoreErrorKind::NoSpace)
}

/// Makes what is not there.
pub(super) fn make(
    context: &Context,
    site: &Site,
    destination: &Destination,
    secret: &Secret,
) -> engine_api::Result<Opened> {
    match site.engine {
        EngineName::Restic => {
            let engine = ResticEngine::init(Arc::clone(&destination.blobs), restic(context, site, secret))?;
            Ok(Opened::Restic(Box::new(engine)))
        }
        // The first set makes it.
        EngineName::Duplicity => Ok(Opened::Duplicity(Box::new(duplicity(
            context,
            site,
            destination,
            secret,
        )?))),
        EngineName::Rsync => {
            let files = files(site, destination)?;
            make_marker(files.as_ref())?;
            let engine = RsyncEngine::open(files, rsync(context, site));
            Ok(Opened::Rsync(Box::new(engine)))
        }
    }
}

/// The place as a tree of files.
fn files(site: &Site, destination: &Destination) -> Result<Arc<dyn FileStore>, Error> {
    let files = destination.files.clone();
    files.ok_or_else(|| {
        Error::Usage(format!(
            "the rsync engine cannot use {}: it is no tree of files",
            site.location
        ))
    })
}

/// The empty file by which a place for backups is told from the folder below a disk that is not mounted.
fn make_marker(files: &dyn FileStore) -> Result<(), StoreError> {
    match files.create(&files.root(), MARKER).and_then(|file| {
        file.sync()?;
        file.close()
    }) {
        Err(error) if error.kind == StoreErrorKind::AlreadyExists => Ok(()),
        other => other.and_then(|()| files.sync_folder(&files.root())),
    }
}

/// For a place whose marker was seen, or made.
fn rsync(context: &Context, site: &Site) -> engine_rsync::Settings {
    engine_rsync::Settings {
        host: context.host.clone(),
        user: context.user.clone(),
        zone: context.zone.clone(),
        strategy: Some(site.strategy.clone()),
        marker: Marker::Seen,
        retry_lock: site.access.retry_lock,
        ..engine_rsync::Settings::default()
    }
}

fn none(site: &Site) -> Error {
    Error::NoRepository {
        location: site.location.clone(),
    }
}

fn restic(context: &Context, site: &Site, secret: &Secret) -> engine_restic::Settings {
    let mut settings = engine_restic::Settings::new(password(secret));
    settings.cache = Some(site.cache.clone());
    settings.compression = site.access.compression;
    settings.retry_lock = site.access.retry_lock;
    settings.host.clone_from(&context.host);
    settings.user.clone_from(&context.user);
    settings.zone = context.zone.clone();
    settings
}

fn duplicity(
    context: &Context,
    site: &Site,
    destination: &Destination,
    secret: &Secret,
) -> engine_api::Result<DuplicityEngine> {
    let usual = engine_duplicity::Settings::default();
    // Where full sets are made of the chain, a backup makes none but the first.
    let from_chain = site.sets.full_from_chain;
    let is_full = !from_chain && is_full_day(context, site);
    let settings = engine_duplicity::Settings {
        mode: if is_full {
            BackupMode::Full
        } else {
            BackupMode::Incremental
        },
        full_if_older: usual.full_if_older.filter(|_| !from_chain),
        volume_size: site.sets.volume_size.get(),
        archive: Some(site.cache.clone()),
        archive_name: archive_name(site),
        encryption: cipher(site, secret)?,
        user: context.user.clone(),
        zone: context.zone.clone(),
        ..usual
    };
    Ok(DuplicityEngine::open(Arc::clone(&destination.blobs), settings)?)
}

/// What encrypts and decrypts: nothing, a passphrase, or keys.
fn cipher(site: &Site, secret: &Secret) -> engine_api::Result<Option<Arc<dyn Cipher>>> {
    if !site.sets.encrypt {
        return Ok(None);
    }
    let keys = |paths: &[PathBuf]| -> Result<Vec<Zeroizing<Vec<u8>>>, Error> {
        let read = |path: &PathBuf| {
            fs::read(path)
                .map(Zeroizing::new)
                .map_err(|error| Error::io("read the key", path, error))
        };
        paths.iter().map(read).collect()
    };
    let public = keys(&site.sets.encrypt_keys)?;
    let passphrase = Some(secret.reveal()).filter(|text| !text.is_empty());
    let settings = OpenPgpSettings {
        passphrases: passphrase
            .map(|text| Zeroizing::new(text.to_owned()))
            .into_iter()
            .collect(),
        recipients: public.iter().map(|key| key.to_vec()).collect(),
        secret_keys: keys(&site.sets.decrypt_keys)?,
        ..OpenPgpSettings::default()
    };
    let cipher = OpenPgp::new(&settings).map_err(|error| Error::Usage(chain_of(&error)))?;
    Ok(Some(Arc::new(cipher)))
}

fn chain_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let _ = write!(text, ": {next}");
        cause = next.source();
    }
    text
}

/// Whether full sets are made today, or always, as the record says.
pub(crate) fn is_full_day(context: &Context, site: &Site) -> bool {
    let today = Timestamp::now()
        .to_zoned(context.zone.clone())
        .weekday()
        .to_sunday_zero_offset();
    site.sets.full_day.is_none_or(|day| day == today)
}

/// The MD5 of the URL that NethServer gives duplicity, by which that names its archive folder.
fn archive_name(site: &Site) -> String {
    let mut hash = Md5::new();
    // NethServer mounts a WebDAV share at the same place.
    let folder = match (&site.place, &site.mount_point) {
        (Place::Local(folder), _) => Some(folder),
        (_, Some(point)) => Some(point),
        _ => None,
    };
    match folder {
        Some(folder) => {
            hash.update(b"file://");
            hash.update(folder.as_os_str().as_encoded_bytes());
            if site.subfolder != Path::new("") {
                hash.update(b"/");
                hash.update(site.subfolder.as_os_str().as_encoded_bytes());
            }
        }
        None => hash.update(site.place.to_string()),
    }
    let mut name = String::new();
    for byte in hash.finalize() {
        let _ = write!(name, "{byte:02x}");
    }
    name
}
