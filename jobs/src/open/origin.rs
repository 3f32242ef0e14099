//! Where a repository was seen last, so that a missing one is never taken for a new one.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;

use crate::atomic;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::record::Place;
use crate::site::Site;

/// Two processes must not both find nothing and make a password and a repository each.
pub(super) fn lock(context: &Context, site: &Site) -> Result<File> {
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
    // A disk or share is known by its own name, wherever it is mounted.
    let mut line = match &site.place {
        Place::Local(folder) => folder.as_os_str().as_encoded_bytes().to_vec(),
        place => place.to_string().into_bytes(),
    };
    line.push(b'\n');
    line
}

/// Whether a repository was seen at this very place before.
pub(super) fn was_seen(site: &Site) -> Result<bool> {
    match fs::read(&site.origin) {
        Ok(content) => Ok(content == line(site)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io("read", &site.origin, error)),
    }
}

pub(super) fn remember(site: &Site) -> Result<()> {
    if was_seen(site)? {
        return Ok(());
    }
    site.origin
        .parent()
        .map_or(Ok(()), |folder| atomic::create_dir(folder, 0o755))?;
    atomic::replace(&site.origin, 0o644, &line(site))
}
