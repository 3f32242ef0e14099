//! Which engine can keep a repository on which storage.

use super::engines::EngineName;
use super::places::PlaceKind;

/// An engine and a storage, and what keeps them apart if anything does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// The engine.
    pub engine: EngineName,
    /// The storage.
    pub storage: PlaceKind,
    /// Why they do not go together; `None` when they do.
    pub obstacle: Option<&'static str>,
}

impl Pair {
    /// Every pair, storage by storage.
    pub fn all() -> impl Iterator<Item = Self> {
        PlaceKind::ALL.into_iter().flat_map(|storage| {
            EngineName::ALL.map(|engine| Self {
                engine,
                storage,
                obstacle: storage.obstacle(engine),
            })
        })
    }
}

impl PlaceKind {
    /// Why the engine cannot keep a repository there; `None` when it can.
    #[must_use]
    pub const fn obstacle(self, engine: EngineName) -> Option<&'static str> {
        match (self, engine) {
            (Self::WebDav, EngineName::Rsync) => {
                Some("WebDAV has no hard links, owners and modes, and gets none by being mounted with davfs2")
            }
            (Self::S3 | Self::B2, EngineName::Rsync) => {
                Some("a bucket holds objects, without hard links, owners and modes")
            }
            (Self::Rest, EngineName::Duplicity | EngineName::Rsync) => {
                Some("its protocol has places for the files of a restic repository only")
            }
            _ => None,
        }
    }

    /// Whether the engine can keep a repository there.
    #[must_use]
    pub const fn goes_with(self, engine: EngineName) -> bool {
        self.obstacle(engine).is_none()
    }
}
