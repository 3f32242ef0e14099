//! Opening a repository: the one place that names the engines and the storages.

mod engines;
mod layers;
mod origin;
mod places;
pub(crate) mod reach;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use engine_api::{Body, Destination, Engine, ErrorKind, Key, PutMode, Space, StoreError};
use engine_duplicity::DuplicityEngine;
use engine_restic::{Password, ResticEngine};

use self::engines::Opened;
pub(crate) use self::engines::{is_full, is_full_day};
use self::layers::Retries;
pub(crate) use self::places::sftp_settings;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::record::EngineName;
use crate::secrets::Secret;
use crate::site::{Access, Site};

/// An open repository.
pub struct Repository {
    // Before the destination, which must be there until the engine is gone.
    pub(crate) engine: Opened,
    pub(crate) destination: Destination,
    retries: Arc<Retries>,
    /// Where it is, and what belongs to it.
    pub site: Site,
}

impl Repository {
    /// Opens the repository that `access` names.
    ///
    /// # Errors
    /// When there is none, its password is not known or wrong, or it cannot be read.
    pub fn open(context: &Context, access: &Access) -> engine_api::Result<Self> {
        Self::open_at(context, Site::find(context, access)?)
    }

    /// Opens the repository of a site.
    pub(crate) fn open_at(context: &Context, site: Site) -> engine_api::Result<Self> {
        match known_secret(&site)? {
            Some(secret) => Self::open_with(context, site, &secret),
            None if !site.has_password() => Self::open_with(context, site, &Secret::new("")),
            None => Err(Self::without_secret(context, site)),
        }
    }

    /// What is wrong when no password is known: that, or that there is no repository at all.
    fn without_secret(context: &Context, site: Site) -> engine_api::Error {
        let (location, path) = (site.location.clone(), site.secret.clone());
        match Self::open_with(context, site, &Secret::new("")) {
            Err(error) if error.kind() != ErrorKind::WrongPassword => error,
            _ => Error::NoPassword { location, path }.into(),
        }
    }

    /// The same with a password that the caller has.
    pub(crate) fn open_with(context: &Context, site: Site, secret: &Secret) -> engine_api::Result<Self> {
        let connected = match Connected::open(context, &site, false) {
            Err(error) if is_missing(&error) => return Err(missing(&site).into()),
            other => other?,
        };
        match engines::open(context, &site, &connected.destination, secret) {
            Ok(engine) => Ok(connected.with(engine, site)),
            Err(error) if error.kind() == ErrorKind::NoRepository => Err(missing(&site).into()),
            Err(error) => Err(error),
        }
    }

    /// Makes the repository that `access` names, and keeps a new password for it unless there is one.
    ///
    /// # Errors
    /// When there is one already, or it cannot be made.
    pub fn init(context: &Context, access: &Access) -> engine_api::Result<Self> {
        let site = Site::find(context, access)?;
        let _lock = origin::lock(context, &site)?;
        let connected = Connected::open(context, &site, true)?;
        Self::make(context, site, connected)
    }

    /// Opens the repository of a site, or makes it if there is none and never was; says whether it was made.
    ///
    /// # Errors
    /// When there was one that is gone, or it can neither be opened nor made.
    pub(crate) fn open_or_init(context: &Context, site: Site) -> engine_api::Result<(Self, bool)> {
        let _lock = origin::lock(context, &site)?;
        let known = origin::was_seen(&site)?;
        let connected = match Connected::open(context, &site, !known) {
            Err(error) if known && is_missing(&error) => return Err(gone(&site).into()),
            other => other?,
        };
        if site.engine == EngineName::Rsync {
            connected.get_ready();
        }
        let kept = known_secret(&site)?;
        let ready = kept.is_some() || !site.has_password();
        // Without a password, any answer but one says that there is a repository.
        let secret = kept.unwrap_or_else(|| Secret::new(""));
        let opened = engines::open(context, &site, &connected.destination, &secret);
        match opened.map_err(|error| (error.kind(), error)) {
            Ok(engine) if ready => {
                origin::remember(&site)?;
                Ok((connected.with(engine, site), false))
            }
            Err((ErrorKind::NoRepository, _)) if known => Err(gone(&site).into()),
            // Only this leads to a new one: never a refusal, a wrong password or damage.
            Err((ErrorKind::NoRepository, _)) => Ok((Self::make(context, site, connected)?, true)),
            Err((kind, error)) if ready || kind != ErrorKind::WrongPassword => Err(error),
            Ok(_) | Err(_) => {
                let (location, path) = (site.location, site.secret);
                Err(Error::ForeignRepository { location, path }.into())
            }
        }
    }

    fn make(context: &Context, site: Site, connected: Connected) -> engine_api::Result<Self> {
        let secret = match known_secret(&site)? {
            Some(secret) => secret,
            None if !site.has_password() => Secret::new(""),
            None => {
                let secret = Secret::generate()?;
                // Safe on disk before anything is encrypted with it.
                secret.keep(&site.secret)?;
                secret
            }
        };
        let engine = engines::make(context, &site, &connected.destination, &secret)?;
        origin::remember(&site)?;
        Ok(connected.with(engine, site))
    }

    /// What saves and restores.
    #[must_use]
    pub fn engine(&self) -> &dyn Engine {
        self.engine.contract()
    }

    /// The restic engine, for what only that has.
    pub(crate) fn restic(&self) -> Result<&ResticEngine> {
        match &self.engine {
            Opened::Restic(engine) => Ok(engine),
            Opened::Duplicity(_) | Opened::Rsync(_) => {
                let engine = self.site.engine;
                Err(Error::Usage(format!(
                    "a repository of the {engine} engine has no keys and locks of its own"
                )))
            }
        }
    }

    /// The duplicity engine, for what only that has.
    pub(crate) fn duplicity(&self) -> Result<&DuplicityEngine> {
        match &self.engine {
            Opened::Duplicity(engine) => Ok(engine),
            Opened::Restic(_) | Opened::Rsync(_) => {
                let engine = self.site.engine;
                Err(Error::Usage(format!(
                    "every snapshot of the {engine} engine stands alone: full backups are duplicity's"
                )))
            }
        }
    }

    /// Puts a file of this machine beside the repository's own, under its name, in place of one put before.
    pub(crate) fn add_file(&self, path: &Path) -> engine_api::Result<()> {
        let failed = |error| Error::io("read", path, error);
        let file = File::open(path).map_err(failed)?;
        let len = file.metadata().map_err(failed)?.len();
        let name = path.file_name().unwrap_or_default().as_encoded_bytes().to_vec();
        let key = Key::new(name).map_err(|error| Error::Usage(error.to_string()))?;
        let body = Body::File { file: &file, len };
        Ok(self.destination.blobs.put(&key, body, PutMode::Replace)?)
    }

    /// What had to be tried again, in lines.
    #[must_use]
    pub fn retries(&self) -> Vec<String> {
        self.retries.lines()
    }

    /// The room at the destination, where it is known.
    ///
    /// # Errors
    /// When the question failed.
    pub fn space(&self) -> engine_api::Result<Option<Space>> {
        Ok(self.destination.blobs.space()?)
    }
}

/// An open destination, before it is known what lies there.
pub(crate) struct Connected {
    pub(crate) destination: Destination,
    retries: Arc<Retries>,
}

impl Connected {
    /// Opens the place, with every layer on top; tries again what may pass.
    pub(crate) fn open(context: &Context, site: &Site, create: bool) -> engine_api::Result<Self> {
        let retries = Arc::default();
        let destination = layers::open(context, site, create, &retries)?;
        Ok(Self { destination, retries })
    }

    /// What had to be tried again, in lines.
    pub(crate) fn retries(&self) -> Vec<String> {
        self.retries.lines()
    }

    /// Much will be written to it as a tree of files.
    fn get_ready(&self) {
        if let Some(files) = &self.destination.files {
            files.get_ready();
        }
    }

    fn with(self, engine: Opened, site: Site) -> Repository {
        Repository {
            engine,
            destination: self.destination,
            retries: self.retries,
            site,
        }
    }
}

/// Whether the folder of the repository is not there, though the storage is.
pub(crate) fn is_missing(error: &engine_api::Error) -> bool {
    error.downcast_ref::<StoreError>().is_some_and(StoreError::is_not_found)
}

/// The password, where one is known. A file that the caller named must be there.
fn known_secret(site: &Site) -> Result<Option<Secret>> {
    match &site.access.password_file {
        Some(file) => Secret::read(file).map(Some),
        // One that only unlocks a key is no password of the repository, and may be there all the same.
        None => Secret::read_if_there(&site.secret),
    }
}

pub(crate) fn password(secret: &Secret) -> Password {
    Password::new(secret.reveal().to_owned())
}

fn missing(site: &Site) -> Error {
    match origin::was_seen(site) {
        Ok(true) => gone(site),
        _ => Error::NoRepository {
            location: site.location.clone(),
        },
    }
}

fn gone(site: &Site) -> Error {
    Error::RepositoryGone {
        location: site.location.clone(),
        selector: site.selector.clone(),
    }
}
