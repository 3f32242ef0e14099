//! The key of a job for its SSH server: made, put on the server with the account's password once, and tried.

use std::path::PathBuf;

use backends::sftp;
use engine_api::{StoreError, StoreErrorKind};

use crate::atomic;
use crate::context::Context;
use crate::error::Error;
use crate::name::JobName;
use crate::open::sftp_settings;
use crate::record::Place;
use crate::secrets::Secret;
use crate::site::{Access, Site, Which};

/// How a key comes to its server.
#[derive(Debug, Clone, Default)]
pub struct Exchange {
    /// The password of the account; without it the key is only made and tried.
    pub password: Option<Secret>,
    /// What the server's own key must be, as `SHA256:` and base64; without it the key of the first contact is pinned.
    pub fingerprint: Option<String>,
}

/// What an exchange came to.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Exchanged {
    /// The server.
    pub location: String,
    /// The private key.
    pub key: PathBuf,
    /// Its public half, as the line for the server's `authorized_keys`.
    pub public_key: String,
    /// The pinned keys of the server, as fingerprints.
    pub host_keys: Vec<String>,
    /// Whether the server takes the key.
    pub accepted: bool,
}

impl Exchange {
    /// Makes the job's key unless it has one, has the server take it, and logs in with it. The server's own key is pinned
    /// before it is told the password.
    ///
    /// # Errors
    /// When the job's storage is no SSH server, the server is not the pinned one, the password is wrong, or the key
    /// cannot be made or put there. Without a password, a server that does not take the key is no error.
    pub fn run(&self, context: &Context, name: &JobName) -> engine_api::Result<Exchanged> {
        let site = Site::find(context, &Access::to(Which::Job(name.clone())))?;
        let Place::Sftp { .. } = &site.place else {
            let message = format!("backup {name} goes to {}, which needs no SSH key", site.location);
            return Err(Error::Usage(message).into());
        };
        atomic::create_dir(&context.layout.secrets, 0o700)?;
        let key = context.layout.ssh_key(name);
        let public_key = sftp::make_key(&key)?;
        let mut settings = sftp_settings(&site)?;
        settings.fingerprint.clone_from(&self.fingerprint);
        let accepted = match &self.password {
            Some(password) => {
                let password = backends::Secret::new(password.reveal().to_owned());
                sftp::install_key(&settings, &password, &public_key)?;
                true
            }
            None => takes(sftp::try_keys(&settings))?,
        };
        Ok(Exchanged {
            location: site.location,
            host_keys: sftp::pinned(&settings)?,
            key,
            public_key,
            accepted,
        })
    }
}

/// A refused login is an answer, anything else a failure.
fn takes(tried: Result<(), StoreError>) -> Result<bool, StoreError> {
    match tried {
        Ok(()) => Ok(true),
        Err(error) if error.kind == StoreErrorKind::Unauthenticated => Ok(false),
        Err(error) => Err(error),
    }
}
