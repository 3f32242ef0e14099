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
        let site = Site::find(context, access)?;
        let destination = reach(&site)?;
        match known_secret(access, &site)? {
            Some(secret) => Self::enter(context, access, site, destination, &secret),
            None => Err(Self::without_secret(context, access, site, destination)),
        }
    }

    /// What is wrong when no password is known: that, or that there is no repository at all.
    fn without_secret(context: &Context, access: &Access, site: Site, destination: Destination) -> engine_api::Error {
        let (location, path) = (site.location.clone(), site.secret.clone());
        match Self::enter(context, access, site, destination, &Secret::new("")) {
            Err(error) if error.kind() == ErrorKind::NoRepository => error,
            _ => Error::NoPassword { location, path }.into(),
        }
    }

    /// The same with a password that the caller has.
    pub(crate) fn open_with(
        context: &Context,
        access: &Access,
        site: Site,
        secret: &Secret,
    ) -> engine_api::Result<Self> {
        let destination = reach(&site)?;
        Self::enter(context, access, site, destination, secret)
    }

    fn enter(
        context: &Context,
        access: &Access,
        site: Site,
        destination: Destination,
        secret: &Secret,
    ) -> engine_api::Result<Self> {
        let settings = settings(context, access, &site, secret);
        match ResticEngine::open(Arc::clone(&destination.blobs), settings) {
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
        Self::make(context, access, site, destination)
    }

    /// Opens the repository, or makes it if there is none and never was; says whether it was made.
    ///
    /// # Errors
    /// When there was one that is gone, or it can neither be opened nor made.
    pub fn open_or_init(context: &Context, access: &Access) -> engine_api::Result<(Self, bool)> {
        let site = Site::find(context, access)?;
        let _lock = lock(context, &site)?;
        let known = was_seen(&site)?;
        let destination = match connect(&site, !known) {
            Err(error) if known && error.is_not_found() => return Err(gone(&site).into()),
            other => other?,
        };
        let kept = known_secret(access, &site)?;
        let secret = kept.clone().map_or_else(Secret::generate, Ok)?;
        let settings = settings(context, access, &site, &secret);
        // Only this one answer leads to a new repository: never a refusal, a wrong password or damage.
        let error = match ResticEngine::open(Arc::clone(&destination.blobs), settings) {
            Ok(engine) => {
                remember(&site)?;
                return Ok((
                    Self {
                        engine,
                        destination,
                        site,
                    },
                    false,
                ));
            }
            Err(error) => error,
        };
        match error.kind() {
            ErrorKind::NoRepository if known => Err(gone(&site).into()),
            ErrorKind::NoRepository => Ok((Self::make(context, access, site, destination)?, true)),
            ErrorKind::WrongPassword if kept.is_none() => {
                let location = site.location;
                Err(Error::ForeignRepository {
                    location,
                    path: site.secret,
                }
                .into())
            }
            _ => Err(error.into()),
        }
    }

    fn make(context: &Context, access: &Access, site: Site, destination: Destination) -> engine_api::Result<Self> {
        let kept = known_secret(access, &site)?;
        let secret = kept.clone().map_or_else(Secret::generate, Ok)?;
        if kept.is_none() {
            // Safe on disk before anything is encrypted with it.
            secret.keep(&site.secret)?;
        }
        let settings = settings(context, access, &site, &secret);
        let engine = ResticEngine::init(Arc::clone(&destination.blobs), settings)?;
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

/// The destination, where it must be there already.
fn reach(site: &Site) -> engine_api::Result<Destination> {
    match connect(site, false) {
        Err(error) if error.is_not_found() => Err(missing(site).into()),
        other => Ok(other?),
    }
}

/// The password, where one is known. A file that the caller named must be there.
fn known_secret(access: &Access, site: &Site) -> Result<Option<Secret>> {
    match &access.password_file {
        Some(file) => Secret::read(file).map(Some),
        None => Secret::read_if_there(&site.secret),
    }
}

pub(crate) fn password(secret: &Secret) -> Password {
    Password::new(secret.reveal().to_owned())
}

fn settings(context: &Context, access: &Access, site: &Site, secret: &Secret) -> Settings {
    let mut settings = Settings::new(password(secret));
    settings.cache = Some(site.cache.clone());
    settings.compression = access.compression;
    settings.retry_lock = access.retry_lock;
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
