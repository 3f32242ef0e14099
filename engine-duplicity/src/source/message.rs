//! What is told of a set, piece by piece.

use crate::format::TreePath;
use crate::format::extras::Record;
use crate::tar::Header;

/// What a set says of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ItemKind {
    /// It is this; of a file, the whole content follows.
    Snapshot,
    /// It is the former file with what follows applied.
    Diff,
    /// It is gone.
    Deleted,
    /// It is a file whose data is lost.
    Lost,
}

/// The beginning of what a set says of a path.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    /// Which path.
    pub path: TreePath,
    /// What is said.
    pub kind: ItemKind,
    /// Its metadata; of a lost file that of the signature file.
    pub header: Header,
}

/// A stretch of paths of which it is not known what a set says of them.
#[derive(Debug, Clone)]
pub(crate) struct Doubt {
    /// From here,
    pub from: TreePath,
    /// to here, both included.
    pub to: TreePath,
    /// Why.
    pub why: String,
}

/// One piece.
#[derive(Debug)]
pub(super) enum Message {
    /// An item begins.
    Item(Box<Item>),
    /// More of its data.
    Data(Vec<u8>),
    /// It is complete; the private records of the last of its parts, where it has several.
    End(Vec<Record>),
    /// The rest of it is lost.
    Broken(String),
    /// A volume is lost: its name and why.
    Gap(String),
    /// It is not even known what the volume held.
    Doubt(Box<Doubt>),
    /// An entry that cannot be used.
    Dropped(TreePath, &'static str),
}

/// Pieces that are handed over at once.
pub(super) type Batch = Vec<Message>;
