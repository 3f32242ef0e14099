//! From a password to the key that seals the repository's key: scrypt.

use zeroize::Zeroizing;

use super::{Password, SealingKey};
use crate::{Error, Result};

/// The memory that a key file may make this program use, in bytes: far above what any program writes.
const MOST_MEMORY: u64 = 1 << 30;

/// The parameters of scrypt, as a key file names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kdf {
    /// The cost, a power of two.
    pub n: u32,
    /// The block size.
    pub r: u32,
    /// The parallelism.
    pub p: u32,
}

impl Kdf {
    /// What new keys use, with 16 MiB of memory: of the settings that OWASP's page on passwords holds equal, the
    /// one that takes least of a small server.
    #[cfg(not(test))]
    pub const NEW: Self = Self { n: 1 << 14, r: 8, p: 5 };
    /// The tests open repositories by the hundred.
    #[cfg(test)]
    pub const NEW: Self = Self { n: 1 << 4, r: 8, p: 1 };

    /// Makes the key of `password` and `salt`.
    pub fn derive(self, password: &Password, salt: &[u8]) -> Result<SealingKey> {
        let refused = || Error::damaged("the key file", format!("its scrypt parameters {self:?} are not usable"));
        let memory = u64::from(self.n).saturating_mul(u64::from(self.r)).saturating_mul(128);
        if !self.n.is_power_of_two() || memory > MOST_MEMORY || self.p > 256 {
            return Err(refused());
        }
        let log_n = u8::try_from(self.n.ilog2()).map_err(|_| refused())?;
        let params = scrypt::Params::new(log_n, self.r, self.p).map_err(|_| refused())?;
        let mut derived = Zeroizing::new([0; 64]);
        scrypt::scrypt(password.as_bytes(), salt, &params, derived.as_mut()).map_err(|_| refused())?;
        let (encrypt, mac) = derived.split_first_chunk::<32>().ok_or_else(refused)?;
        let (mac_k, mac) = mac.split_first_chunk::<16>().ok_or_else(refused)?;
        let mac_r = mac.first_chunk::<16>().ok_or_else(refused)?;
        Ok(SealingKey::from_parts(*encrypt, *mac_k, *mac_r))
    }
}
