//! What the threads of a backup hand to each other.

use crossbeam_channel::Receiver;
use engine_api::Change;

use super::entry::Entry;
use crate::budget::Permit;
use crate::format::TreePath;

/// Something that may go into the set, in the order of the paths.
pub enum Pending {
    /// It is gone.
    Gone {
        /// Which path.
        path: TreePath,
        /// Whether it was a regular file.
        file: bool,
    },
    /// An entry without content.
    Bare {
        /// Which path.
        path: TreePath,
        /// What it is.
        entry: Box<Entry>,
    },
    /// A file that is being read.
    File {
        /// Which path.
        path: TreePath,
        /// Whether something was there before.
        change: Change,
        /// What comes of it.
        pieces: Receiver<Piece>,
        /// The room it may take in memory.
        permit: Permit,
    },
}

/// What comes of a file that is read.
pub enum Piece {
    /// It goes into the set.
    Begin {
        /// What it is.
        entry: Box<Entry>,
        /// Whether a delta follows rather than the content.
        diff: bool,
    },
    /// More of its content, or of its delta.
    Data(Vec<u8>),
    /// It was read to the end; now the entry knows its size and hash.
    End {
        /// What it is.
        entry: Box<Entry>,
        /// The signature of what was read.
        signature: Vec<u8>,
    },
    /// Nothing of it goes into the set: it has its old content, of so many bytes, or could not be read.
    Nothing(Option<u64>),
}
