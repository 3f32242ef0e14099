//! What is kept beside a snapshot: every entry of it with all its metadata and the digest of its content, in walk order.
//!
//! docs/formats/rsync-manifest.md describes the format. A [`Writer`] takes the records one after the other; a
//! [`Manifest`] hands them over again, all or those below one path, and holds nothing but its index in memory.

mod bytes;
mod error;
mod head;
mod index;
mod order;
#[cfg(feature = "fuzzing")]
mod parts;
pub mod place;
mod reader;
mod record;
mod stored;
mod tail;
#[cfg(test)]
mod tests;
mod writer;

use engine_api::{Metadata, Timestamp};

pub use error::ManifestError;
pub use order::{is_below, path_order};
#[cfg(feature = "fuzzing")]
pub use parts::parse_part;
pub use reader::{Manifest, Records, Source};
pub use writer::Writer;

/// BLAKE3, 256 bits.
pub type Digest = [u8; 32];

/// One entry of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Below the snapshot's folder, without a slash at the start; empty for the folder itself, which stands for `/`.
    pub path: Vec<u8>,
    /// As the entry was at the source; device, inode and links are the source's and tell which names are one file.
    pub metadata: Metadata,
    /// Of a file's content.
    pub digest: Option<Digest>,
    /// Whether the file had holes at the source.
    pub sparse: bool,
}

/// What a manifest says of its snapshot as a whole before its first record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct About {
    /// The name of the snapshot's folder: a manifest of another name does not belong to it.
    pub snapshot: String,
    /// When the backup began.
    pub time: Timestamp,
    /// The machine that was saved.
    pub host: String,
    /// The user who saved it.
    pub user: String,
    /// The program that wrote the manifest.
    pub program: String,
    /// The paths that were saved, absolute.
    pub paths: Vec<Vec<u8>>,
    /// Labels.
    pub tags: Vec<String>,
    /// Whether the manifest was made from the snapshot's tree, and not from the source while it was saved.
    pub adopted: bool,
}

/// What a manifest says after its last record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Records.
    pub entries: u64,
    /// Regular files among them, a hard link counted for each of its names.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes that the backup copied and did not find in an older snapshot.
    pub bytes_added: u64,
}

/// The first bytes of a manifest; the number is the format's version.
const MAGIC: &[u8; 20] = b"holdfast manifest 1\n";
/// The last bytes of a manifest.
const END: &[u8; 8] = b"MANIFEND";
/// A block is closed when it is this long before it is compressed.
const BLOCK: usize = 256 << 10;
/// The longest record: no file system has paths and attributes of that size.
const MOST_RECORD: usize = 16 << 20;
/// The longest block, before it is compressed and after.
const MOST_BLOCK: usize = BLOCK + MOST_RECORD;
/// The longest header.
const MOST_HEAD: usize = 4 << 20;
/// The longest index, before it is compressed and after: enough for some hundred million entries.
const MOST_INDEX: usize = 256 << 20;
