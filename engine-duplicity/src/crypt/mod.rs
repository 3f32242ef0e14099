//! OpenPGP as duplicity uses GnuPG: volumes, signature files and manifests as one message each.
//!
//! The stream itself is ours, so that a message is written and read in bounded memory: packets, partial lengths, CFB
//! and the integrity check. Keys, session keys and signatures are rPGP's.

mod body;
mod deflate;
mod envelope;
mod error;
mod keys;
mod open;
mod packet;
mod seal;
mod session;

use std::io::{self, Read, Write};
use std::sync::Mutex;

use pgp::composed::{SignedPublicKey, SignedSecretKey};
use pgp::types::Password;
use zeroize::Zeroizing;

use crate::container::{Cipher, Seal};
use keys::{Recipient, Signer};
use session::{Derived, Wrapping};

pub use error::CryptError;

/// With which passphrases and keys messages are written and read.
///
/// Keys are what `gpg --export` and `gpg --export-secret-keys` write, armored or not.
#[derive(Clone)]
pub struct OpenPgpSettings {
    /// All are tried for reading, for messages as for secret keys. The first is the one written with, unless there are
    /// recipients.
    pub passphrases: Vec<Zeroizing<String>>,
    /// Public keys that can read what is written.
    pub recipients: Vec<Vec<u8>>,
    /// The same, without being named in the messages.
    pub hidden_recipients: Vec<Vec<u8>>,
    /// Secret keys to read with.
    pub secret_keys: Vec<Zeroizing<Vec<u8>>>,
    /// The secret key that signs what is written.
    pub signing_key: Option<Zeroizing<Vec<u8>>>,
    /// Of the signing key; the other passphrases are tried too.
    pub signing_passphrase: Option<Zeroizing<String>>,
    /// The public key that has to have signed what is read.
    pub signed_by: Option<Vec<u8>>,
    /// Whether messages are compressed.
    pub compression: bool,
    /// Whether messages without an integrity check are read, as GnuPG wrote them before 2005 and later for some old
    /// ciphers. Their damage is found by the manifest's hash only.
    pub allow_unprotected: bool,
}

impl Default for OpenPgpSettings {
    /// No passphrase and no key: as such it neither writes nor reads.
    fn default() -> Self {
        Self {
            passphrases: Vec::new(),
            recipients: Vec::new(),
            hidden_recipients: Vec::new(),
            secret_keys: Vec::new(),
            signing_key: None,
            signing_passphrase: None,
            signed_by: None,
            compression: true,
            allow_unprotected: false,
        }
    }
}

/// Writes and reads OpenPGP messages.
pub struct OpenPgp {
    passphrases: Vec<Zeroizing<String>>,
    recipients: Vec<Recipient>,
    secret_keys: Vec<SignedSecretKey>,
    signer: Option<Signer>,
    signed_by: Vec<SignedPublicKey>,
    compression: bool,
    allow_unprotected: bool,
    /// Deriving a key of a passphrase takes a tenth of a second: once for all messages that are written.
    wrapping: Mutex<Option<Wrapping>>,
    derived: Mutex<Derived>,
}

impl OpenPgp {
    /// Reads the keys and unlocks the secret ones.
    ///
    /// # Errors
    /// When a key is none, cannot do what it is for, has expired, was revoked, or no passphrase unlocks it.
    pub fn new(settings: &OpenPgpSettings) -> Result<Self, CryptError> {
        let passwords: Vec<Password> = settings
            .passphrases
            .iter()
            .map(|text| Password::from(text.as_str()))
            .collect();
        let mut recipients = Vec::new();
        for (keys, hidden) in [(&settings.recipients, false), (&settings.hidden_recipients, true)] {
            for key in keys {
                recipients.extend(keys::recipients(key, hidden)?);
            }
        }
        let mut secret_keys = Vec::new();
        for key in &settings.secret_keys {
            secret_keys.extend(keys::unlocked(key, &passwords)?);
        }
        let own = settings
            .signing_passphrase
            .iter()
            .map(|text| Password::from(text.as_str()));
        let signing: Vec<Password> = own.chain(passwords).collect();
        let signer = settings
            .signing_key
            .as_ref()
            .map(|key| Signer::new(key, &signing))
            .transpose()?;
        let signed_by = settings.signed_by.as_ref().map(|key| keys::public(key)).transpose()?;
        Ok(Self {
            passphrases: settings.passphrases.clone(),
            recipients,
            secret_keys,
            signer,
            signed_by: signed_by.unwrap_or_default(),
            compression: settings.compression,
            allow_unprotected: settings.allow_unprotected,
            wrapping: Mutex::new(None),
            derived: Mutex::new(Derived::default()),
        })
    }
}

impl Cipher for OpenPgp {
    fn seal<'a>(&'a self, to: Box<dyn Write + Send + 'a>) -> io::Result<Box<dyn Seal + 'a>> {
        Ok(Box::new(seal::begin(self, to)?))
    }

    fn open<'a>(&'a self, from: Box<dyn Read + Send + 'a>) -> io::Result<Box<dyn Read + Send + 'a>> {
        open::begin(self, from)
    }

    fn can_open(&self) -> bool {
        !self.secret_keys.is_empty() || (self.recipients.is_empty() && !self.passphrases.is_empty())
    }
}

#[cfg(test)]
mod tests;
