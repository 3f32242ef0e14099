//! OpenPGP as the engine writes and reads it, with the suite's passphrases and keys.

use std::sync::Arc;

use engine_duplicity::{Cipher, OpenPgp, OpenPgpSettings};

use super::keys::Keyring;

fn cipher(settings: &OpenPgpSettings) -> Arc<dyn Cipher> {
    Arc::new(OpenPgp::new(settings).unwrap_or_else(|error| panic!("{error}")))
}

/// By a passphrase.
#[must_use]
pub fn passphrase(text: &str) -> Arc<dyn Cipher> {
    cipher(&OpenPgpSettings {
        passphrases: vec![text.to_owned().into()],
        ..OpenPgpSettings::default()
    })
}

/// Whatever the keys of the ring can read.
#[must_use]
pub fn keys(ring: &Keyring) -> Arc<dyn Cipher> {
    cipher(&reading(ring))
}

/// To a key of the ring, signed by another one.
#[must_use]
pub fn keys_for(ring: &Keyring, key: &str, sign: Option<&str>) -> Arc<dyn Cipher> {
    cipher(&OpenPgpSettings {
        recipients: vec![ring.public(key)],
        signing_key: sign.map(|sign| ring.secret(sign).into()),
        signed_by: sign.map(|sign| ring.public(sign)),
        ..reading(ring)
    })
}

fn reading(ring: &Keyring) -> OpenPgpSettings {
    OpenPgpSettings {
        secret_keys: [&ring.rsa, &ring.curve].map(|key| ring.secret(key).into()).into(),
        ..OpenPgpSettings::default()
    }
}
