//! One file of a snapshot, readable from any position.

use std::io::{Cursor, Seek, SeekFrom, Write};
use std::path::Path;

use engine_api::{EntryKind, FileContent, Silent, SnapshotId};

use crate::DuplicityEngine;
use crate::error::{Error, Result};
use crate::manifests::{self, Signatures};
use crate::merge::{Content, Merge};
use crate::restore::{not_found, plans, wanted};
use crate::snapshots;
use crate::source::{Piece, Source};

/// Bytes of a file that is kept in memory; a longer one goes to a temporary file.
const SMALL: usize = 4 << 20;

/// Opens the file at `path`: its content is brought here whole, as only the volumes' beginnings can be found.
pub(crate) fn open(
    engine: &DuplicityEngine,
    snapshot: &SnapshotId,
    path: &Path,
) -> Result<Box<dyn FileContent + 'static>> {
    let found = snapshots::by_id(engine, snapshot)?;
    let base = manifests::saved_folder(&found.manifest);
    let wanted = wanted(&base, &[path.to_path_buf()], &found)?;
    let not_a_file = || Error::NotAFile {
        path: path.to_path_buf(),
        set: found.snapshot.short_id.clone(),
    };
    let Some(asked) = wanted.paths().first() else {
        // The root, which is a file only when a single file was saved.
        if base != path.components().collect::<std::path::PathBuf>() {
            return Err(not_a_file());
        }
        return fetch(engine, &found, &wanted, &crate::format::TreePath::root(), path)?.ok_or_else(not_a_file);
    };
    fetch(engine, &found, &wanted, asked, path)?.ok_or_else(not_a_file)
}

/// The content at `asked`; `None` when it is no file.
fn fetch(
    engine: &DuplicityEngine,
    found: &snapshots::Found,
    wanted: &crate::source::Wanted,
    asked: &crate::format::TreePath,
    path: &Path,
) -> Result<Option<Box<dyn FileContent + 'static>>> {
    let plans = plans(engine, found, wanted)?;
    let signatures = Signatures::of(engine, found.sets.clone());
    let source = Source::of(engine, &Silent, &signatures);
    std::thread::scope(|scope| {
        let mut merge = Merge::open(source, scope, plans, wanted);
        while let Some(merged) = merge.next()? {
            if merged.path != *asked {
                continue;
            }
            if merged.header.kind != EntryKind::File {
                return Ok(None);
            }
            return keep(engine, path, merge.content(&merged)?).map(Some);
        }
        Err(not_found(path.to_path_buf(), found))
    })
}

fn keep(engine: &DuplicityEngine, path: &Path, mut content: Content<'_, '_, '_>) -> Result<Box<dyn FileContent>> {
    let mut memory = Vec::new();
    let mut file = None;
    loop {
        match content.piece()? {
            Piece::Data(data) if file.is_none() && memory.len() + data.len() <= SMALL => {
                memory.extend_from_slice(&data)
            }
            Piece::Data(data) => {
                let writing = || Error::local("write a file in", engine.temp());
                let to = match &mut file {
                    Some(to) => to,
                    None => {
                        let mut made = tempfile::tempfile_in(engine.temp()).map_err(writing())?;
                        made.write_all(&std::mem::take(&mut memory)).map_err(writing())?;
                        file.insert(made)
                    }
                };
                to.write_all(&data).map_err(writing())?;
            }
            Piece::Broken(why) => return Err(Error::damaged(path.display().to_string(), why)),
            Piece::End => break,
        }
    }
    match file {
        Some(mut file) => {
            file.seek(SeekFrom::Start(0))
                .map_err(Error::local("read a file in", engine.temp()))?;
            Ok(Box::new(file))
        }
        None => Ok(Box::new(Cursor::new(memory))),
    }
}
