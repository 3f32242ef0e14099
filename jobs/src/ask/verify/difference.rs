//! What a comparison finds.

use std::path::PathBuf;

use engine_api::{EntryKind, Problems};

/// How an entry differs from what was saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Sort {
    /// It is there and was not saved.
    Added,
    /// It was saved and is not there.
    Removed,
    /// The content is another.
    Content,
    /// Only owner, mode, times or the like are others.
    Metadata,
    /// It is something else.
    Type,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// How.
    pub sort: Sort,
    /// Its path as it was saved.
    pub path: PathBuf,
    /// What it was when it was saved, or is where it was not.
    pub kind: EntryKind,
    /// What differs, such as `mode` or `mtime`; empty where the sort says it all.
    pub properties: Vec<&'static str>,
    /// Bytes as saved; `None` where that is not known here.
    pub size_before: Option<u64>,
    /// Bytes now.
    pub size_after: Option<u64>,
}

/// What a comparison found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Entries of the snapshot that were compared.
    pub compared: u64,
    /// Files whose content was read and is what was saved.
    pub files_read: u64,
    /// Differences of each sort: added, removed, content, metadata, type.
    pub added: u64,
    /// See `added`.
    pub removed: u64,
    /// See `added`.
    pub content: u64,
    /// See `added`.
    pub metadata: u64,
    /// See `added`.
    pub other_type: u64,
    /// What could not be compared.
    pub problems: Problems,
}

impl Verified {
    /// Whether all that was saved is there as it was saved.
    #[must_use]
    pub const fn is_same(&self) -> bool {
        self.removed + self.content + self.metadata + self.other_type == 0
    }

    pub(super) fn count(&mut self, sort: Sort) {
        let count = match sort {
            Sort::Added => &mut self.added,
            Sort::Removed => &mut self.removed,
            Sort::Content => &mut self.content,
            Sort::Metadata => &mut self.metadata,
            Sort::Type => &mut self.other_type,
        };
        *count += 1;
    }
}
