//! The passwords of a repository, and locks that somebody left.

use std::path::PathBuf;

use crate::context::Context;
use crate::error::Error;
use crate::open::{Repository, password};
use crate::secrets::Secret;

/// A key of a repository: each opens it with a password of its own.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Key {
    /// Its name.
    pub id: String,
    /// Who made it.
    pub user: String,
    /// On which machine.
    pub host: String,
    /// When, as the repository has it.
    pub created: String,
    /// Whether the repository was opened with it.
    pub current: bool,
}

impl Repository {
    /// Its keys.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn keys(&self) -> engine_api::Result<Vec<Key>> {
        let keys = self.restic()?.keys()?.into_iter().map(|key| Key {
            id: key.id.to_string(),
            user: key.user,
            host: key.host,
            created: key.created,
            current: key.current,
        });
        Ok(keys.collect())
    }

    /// Adds a key with another password; returns its name.
    ///
    /// # Errors
    /// When it could not be stored.
    pub fn add_key(&self, secret: &Secret) -> engine_api::Result<String> {
        Ok(self.restic()?.add_key(&password(secret))?.to_string())
    }

    /// Removes the key whose name begins with `id`.
    ///
    /// # Errors
    /// When none or several fit, or it is the one in use.
    pub fn remove_key(&self, id: &str) -> engine_api::Result<String> {
        Ok(self.restic()?.remove_key(id)?.to_string())
    }

    /// Gives the key in use another password: `secret`, or a new one when that is `None`. Returns the file where
    /// Holdfast keeps it, unless the old one came from a file of the caller's.
    ///
    /// At every moment the file holds a password that opens the repository.
    ///
    /// # Errors
    /// When the password could not be changed. Both may open the repository then.
    pub fn change_password(self, context: &Context, secret: Option<Secret>) -> engine_api::Result<Option<PathBuf>> {
        let kept = self.site.access.password_file.is_none();
        let secret = match secret {
            Some(secret) => secret,
            None if kept => Secret::generate()?,
            None => {
                let text = "a repository opened with --password-file needs --new-password-file for the new password";
                return Err(Error::Usage(text.to_owned()).into());
            }
        };
        let old = self.keys()?.into_iter().find(|key| key.current);
        let added = self.add_key(&secret)?;
        if kept {
            secret.replace(&self.site.secret)?;
        }
        let Self {
            engine,
            destination,
            site,
            ..
        } = self;
        drop((engine, destination));
        // A key cannot be removed by a repository that is open with it.
        let reopened = Self::open_with(context, site, &secret)?;
        if let Some(old) = old.filter(|old| old.id != added) {
            reopened.remove_key(&old.id)?;
        }
        Ok(kept.then_some(reopened.site.secret))
    }

    /// Removes locks whose holders are dead, or `all` locks; says how many.
    ///
    /// # Errors
    /// When they cannot be listed or removed.
    pub fn unlock(&self, all: bool) -> engine_api::Result<u64> {
        Ok(self.restic()?.unlock(all)?)
    }
}
