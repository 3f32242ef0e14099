//! From a password to the key that seals the repository's key: scrypt.

use rayon::{ThreadPool, ThreadPoolBuilder};
use zeroize::Zeroizing;

use super::{Password, SealingKey};
use crate::{Error, Result};

/// The memory that a key file may make this program use, in bytes: far above what any program writes.
const MOST_MEMORY: u64 = 1 << 30;

/// Bytes up to which lanes are worked on side by side.
const MOST_TOGETHER: u64 = 64 << 20;

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
        self.lanes()?
            .install(|| scrypt::scrypt(password.as_bytes(), salt, &params, derived.as_mut()))
            .map_err(|_| refused())?;
        let (encrypt, mac) = derived.split_first_chunk::<32>().ok_or_else(refused)?;
        let (mac_k, mac) = mac.split_first_chunk::<16>().ok_or_else(refused)?;
        let mac_r = mac.first_chunk::<16>().ok_or_else(refused)?;
        Ok(SealingKey::from_parts(*encrypt, *mac_k, *mac_r))
    }

    /// The threads that work on the lanes: as many as there are cores, lanes, and memory for.
    fn lanes(self) -> Result<ThreadPool> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let lane = u64::from(self.n).saturating_mul(u64::from(self.r)).saturating_mul(128);
        let room = usize::try_from(MOST_TOGETHER / lane.max(1)).unwrap_or(usize::MAX);
        let threads = cores.min(self.p as usize).min(room).max(1);
        let pool = ThreadPoolBuilder::new().num_threads(threads).build();
        pool.map_err(|error| Error::Usage(format!("cannot start a thread for the password: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The third example of RFC 7914, section 12: sixteen lanes.
    #[test]
    fn derives_what_the_rfc_says() {
        let wanted = "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162\
                      2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640";
        let wanted = data_encoding::HEXLOWER.decode(wanted.as_bytes()).unwrap();
        let part = |begin: usize, end: usize| wanted[begin..end].to_vec();
        let key = SealingKey::from_parts(
            part(0, 32).try_into().unwrap(),
            part(32, 48).try_into().unwrap(),
            part(48, 64).try_into().unwrap(),
        );
        let kdf = Kdf { n: 1024, r: 8, p: 16 };
        let derived = kdf.derive(&Password::new("password".to_owned()), b"NaCl").unwrap();
        let mut sealed = key.seal(b"text").unwrap();
        assert_eq!(derived.open_in_place(&mut sealed).unwrap(), b"text");
    }
}
