//! The hashes that manifests have of volumes.

use md5::Md5;
use sha1::{Digest, Sha1};

use crate::format::VolumeInfo;

/// Hashes a volume while it comes in.
pub(super) enum Hasher {
    Sha1(Box<Sha1>, Vec<u8>),
    Md5(Box<Md5>, Vec<u8>),
    /// The manifest has none that is known: only what wraps the volume protects it.
    None,
}

impl Hasher {
    pub(super) fn of(info: &VolumeInfo) -> Self {
        if let Some(expected) = info.hash("SHA1") {
            Self::Sha1(Box::default(), expected.to_vec())
        } else if let Some(expected) = info.hash("MD5") {
            Self::Md5(Box::default(), expected.to_vec())
        } else {
            Self::None
        }
    }

    pub(super) fn update(&mut self, data: &[u8]) {
        match self {
            Self::Sha1(hasher, _) => hasher.update(data),
            Self::Md5(hasher, _) => hasher.update(data),
            Self::None => {}
        }
    }

    pub(super) fn matches(self) -> bool {
        match self {
            Self::Sha1(hasher, expected) => hasher.finalize().as_slice() == expected,
            Self::Md5(hasher, expected) => hasher.finalize().as_slice() == expected,
            Self::None => true,
        }
    }
}
