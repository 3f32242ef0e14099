use std::io;

use engine_api::{ErrorKind, Failure};

/// What can go wrong with passphrases, keys and messages.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CryptError {
    /// What was given as a key is none.
    #[error("this is no OpenPGP {what} key: {why}")]
    NoKey {
        /// `public` or `secret`.
        what: &'static str,
        /// Why not.
        why: String,
    },
    /// A key that cannot be used for what it is given for.
    #[error("the key {id} cannot {what}: {why}")]
    Unusable {
        /// Its id.
        id: String,
        /// `encrypt` or `sign`.
        what: &'static str,
        /// Why not.
        why: &'static str,
    },
    /// No passphrase unlocks a secret key.
    #[error("no passphrase that was given unlocks the secret key {id}")]
    Locked {
        /// Its id.
        id: String,
    },
    /// There is nothing to encrypt with.
    #[error("there is neither a passphrase nor a public key to encrypt with")]
    Nothing,
    /// A message could not be made.
    #[error("the message could not be encrypted or signed: {0}")]
    Sealing(String),
    /// No passphrase and no key opens a message.
    #[error("{0}")]
    Closed(String),
    /// What should be a message is none, or is damaged.
    #[error("{0}")]
    Damaged(String),
}

impl CryptError {
    pub(super) fn damaged(why: &str) -> Self {
        Self::Damaged(why.to_owned())
    }

    pub(super) fn sealing(error: &pgp::errors::Error) -> Self {
        Self::Sealing(error.to_string())
    }
}

impl From<CryptError> for io::Error {
    /// With the kinds that [`Cipher`](crate::container::Cipher) names.
    fn from(error: CryptError) -> Self {
        let kind = match error {
            CryptError::Locked { .. } | CryptError::Closed(_) => io::ErrorKind::PermissionDenied,
            CryptError::Damaged(_) => io::ErrorKind::InvalidData,
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

impl Failure for CryptError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NoKey { .. } | Self::Unusable { .. } | Self::Nothing => ErrorKind::Usage,
            Self::Locked { .. } | Self::Closed(_) => ErrorKind::WrongPassword,
            Self::Damaged(_) => ErrorKind::Damaged,
            Self::Sealing(_) => ErrorKind::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoKey { .. } => "export it with gpg --export or gpg --export-secret-keys",
            Self::Unusable { .. } => "give a key that is valid, or extend it with gpg --edit-key and export it again",
            Self::Locked { .. } => "give the key's passphrase",
            Self::Nothing => "set a passphrase or a public key",
            Self::Closed(_) => "give the passphrase or the secret key that the set was made for",
            Self::Damaged(_) | Self::Sealing(_) => return None,
        };
        Some(hint.to_owned())
    }
}
