//! Each kind of file and blob, from bytes to meaning and back, as restic's own programs write it.

mod config;
mod gotime;
mod index_file;
mod json;
mod key_file;
mod lock_file;
mod node;
mod node_read;
mod node_write;
mod quote;
mod raw_object;
mod refs;
mod snapshot_file;
mod tree;
mod tree_cursor;
mod unpacked;

pub use config::{Config, Polynomial};
pub use gotime::{format as format_time, parse as parse_time};
pub use index_file::{IndexFile, IndexWriter, PackRef};
pub use key_file::KeyFile;
pub use lock_file::LockFile;
pub use node::Node;
pub use node_read::read as read_node;
pub use raw_object::RawObject;
pub use refs::{NodeRefs, Refs};
pub use snapshot_file::{SnapshotFile, Summary};
pub use tree::{TreeReader, TreeWriter};
pub use tree_cursor::TreeCursor;
pub use unpacked::{decode as decode_unpacked, encode as encode_unpacked};

/// The two kinds of blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BlobKind {
    /// A chunk of a file.
    Data,
    /// A folder's listing.
    Tree,
}

impl std::fmt::Display for BlobKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Data => "data",
            Self::Tree => "tree",
        })
    }
}
