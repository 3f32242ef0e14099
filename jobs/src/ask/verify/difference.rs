//! What a comparison finds.

use std::path::PathBuf;

use engine_api::{DiffKind, EntryKind, Problems};

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// How it differs from what was saved: what was added was not saved, what was removed is no longer there.
    pub sort: DiffKind,
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

    pub(super) fn count(&mut self, sort: DiffKind) {
        let count = match sort {
            DiffKind::Added => &mut self.added,
            DiffKind::Removed => &mut self.removed,
            DiffKind::Content => &mut self.content,
            DiffKind::Metadata => &mut self.metadata,
            DiffKind::Type => &mut self.other_type,
        };
        *count += 1;
    }
}
