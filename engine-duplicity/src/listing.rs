//! The entries of a state, from the signature files alone: nothing of the volumes is read.

use std::fs::File;
use std::path::{Path, PathBuf};

use engine_api::{EntryKind, Metadata};
use rdiff::Layout;

use crate::DuplicityEngine;
use crate::chain::Set;
use crate::container::{Unwrapped, gunzip};
use crate::error::{Error, Result};
use crate::format::{Container, Extras, FileKind, FileName, TreePath};
use crate::manifests::content;
use crate::meta::metadata;
use crate::sigtar::{FEW, Old, State};
use crate::source::PartKind;

/// Bytes of a signature that are compared at the most.
const MOST: u64 = 64 << 20;

/// Walks through the state of a chain's sets.
pub(crate) struct Listing<'e> {
    state: State<'e>,
}

/// One entry of the state.
pub(crate) struct Listed {
    /// Which path.
    pub path: TreePath,
    /// Its private records.
    pub extras: Extras,
    old: Old,
}

impl Listed {
    /// What it is.
    pub(crate) const fn kind(&self) -> EntryKind {
        self.old.header.kind
    }

    /// Whether it is a regular file.
    pub(crate) fn is_file(&self) -> bool {
        self.kind() == EntryKind::File
    }
}

/// What the signature files say of a path.
pub(crate) enum Said {
    /// It is gone.
    Gone(TreePath),
    /// It is there.
    There(Box<Listed>),
}

impl<'e> Listing<'e> {
    /// Of the sets, oldest first: their signature files from the archive folder, or where they lack there, from the
    /// storage.
    pub(crate) fn open(engine: &'e DuplicityEngine, sets: &'e [Set]) -> Result<Self> {
        let files = sets
            .iter()
            .map(|set| open(engine, set, sets.len() <= FEW))
            .collect::<Result<_>>()?;
        Ok(Self {
            state: State::new(files),
        })
    }

    /// The next entry.
    pub(crate) fn next(&mut self) -> Result<Option<Listed>> {
        Ok(self.state.next()?.map(|old| Listed {
            path: old.path.clone(),
            extras: Extras::read(&old.header.private),
            old,
        }))
    }

    /// The next path that anything is said of.
    pub(crate) fn next_said(&mut self) -> Result<Option<Said>> {
        Ok(self.state.next_of_any()?.map(said))
    }

    /// All that the sets say of the next path, oldest first, each with the set's place among them; nothing at the end.
    pub(crate) fn next_history(&mut self) -> Result<Vec<(usize, Said)>> {
        let all = self.state.next_of_all()?.into_iter();
        Ok(all.map(|(old, kind)| (old.source, said((old, kind)))).collect())
    }

    /// The metadata of the entry that came last, and its signature.
    pub(crate) fn metadata_and_signature(&mut self, listed: &Listed) -> Result<(Metadata, Vec<u8>)> {
        let signature = self.signature(listed)?;
        let size = match listed.extras.size {
            None if listed.is_file() => Some(rounded_size(&signature, listed.old.header.size)),
            size => size,
        };
        Ok((metadata(&listed.old.header, &listed.extras, size), signature))
    }

    /// The metadata of the entry that came last. A file's length, where no record has it, is rounded up to the blocks of
    /// its signature: the format does not keep it.
    pub(crate) fn metadata(&mut self, listed: &Listed) -> Result<Metadata> {
        let size = match listed.extras.size {
            None if listed.old.header.kind == EntryKind::File => Some(self.rounded_size(listed)?),
            size => size,
        };
        Ok(metadata(&listed.old.header, &listed.extras, size))
    }

    fn rounded_size(&mut self, listed: &Listed) -> Result<u64> {
        let head = self.state.signature(&listed.old, Layout::HEADER_LEN as u64)?;
        Ok(rounded_size(&head, listed.old.header.size))
    }

    /// The signature of the entry that came last; what is read is not there a second time.
    pub(crate) fn signature(&mut self, listed: &Listed) -> Result<Vec<u8>> {
        self.state.signature(&listed.old, MOST)
    }
}

fn said((old, kind): (Old, PartKind)) -> Said {
    match kind {
        PartKind::Deleted => Said::Gone(old.path),
        _ => Said::There(Box::new(Listed {
            path: old.path.clone(),
            extras: Extras::read(&old.header.private),
            old,
        })),
    }
}

/// The length of a file by the head of its signature, of which this is the length, up to whole blocks.
fn rounded_size(head: &[u8], signature: u64) -> u64 {
    let word = |at: usize| {
        let bytes = head.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        u64::from(bytes.map_or(0, u32::from_be_bytes))
    };
    let sums = signature.saturating_sub(Layout::HEADER_LEN as u64);
    let blocks = sums.checked_div(4 + word(8)).unwrap_or(0);
    blocks.saturating_mul(word(4))
}

/// The set's signatures, out of their container.
fn open<'e>(engine: &'e DuplicityEngine, set: &'e Set, few: bool) -> Result<(String, Unwrapped<'e>)> {
    if let Some(path) = in_archive(engine, set)
        && let Ok(file) = File::open(&path)
    {
        return Ok((path.display().to_string(), gunzip(file, few)));
    }
    let stored = set.signatures.as_ref().ok_or_else(|| Error::Missing {
        object: format!("the signature file of {}", set.id),
    })?;
    Ok((stored.key.to_string(), content(engine, stored)?))
}

fn in_archive(engine: &DuplicityEngine, set: &Set) -> Option<PathBuf> {
    let settings = engine.settings();
    let name = FileName::new(FileKind::Signatures, set.id, Container::Gzip).write(&settings.prefixes);
    let folder: &Path = settings.archive.as_deref()?;
    Some(folder.join(&settings.archive_name).join(name))
}
