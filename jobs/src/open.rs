//! Opening a repository: the one place that names the engine and the storages.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;

use engine_api::{Destination, Engine, ErrorKind, Failure, Space, StoreError};
use engine_restic::{Password, ResticEngine, Settings};

use crate::atomic;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::record::Place;
use crate::secrets::Secret;
use crate::site::{Access, Site};

/// An open repository.
pub struct Repository {
    // Before the destination, which must be there until the engine is gone.
    pub(crate) engine: ResticEngine,
    pub(crate) destination: Destination,
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
        let destination = match connect(&site, false) {
            Err(error) if error.is_not_found() => return Err(missing(&site).into()),
            other => other?,
        };
        match ResticEngine::open(Arc::clone(&destination.blobs), settings(context, &site, secret)) {
            Ok(engine) => Ok(Self {
                engine,
                destination,
                site,
            }),
            Err(error) if error.kind() == ErrorKind::NoRepository => Err(missing(&site).into()),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes the repository that `access` names, and keeps a new password for it unless there is one.
    ///
    /// # Errors
    /// When there is one already, or it cannot be made.
    pub fn init(context: &Context, access: &Access) -> engine_api::Result<Self> {
        let site = Site::find(context, access)?;
        let _lock = lock(context, &site)?;
        let destination = connect(&site, true)?;
        Self::make(context, site, destination)
    }

    /// Opens the repository of a site, or makes it if there is none and never was; says whether it was made.
    ///
    /// # Errors
    /// When there was one that is gone, or it can neither be opened nor made.
    pub(crate) fn open_or_init(context: &Context, site: Site) -> engine_api::Result<(Self, bool)> {
        let _lock = lock(context, &site)?;
        let known = was_seen(&site)?;
        let destination = match connect(&site, !known) {
            Err(error) if known && error.is_not_found() => return Err(gone(&site).into()),
            other => other?,
        };
        let kept = known_secret(&site)?;
        // Without a password, any answer but one says that there is a repository.
        let secret = kept.clone().unwrap_or_else(|| Secret::new(""));
        let opened = ResticEngine::open(Arc::clone(&destination.blobs), settings(context, &site, &secret));
        match opened.map_err(|error| (error.kind(), error)) {
            Ok(engine) if kept.is_some() => {
                remember(&site)?;
                let repository = Self {
                    engine,
                    destination,
                    site,
                };
                Ok((repository, false))
            }
            Err((ErrorKind::NoRepository, _)) if known => Err(gone(&site).into()),
            // Only this leads to a new one: never a refusal, a wrong password or damage.
            Err((ErrorKind::NoRepository, _)) => Ok((Self::make(context, site, destination)?, true)),
            Err((kind, error)) if kept.is_some() || kind != ErrorKind::WrongPassword => Err(error.into()),
            Ok(_) | Err(_) => {
                let (location, path) = (site.location, site.secret);
                Err(Error::ForeignRepository { location, path }.into())
            }
        }
    }

    fn make(context: &Context, site: Site, destination: Destination) -> engine_api::Result<Self> {
        let secret = match known_secret(&site)? {
            Some(secret) => secret,
            None => {
                let secret = Secret::generate()?;
                // Safe on disk before anything is encrypted with it.
                secret.keep(&site.secret)?;
                secret
            }
        };
        let engine = ResticEngine::init(Arc::clone(&destination.blobs), settings(context, &site, &secret))?;
        remember(&site)?;
        Ok(Self {
            engine,
            destination,
            site,
        })
    }

    /// What saves and restores.
    #[must_use]
    pub fn engine(&self) -> &dyn Engine {
        &self.engine
    }

    /// The room at the destination, where it is known.
    ///
    /// # Errors
    /// When the question failed.
    pub fn space(&self) -> engine_api::Result<Option<Space>> {
        Ok(self.destination.blobs.space()?)
    }
}

fn connect(site: &Site, create: bool) -> Result<Destination, StoreError> {
    match &site.place {
        Place::Local(folder) => backends::local::open(folder, create),
    }
}

/// The password, where one is known. A file that the caller named must be there.
fn known_secret(site: &Site) -> Result<Option<Secret>> {
    match &site.access.password_file {
        Some(file) => Secret::read(file).map(Some),
        None => Secret::read_if_there(&site.secret),
    }
}

pub(crate) fn password(secret: &Secret) -> Password {
    Password::new(secret.reveal().to_owned())
}

fn settings(context: &Context, site: &Site, secret: &Secret) -> Settings {
    let mut settings = Settings::new(password(secret));
    settings.cache = Some(site.cache.clone());
    settings.compression = site.access.compression;
    settings.retry_lock = site.access.retry_lock;
    settings.host.clone_from(&context.host);
    settings.user.clone_from(&context.user);
    settings.zone = context.zone.clone();
    settings
}

fn missing(site: &Site) -> Error {
    match was_seen(site) {
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

/// Two processes must not both find nothing and make a password and a repository each.
fn lock(context: &Context, site: &Site) -> Result<File> {
    let mut name = site.origin.file_name().unwrap_or_default().to_owned();
    name.push(".lock");
    let path = context.layout.locks.join(name);
    atomic::create_dir(&context.layout.locks, 0o755)?;
    let failed = |error| Error::io("lock", &path, error);
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o644)
        .open(&path)
        .map_err(failed)?;
    file.lock().map_err(failed)?;
    Ok(file)
}

fn line(site: &Site) -> Vec<u8> {
    let Place::Local(folder) = &site.place;
    let mut line = folder.as_os_str().as_encoded_bytes().to_vec();
    line.push(b'\n');
    line
}

/// Whether a repository was seen at this very place before.
fn was_seen(site: &Site) -> Result<bool> {
    match fs::read(&site.origin) {
        Ok(content) => Ok(content == line(site)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io("read", &site.origin, error)),
    }
}

fn remember(site: &Site) -> Result<()> {
    if was_seen(site)? {
        return Ok(());
    }
    site.origin
        .parent()
        .map_or(Ok(()), |folder| atomic::create_dir(folder, 0o755))?;
    atomic::replace(&site.origin, 0o644, &line(site))
}
