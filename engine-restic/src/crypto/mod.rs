//! Sealing and opening: AES-256 in counter mode with a Poly1305-AES code, `IV || CIPHERTEXT || MAC`.

mod kdf;
mod password;

use aes::cipher::{BlockCipherEncrypt, KeyInit, KeyIvInit, StreamCipher};
use aes::{Aes128, Aes256};
use poly1305::Poly1305;
use zeroize::{Zeroize, ZeroizeOnDrop};

pub use kdf::Kdf;
pub use password::Password;

use crate::{Error, Result};

const IV: usize = 16;
const MAC: usize = 16;

/// What sealing adds to the length of the plain text, in bytes.
pub const OVERHEAD: usize = IV + MAC;

/// A key that seals and opens: the repository's own, or one made from a password to seal that.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SealingKey {
    encrypt: [u8; 32],
    mac_k: [u8; 16],
    mac_r: [u8; 16],
}

/// The code does not fit: wrong key, or the bytes were changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forged;

impl SealingKey {
    /// A new key from the system's random numbers.
    pub fn generate() -> Result<Self> {
        let mut key = Self {
            encrypt: [0; 32],
            mac_k: [0; 16],
            mac_r: [0; 16],
        };
        for part in [&mut key.encrypt[..], &mut key.mac_k[..], &mut key.mac_r[..]] {
            getrandom::fill(part).map_err(Error::Random)?;
        }
        Ok(key)
    }

    /// From its three parts, as a key file has them.
    pub const fn from_parts(encrypt: [u8; 32], mac_k: [u8; 16], mac_r: [u8; 16]) -> Self {
        Self { encrypt, mac_k, mac_r }
    }

    /// Its three parts: encryption key, and the `k` and `r` of the code.
    pub const fn parts(&self) -> (&[u8; 32], &[u8; 16], &[u8; 16]) {
        (&self.encrypt, &self.mac_k, &self.mac_r)
    }

    /// Appends the sealed form of `plain` to `out`.
    pub fn seal_into(&self, plain: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let mut iv = [0; IV];
        getrandom::fill(&mut iv).map_err(Error::Random)?;
        out.reserve_exact(plain.len() + OVERHEAD);
        out.extend_from_slice(&iv);
        let start = out.len();
        out.extend_from_slice(plain);
        let text = out.get_mut(start..).unwrap_or_default();
        self.cipher(&iv).apply_keystream(text);
        let mac = self.mac(&iv, text);
        out.extend_from_slice(&mac);
        Ok(())
    }

    /// The sealed form of `plain`.
    pub fn seal(&self, plain: &[u8]) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(plain.len() + OVERHEAD);
        self.seal_into(plain, &mut out)?;
        Ok(out)
    }

    /// Opens `sealed` where it lies and returns the part of it that is the plain text now.
    pub fn open_in_place<'a>(&self, sealed: &'a mut [u8]) -> Result<&'a mut [u8], Forged> {
        let (iv, rest) = sealed.split_first_chunk_mut::<IV>().ok_or(Forged)?;
        let (text, mac) = rest.split_last_chunk_mut::<MAC>().ok_or(Forged)?;
        if !same(&self.mac(iv, text), mac) {
            return Err(Forged);
        }
        self.cipher(iv).apply_keystream(text);
        Ok(text)
    }

    /// Whether `sealed` opens to exactly `plain`; opens piece by piece, without room for all of it.
    pub fn holds(&self, sealed: &[u8], plain: &[u8]) -> bool {
        let Some((iv, rest)) = sealed.split_first_chunk::<IV>() else {
            return false;
        };
        let Some((text, mac)) = rest.split_last_chunk::<MAC>() else {
            return false;
        };
        if text.len() != plain.len() || !same(&self.mac(iv, text), mac) {
            return false;
        }
        let mut cipher = self.cipher(iv);
        let mut piece = [0; 4096];
        text.chunks(piece.len())
            .zip(plain.chunks(piece.len()))
            .all(|(text, plain)| {
                let Some(opened) = piece.get_mut(..text.len()) else {
                    return false;
                };
                opened.copy_from_slice(text);
                cipher.apply_keystream(opened);
                opened == plain
            })
    }

    fn cipher(&self, iv: &[u8; IV]) -> ctr::Ctr128BE<Aes256> {
        ctr::Ctr128BE::<Aes256>::new(&self.encrypt.into(), &(*iv).into())
    }

    fn mac(&self, iv: &[u8; IV], text: &[u8]) -> [u8; MAC] {
        let mut nonce = (*iv).into();
        Aes128::new(&self.mac_k.into()).encrypt_block(&mut nonce);
        let mut key = [0; 32];
        let (r, s) = key.split_at_mut(16);
        r.copy_from_slice(&self.mac_r);
        s.copy_from_slice(&nonce);
        let code = Poly1305::new(&key.into()).compute_unpadded(text);
        key.zeroize();
        code.into()
    }
}

/// Compares in a time that does not tell where the difference is.
fn same(a: &[u8; MAC], b: &[u8; MAC]) -> bool {
    a.iter().zip(b).fold(0, |difference, (x, y)| difference | (x ^ y)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_what_it_sealed_and_nothing_else() {
        let key = SealingKey::generate().unwrap();
        for length in [0, 1, 15, 16, 17, 4096, 100_001] {
            let plain: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
            let sealed = key.seal(&plain).unwrap();
            assert_eq!(sealed.len(), plain.len() + OVERHEAD);
            assert_eq!(key.open_in_place(&mut sealed.clone()).unwrap(), plain);
            assert!(key.holds(&sealed, &plain));
            assert!(!key.holds(&sealed, &[&plain[..], &[0]].concat()));
            for position in [0, 16.min(sealed.len() - 1), sealed.len() - 1] {
                let mut forged = sealed.clone();
                forged[position] ^= 1;
                assert!(!key.holds(&forged, &plain));
                assert_eq!(key.open_in_place(&mut forged), Err(Forged));
            }
            let other = SealingKey::generate().unwrap();
            assert_eq!(other.open_in_place(&mut sealed.clone()), Err(Forged));
        }
    }

    #[test]
    fn short_input_is_forged() {
        let key = SealingKey::generate().unwrap();
        for length in 0..OVERHEAD {
            assert_eq!(key.open_in_place(&mut vec![0; length]), Err(Forged));
        }
    }
}
