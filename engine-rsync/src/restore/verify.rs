//! Reading restored files again: every regular file that was selected is compared with the snapshot.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use engine_api::{EntryKind, Event};

use super::Context;
use crate::error::{Error, Result};
use crate::manifest::Record;
use crate::parallel;
use crate::read::{PIECE, fill};
use crate::tree::{Folders, absolute, list};

/// Files that are compared before the walk goes on.
const FILES: usize = 4096;

/// Compares every selected file at the target with the snapshot; what differs is a problem.
pub fn run(context: &Context<'_>) -> Result<()> {
    let mut files = Vec::new();
    for path in context.selected.paths() {
        let records = match list(context.store, &context.stored, path, false) {
            Ok(records) => records,
            Err(Error::PathNotFound { .. }) => continue,
            Err(error) => return Err(error),
        };
        for record in records {
            let record = match record {
                Ok(record) => record,
                // What could not be read was told when it was to be restored, if it was.
                Err(error) if context.dry_run => {
                    context.counters.failed(&absolute(path), "verify", &error);
                    continue;
                }
                Err(_) => continue,
            };
            if record.metadata.kind == EntryKind::File {
                files.push(record);
            }
            if files.len() >= FILES {
                compare_all(context, &std::mem::take(&mut files))?;
            }
        }
    }
    compare_all(context, &files)
}

fn compare_all(context: &Context<'_>, files: &[Record]) -> Result<()> {
    parallel::each(files, context.verifiers(), |record| {
        context.go_on()?;
        let path = absolute(&record.path);
        match compare(context, &path, record) {
            Ok(None) => context.counters.verified(),
            Ok(Some(difference)) => context.counters.failed(&path, "verify", &difference),
            Err(error) => context.counters.failed(&path, "verify", &error),
        }
        Ok(())
    })
}

/// What differs, if anything.
fn compare(context: &Context<'_>, path: &Path, record: &Record) -> std::io::Result<Option<String>> {
    let file = context.target.open_existing(path)?;
    let length = file.metadata()?.len();
    if length != record.metadata.size {
        let wanted = record.metadata.size;
        return Ok(Some(format!("it has {length} bytes instead of {wanted}")));
    }
    let differs = Some("its content is not what was saved".to_owned());
    let same = match record.digest {
        Some(digest) => digest_of(context, file)? == digest,
        None => same_as_stored(context, file, record)?,
    };
    Ok(differs.filter(|_| !same))
}

fn digest_of(context: &Context<'_>, mut file: File) -> std::io::Result<crate::manifest::Digest> {
    let mut hasher = blake3::Hasher::new();
    let mut piece = vec![0; PIECE];
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            return Ok(*hasher.finalize().as_bytes());
        }
        hasher.update(piece.get(..read).unwrap_or_default());
        context.progress.event(Event::Advanced(read as u64));
    }
}

/// Without a manifest there is only the stored file to compare with.
fn same_as_stored(context: &Context<'_>, mut file: File, record: &Record) -> std::io::Result<bool> {
    let mut folders = Folders::new(context.stored.folder.clone());
    let (folder, name) = folders.find(&record.path).map_err(std::io::Error::other)?;
    let stored = context.store.open(&folder, name).map_err(std::io::Error::other)?;
    let (mut left, mut right) = (vec![0; PIECE], vec![0; PIECE]);
    let mut offset = 0;
    loop {
        let read = file.read(&mut left)?;
        let wanted = right.get_mut(..read).unwrap_or_default();
        let there = fill(stored.as_ref(), offset, wanted).map_err(std::io::Error::other)?;
        if left.get(..read) != right.get(..there) {
            return Ok(false);
        }
        if read == 0 {
            return Ok(true);
        }
        offset += read as u64;
        context.progress.event(Event::Advanced(read as u64));
    }
}
