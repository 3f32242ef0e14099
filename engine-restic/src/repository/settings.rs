use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::Password;

/// How hard new data is compressed. Repositories of format version 1 have no compression at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// A good ratio at full speed.
    #[default]
    Auto,
    /// Folders' listings only, as restic does it.
    Off,
    /// The best ratio, several times slower.
    Max,
}

/// How a repository is opened.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The password of one of its keys.
    pub password: Password,
    /// The folder of restic's cache; used where the storage is not as fast as a local disk. No cache when `None`.
    pub cache: Option<PathBuf>,
    /// How hard new data is compressed.
    pub compression: Compression,
    /// Size that packs grow to, in bytes; 16 MiB when `None`.
    pub pack_size: Option<u32>,
    /// How long to wait for somebody else's lock.
    pub retry_lock: Duration,
    /// This machine's name, for locks and keys.
    pub host: String,
    /// This user's name, for locks and keys.
    pub user: String,
    /// The zone in which times are written and periods of retention begin.
    pub zone: TimeZone,
}

impl Settings {
    const PACK_SIZE: u32 = 16 << 20;

    /// The usual settings with this password, for an unnamed user of an unnamed machine.
    #[must_use]
    pub fn new(password: Password) -> Self {
        Self {
            password,
            cache: None,
            compression: Compression::default(),
            pack_size: None,
            retry_lock: Duration::ZERO,
            host: String::new(),
            user: String::new(),
            zone: TimeZone::system(),
        }
    }

    /// Size that packs grow to, in bytes: between restic's limits of 4 and 128 MiB.
    pub(crate) fn pack_size(&self) -> usize {
        let size = self.pack_size.unwrap_or(Self::PACK_SIZE);
        size.clamp(4 << 20, 128 << 20) as usize
    }
}
