//! restic's encryption once more, written from its design document for the tests alone: AES-256 in counter mode with
//! Poly1305-AES, so that tests can make files that no program would write.

use std::fs;
use std::path::Path;

use aes::cipher::{Array, BlockCipherEncrypt, KeyInit, KeyIvInit, StreamCipher};
use data_encoding::BASE64;
use poly1305::Poly1305;
use serde_json::Value;

use crate::restic::Restic;

/// A repository's master key, or the one that a password makes.
#[derive(Clone)]
pub struct MasterKey {
    encrypt: [u8; 32],
    k: [u8; 16],
    r: [u8; 16],
}

fn bytes<const N: usize>(value: &Value) -> [u8; N] {
    decoded(value).try_into().unwrap()
}

fn decoded(value: &Value) -> Vec<u8> {
    BASE64.decode(value.as_str().unwrap().as_bytes()).unwrap()
}

impl MasterKey {
    /// The key of a repository, as the real restic shows it.
    #[must_use]
    pub fn of(restic: &Restic) -> Self {
        Self::from_json(&restic.json(&["cat", "masterkey"]))
    }

    fn from_json(shown: &Value) -> Self {
        Self {
            encrypt: bytes(&shown["encrypt"]),
            k: bytes(&shown["mac"]["k"]),
            r: bytes(&shown["mac"]["r"]),
        }
    }

    fn of_password(password: &str, file: &Value) -> Self {
        let number = |name: &str| u32::try_from(file[name].as_u64().unwrap()).unwrap();
        let log_n = u8::try_from(number("N").ilog2()).unwrap();
        let params = scrypt::Params::new(log_n, number("r"), number("p")).unwrap();
        let mut derived = [0; 64];
        scrypt::scrypt(password.as_bytes(), &decoded(&file["salt"]), &params, &mut derived).unwrap();
        Self {
            encrypt: derived[..32].try_into().unwrap(),
            k: derived[32..48].try_into().unwrap(),
            r: derived[48..].try_into().unwrap(),
        }
    }

    /// `plain` sealed with a nonce made from its content, which is good enough for a test.
    #[must_use]
    pub fn seal(&self, plain: &[u8]) -> Vec<u8> {
        let mut hasher = std::hash::DefaultHasher::new();
        std::hash::Hasher::write(&mut hasher, plain);
        let mut nonce = [7; 16];
        nonce[..8].copy_from_slice(&std::hash::Hasher::finish(&hasher).to_le_bytes());

        let mut text = plain.to_vec();
        self.crypt(&nonce, &mut text);
        let tag = self.tag(&nonce, &text);
        [&nonce[..], &text, &tag].concat()
    }

    /// What was sealed.
    ///
    /// # Panics
    /// When it was sealed with another key, or changed.
    #[must_use]
    pub fn unseal(&self, sealed: &[u8]) -> Vec<u8> {
        let (nonce, rest) = sealed.split_first_chunk::<16>().unwrap();
        let (text, tag) = rest.split_last_chunk::<16>().unwrap();
        assert_eq!(self.tag(nonce, text), tag);
        let mut plain = text.to_vec();
        self.crypt(nonce, &mut plain);
        plain
    }

    fn crypt(&self, nonce: &[u8; 16], text: &mut [u8]) {
        ctr::Ctr128BE::<aes::Aes256>::new(&self.encrypt.into(), &(*nonce).into()).apply_keystream(text);
    }

    fn tag(&self, nonce: &[u8; 16], text: &[u8]) -> Vec<u8> {
        let mut pad = Array::from(*nonce);
        aes::Aes128::new(&self.k.into()).encrypt_block(&mut pad);
        let key = [&self.r[..], &pad].concat();
        let mac = Poly1305::new_from_slice(&key).unwrap();
        mac.compute_unpadded(text).to_vec()
    }
}

/// Makes the one key of a repository cheap to open, for tests that open it hundreds of times.
pub fn cheapen(repository: &Path, password: &str) {
    let keys: Vec<_> = fs::read_dir(repository.join("keys")).unwrap().collect();
    assert_eq!(keys.len(), 1);
    for key in keys {
        let path = key.unwrap().path();
        let mut file: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let master = MasterKey::of_password(password, &file).unseal(&decoded(&file["data"]));
        file["N"] = 16.into();
        file["p"] = 1.into();
        let sealed = MasterKey::of_password(password, &file).seal(&master);
        file["data"] = BASE64.encode(&sealed).into();
        let text = file.to_string();
        fs::write(repository.join("keys").join(name_of(text.as_bytes())), text).unwrap();
        fs::remove_file(path).unwrap();
    }
}

/// The name that a sealed file has in the repository: its SHA-256.
#[must_use]
pub fn name_of(sealed: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    data_encoding::HEXLOWER.encode(&Sha256::digest(sealed))
}
