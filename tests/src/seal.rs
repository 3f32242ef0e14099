//! restic's encryption once more, written from its design document for the tests alone: AES-256 in counter mode with
//! Poly1305-AES, so that tests can make files that no program would write.

use aes::cipher::{Array, BlockCipherEncrypt, KeyInit, KeyIvInit, StreamCipher};
use data_encoding::BASE64;
use poly1305::Poly1305;

use crate::restic::Restic;

/// A repository's master key.
pub struct MasterKey {
    encrypt: [u8; 32],
    k: [u8; 16],
    r: [u8; 16],
}

fn bytes<const N: usize>(value: &serde_json::Value) -> [u8; N] {
    let decoded = BASE64.decode(value.as_str().unwrap().as_bytes()).unwrap();
    decoded.try_into().unwrap()
}

impl MasterKey {
    /// The key of a repository, as the real restic shows it.
    #[must_use]
    pub fn of(restic: &Restic) -> Self {
        let shown = restic.json(&["cat", "masterkey"]);
        Self {
            encrypt: bytes(&shown["encrypt"]),
            k: bytes(&shown["mac"]["k"]),
            r: bytes(&shown["mac"]["r"]),
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
        ctr::Ctr128BE::<aes::Aes256>::new(&self.encrypt.into(), &nonce.into()).apply_keystream(&mut text);
        let tag = self.tag(&nonce, &text);
        [&nonce[..], &text, &tag].concat()
    }

    fn tag(&self, nonce: &[u8; 16], text: &[u8]) -> Vec<u8> {
        let mut pad = Array::from(*nonce);
        aes::Aes128::new(&self.k.into()).encrypt_block(&mut pad);
        let key = [&self.r[..], &pad].concat();
        let mac = Poly1305::new_from_slice(&key).unwrap();
        mac.compute_unpadded(text).to_vec()
    }
}

/// The name that a sealed file has in the repository: its SHA-256.
#[must_use]
pub fn name_of(sealed: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    data_encoding::HEXLOWER.encode(&Sha256::digest(sealed))
}
