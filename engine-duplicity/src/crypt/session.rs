//! Session keys: what a message is encrypted with, itself encrypted for each who may read it.

use std::io::{self, Write};

use pgp::composed::PlainSessionKey;
use pgp::crypto::hash::HashAlgorithm;
use pgp::crypto::sym::SymmetricKeyAlgorithm;
use pgp::packet::{PacketHeader, PublicKeyEncryptedSessionKey, SymKeyEncryptedSessionKey};
use pgp::types::{DecryptionKey, EskType, Password, StringToKey, Tag};
use zeroize::Zeroizing;

use super::OpenPgp;
use super::envelope::KEY_LEN;
use super::error::CryptError;
use super::packet::{tag, write_header};

/// The key derived of the first passphrase, and how.
pub(super) struct Wrapping {
    salt: [u8; 8],
    key: Zeroizing<Vec<u8>>,
}

/// 65,011,712 bytes are hashed to derive a key: the most that can be said, and what GnuPG takes.
const COUNT: u8 = 255;

/// Makes a session key and writes it for every recipient, or for the passphrase where there is none.
pub(super) fn new_key(with: &OpenPgp, to: &mut dyn Write) -> Result<Zeroizing<[u8; KEY_LEN]>, io::Error> {
    let mut key = Zeroizing::new([0; KEY_LEN]);
    fill(key.as_mut_slice())?;
    for recipient in &with.recipients {
        recipient.wrap(key.as_slice(), to)?;
    }
    if with.recipients.is_empty() {
        let passphrase = with.passphrases.first().ok_or(CryptError::Nothing)?;
        wrap(with, passphrase, &key, to)?;
    }
    Ok(key)
}

/// Writes the session key for the passphrase.
fn wrap(with: &OpenPgp, passphrase: &str, key: &[u8; KEY_LEN], to: &mut dyn Write) -> io::Result<()> {
    const VERSION: u8 = 4;
    const ITERATED_AND_SALTED: u8 = 3;
    let cipher = SymmetricKeyAlgorithm::AES256;
    let mut wrapping = lock(&with.wrapping);
    let wrapping = match &mut *wrapping {
        Some(wrapping) => wrapping,
        none => none.insert(derive(passphrase)?),
    };
    let mut wrapped = Zeroizing::new(vec![cipher.into()]);
    wrapped.extend_from_slice(key);
    let wrap = cipher.encrypt_with_iv_regular(&wrapping.key, &[0; 16], &mut wrapped);
    wrap.map_err(CryptError::from)?;
    let hash = HashAlgorithm::Sha256.into();
    let mut packet = vec![VERSION, cipher.into(), ITERATED_AND_SALTED, hash];
    packet.extend_from_slice(&wrapping.salt);
    packet.push(COUNT);
    packet.extend_from_slice(&wrapped);
    write_header(tag::PASSPHRASE_SESSION, packet.len(), to)?;
    to.write_all(&packet)
}

fn derive(passphrase: &str) -> io::Result<Wrapping> {
    let mut salt = [0; 8];
    fill(&mut salt)?;
    let how = StringToKey::IteratedAndSalted {
        hash_alg: HashAlgorithm::Sha256,
        salt,
        count: COUNT,
    };
    let key = how
        .derive_key(passphrase.as_bytes(), KEY_LEN)
        .map_err(CryptError::from)?;
    let key = Zeroizing::new(key.as_ref().to_vec());
    Ok(Wrapping { salt, key })
}

fn fill(bytes: &mut [u8]) -> Result<(), CryptError> {
    getrandom::fill(bytes).map_err(|error| CryptError::Sealing(error.to_string()))
}

/// Nobody panics while holding these.
fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Keys derived of passphrases lately: the messages of one run are likely to have the same salt.
#[derive(Default)]
pub(super) struct Derived {
    known: Vec<(StringToKey, usize, usize, Zeroizing<Vec<u8>>)>,
}

/// How many are kept.
const KEPT: usize = 16;

/// A key that a message may be encrypted with.
pub(super) struct Candidate {
    pub(super) cipher: SymmetricKeyAlgorithm,
    pub(super) key: Zeroizing<Vec<u8>>,
}

/// Who a message is for, as it says itself.
#[derive(Default)]
pub(super) struct Addressees {
    passphrase: Vec<SymKeyEncryptedSessionKey>,
    public: Vec<PublicKeyEncryptedSessionKey>,
}

/// A message to more than these is not looked at further.
const MOST_ADDRESSEES: usize = 256;

impl Addressees {
    /// Takes the body of a packet before the encrypted one.
    pub(super) fn add(&mut self, tag: u8, body: &[u8]) -> Result<(), CryptError> {
        if self.passphrase.len() + self.public.len() >= MOST_ADDRESSEES {
            return Err(CryptError::damaged("the message names too many recipients"));
        }
        let len = u32::try_from(body.len()).unwrap_or(u32::MAX);
        let damaged = |error: pgp::errors::Error| CryptError::Damaged(format!("a session key is damaged: {error}"));
        if tag == tag::PASSPHRASE_SESSION {
            let header = PacketHeader::new_fixed(Tag::SymKeyEncryptedSessionKey, len);
            self.passphrase
                .push(SymKeyEncryptedSessionKey::try_from_reader(header, body).map_err(damaged)?);
        } else {
            let header = PacketHeader::new_fixed(Tag::PublicKeyEncryptedSessionKey, len);
            self.public
                .push(PublicKeyEncryptedSessionKey::try_from_reader(header, body).map_err(damaged)?);
        }
        Ok(())
    }

    /// The first key that our secret keys and passphrases give and that `fits`.
    pub(super) fn find(&self, with: &OpenPgp, fits: impl Fn(&Candidate) -> bool) -> Option<Candidate> {
        for packet in &self.public {
            for key in &with.secret_keys {
                let subkeys = key
                    .secret_subkeys
                    .iter()
                    .map(|subkey| &subkey.key as &dyn DecryptionKey);
                let mut keys = std::iter::once(&key.primary_key as &dyn DecryptionKey).chain(subkeys);
                let candidate = |key| by_key(packet, key).filter(&fits);
                if let Some(found) = keys.find_map(candidate) {
                    return Some(found);
                }
            }
        }
        for packet in &self.passphrase {
            let mut passphrases = with.passphrases.iter().enumerate();
            let candidate =
                |(at, text): (usize, &Zeroizing<String>)| by_passphrase(with, packet, at, text).filter(&fits);
            if let Some(found) = passphrases.find_map(candidate) {
                return Some(found);
            }
        }
        None
    }

    /// Why nothing fits.
    pub(super) fn refusal(&self, with: &OpenPgp) -> CryptError {
        let mut asked = Vec::new();
        if !self.passphrase.is_empty() {
            asked.push("a passphrase".to_owned());
        }
        let ids = self.public.iter().filter_map(|packet| packet.id().ok());
        asked.extend(ids.map(|id| {
            if id.is_wildcard() {
                "a hidden key".to_owned()
            } else {
                format!("key {id}")
            }
        }));
        let (asked, passphrases, keys) = (asked.join(", "), with.passphrases.len(), with.secret_keys.len());
        CryptError::Closed(match (passphrases, keys) {
            (0, 0) => format!("it is encrypted to {asked}, and no passphrase or secret key is set"),
            (1, 0) => format!("it is encrypted to {asked}, and the passphrase that is set does not open it"),
            _ => {
                format!("it is encrypted to {asked}; none of {passphrases} passphrases and {keys} secret keys opens it")
            }
        })
    }
}

fn by_key(packet: &PublicKeyEncryptedSessionKey, key: &dyn DecryptionKey) -> Option<Candidate> {
    let id = packet.id().ok()?;
    if !id.is_wildcard() && *id != key.legacy_key_id() {
        return None;
    }
    if packet.algorithm().ok()? != key.algorithm() {
        return None;
    }
    let found = key.decrypt(&Password::empty(), packet.values().ok()?, EskType::V3_4);
    found.ok()?.ok().and_then(candidate)
}

fn by_passphrase(with: &OpenPgp, packet: &SymKeyEncryptedSessionKey, at: usize, text: &str) -> Option<Candidate> {
    let (cipher, how) = (packet.sym_algorithm()?, packet.s2k()?);
    let len = cipher.key_size();
    let mut derived = lock(&with.derived);
    let known = derived
        .known
        .iter()
        .find(|(of, number, size, _)| of == how && (*number, *size) == (at, len));
    let key = if let Some((.., key)) = known {
        key.clone()
    } else {
        let key = how.derive_key(text.as_bytes(), len).ok()?;
        let key = Zeroizing::new(key.as_ref().to_vec());
        if derived.known.len() >= KEPT {
            derived.known.remove(0);
        }
        derived.known.push((how.clone(), at, len, key.clone()));
        key
    };
    drop(derived);
    if packet.encrypted_key().is_none_or(|wrapped| wrapped.is_empty()) {
        return Some(Candidate { cipher, key });
    }
    packet.decrypt(key.as_slice()).ok().and_then(candidate)
}

fn candidate(found: PlainSessionKey) -> Option<Candidate> {
    let PlainSessionKey::V3_4 { sym_alg, ref key } = found else {
        return None;
    };
    let key = Zeroizing::new(key.as_ref().to_vec());
    (key.len() == sym_alg.key_size()).then_some(Candidate { cipher: sym_alg, key })
}
