//! What a repository is opened with.

use std::path::PathBuf;
use std::sync::Arc;

use engine_api::Age;
use jiff::tz::TimeZone;

use crate::container::Cipher;
use crate::format::Prefixes;

/// What a backup makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BackupMode {
    /// The start of a new chain.
    Full,
    /// What differs from the last set; a full backup where there is none.
    #[default]
    Incremental,
}

/// How long the blocks of a file's signature are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BlockRule {
    /// The square root of the length, rounded up to a multiple of 512: duplicity 3.
    #[default]
    SquareRoot,
    /// 512 for every 1,024,000 bytes of length, between 512 and 2048: duplicity 0.8.
    Steps,
}

impl BlockRule {
    /// The block length for a file of `len` bytes.
    #[must_use]
    pub fn block_len(self, len: u64) -> u32 {
        let len = match self {
            Self::SquareRoot => len.isqrt().next_multiple_of(512).max(512),
            Self::Steps => (len / 1_024_000 * 512).clamp(512, 2048),
        };
        u32::try_from(len).unwrap_or(1 << 31)
    }
}

/// What a repository is opened with.
#[derive(Clone)]
pub struct Settings {
    /// The folder that is the root of the backup; all that is saved lies below it.
    pub source: PathBuf,
    /// What a backup makes.
    pub mode: BackupMode,
    /// An incremental backup becomes a full one when the last full is older than this.
    pub full_if_older: Option<Age>,
    /// How long a volume may get, in bytes as stored.
    pub volume_size: u64,
    /// The folder of the archive folders (`--archive-dir`); without one every run fetches what it needs.
    pub archive: Option<PathBuf>,
    /// The archive folder's name in it: `--name`, or the MD5 of the destination's URL.
    pub archive_name: String,
    /// Whether stored files are compressed.
    pub compression: bool,
    /// What file names begin with.
    pub prefixes: Prefixes,
    /// How files are encrypted; they are not when `None`.
    pub encryption: Option<Arc<dyn Cipher>>,
    /// Whether exact times, extended attributes, hard links and hashes are stored too, in records that duplicity passes
    /// over.
    pub extras: bool,
    /// Whether signatures use BLAKE2 instead of MD4; duplicity then needs librsync 1.0 or later.
    pub blake2_signatures: bool,
    /// How long the blocks of signatures are.
    pub blocks: BlockRule,
    /// Whether a chain of another host or folder may be continued (`--allow-source-mismatch`).
    pub allow_source_mismatch: bool,
    /// The user's name in the sets.
    pub user: String,
    /// Where retention counts days.
    pub zone: TimeZone,
    /// Threads that read and compress.
    pub threads: usize,
    /// Where temporary files are made; the system's folder for them when `None`.
    pub temp: Option<PathBuf>,
}

impl Default for Settings {
    /// NethServer's: everything below `/`, increments, a full backup every 8 days, no encryption.
    fn default() -> Self {
        Self {
            source: PathBuf::from("/"),
            mode: BackupMode::Incremental,
            full_if_older: Some(Age {
                days: 8,
                ..Age::default()
            }),
            volume_size: 200 << 20,
            archive: None,
            archive_name: String::new(),
            compression: true,
            prefixes: Prefixes::default(),
            encryption: None,
            extras: true,
            blake2_signatures: false,
            blocks: BlockRule::default(),
            allow_source_mismatch: true,
            user: String::new(),
            zone: TimeZone::UTC,
            threads: std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 16),
            temp: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_lengths_are_the_originals() {
        for (len, steps, root) in [
            (0, 512, 512),
            (428_890, 512, 1024),
            (2_097_152, 1024, 1536),
            (3_500_000, 1536, 2048),
            (1 << 40, 2048, 1 << 20),
        ] {
            assert_eq!(BlockRule::Steps.block_len(len), steps, "{len}");
            assert_eq!(BlockRule::SquareRoot.block_len(len), root, "{len}");
        }
    }
}
