//! The end of a backup: the signature file and the manifest are stored, the manifest last; then the archive folder
//! follows.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, Write};

use engine_api::{BackupReport, SnapshotId};

use super::pipeline::Made;
use super::plan::Plan;
use super::segment::Packer;
use super::volume::{Shared, put};
use super::{Context, journal, settle};
use crate::archive::Archive;
use crate::chain::{Collection, Stored};
use crate::engine::DuplicityEngine;
use crate::error::{Error, Result};
use crate::format::{Container, FileKind, FileName, Manifest, SetId};

/// Bytes that are compressed at once.
const PIECE: usize = 1 << 20;

/// Stores what ends the set; `paths` are those that were asked for.
pub fn run(
    context: &Context<'_>,
    engine: &DuplicityEngine,
    archive: &Archive,
    plan: &Plan,
    made: Made,
    paths: Vec<Vec<u8>>,
) -> Result<BackupReport> {
    let (signatures, files, count) = made.spools.finish()?;
    let (mut manifest, volumes) = made.journal.into_manifest();
    let mut report = context.counters.report();
    report.parent = plan.basis.as_ref().map(|basis| SnapshotId(basis.set.end().to_string()));
    if context.dry_run {
        return Ok(report);
    }
    if context.settings.extras {
        manifest.notes.paths = paths;
        manifest.notes.files = Some(report.files.total());
        manifest.notes.bytes = Some(report.bytes_processed);
    }
    let (local, signatures) = store_signatures(context, archive, signatures)?;
    let text = write_manifest(archive, &manifest, files, count)?;
    refuse_company(engine, archive, plan, &Lens { volumes, signatures })?;
    store_manifest(context, engine, text.as_file())?;
    keep(archive, plan.set, local, text)?;
    report.bytes_stored = context.counters.report().bytes_stored;
    report.snapshot = Some(SnapshotId(plan.set.end().to_string()));
    Ok(report)
}

/// Stores the signature file; gives the gzipped one for the archive folder, and how long the stored one is.
fn store_signatures(
    context: &Context<'_>,
    archive: &Archive,
    mut plain: File,
) -> Result<(tempfile::NamedTempFile, u64)> {
    let local = archive.temp_file()?;
    let mut gzipped = local.reopen().map_err(Error::local("open", local.path()))?;
    let mut packer = Packer::new(true);
    let mut piece = Vec::new();
    loop {
        piece.clear();
        let read = Read::by_ref(&mut plain).take(PIECE as u64).read_to_end(&mut piece);
        if read.map_err(Error::local("read", archive.dir()))? == 0 {
            break;
        }
        let packed = packer.pack(std::mem::take(&mut piece))?;
        gzipped
            .write_all(&packed)
            .map_err(Error::local("write", local.path()))?;
    }
    let name = FileName::new(FileKind::Signatures, context.set, context.container);
    let key = context.key(&name)?;
    let source = match context.container {
        Container::Gzip => local.reopen(),
        _ => plain.seek(io::SeekFrom::Start(0)).and_then(|_| plain.try_clone()),
    };
    let source = source.map_err(Error::local("read", archive.dir()))?;
    let len = wrap_and_put(context, &key, source, context.container != Container::Gzip)?;
    Ok((local, len))
}

/// Stores a file, encrypted if the settings say so and `sealed` asks for it; gives its length.
fn wrap_and_put(context: &Context<'_>, key: &engine_api::Key, mut source: File, sealed: bool) -> Result<u64> {
    let failed = || Error::local("write", "a temporary file");
    let cipher = context.settings.encryption.as_ref().filter(|_| sealed);
    let (file, len) = match cipher {
        None => {
            let len = source.metadata().map_err(failed())?.len();
            (source, len)
        }
        Some(cipher) => {
            let file = tempfile::tempfile_in(context.temp).map_err(failed())?;
            let sink = Shared::new(file);
            let mut seal = cipher.seal(Box::new(sink.clone())).map_err(failed())?;
            io::copy(&mut source, &mut seal).map_err(failed())?;
            seal.finish().map_err(failed())?;
            let (file, len, _) = sink.finish()?;
            (file, len)
        }
    };
    put(context, key, &file, len)?;
    context.counters.stored(len);
    Ok(len)
}

/// The whole manifest in a file of the archive folder.
fn write_manifest(
    archive: &Archive,
    manifest: &Manifest,
    mut files: File,
    count: u64,
) -> Result<tempfile::NamedTempFile> {
    let mut file = archive.temp_file()?;
    let written = file
        .write_all(&manifest.text(count))
        .and_then(|()| io::copy(&mut files, &mut file));
    written.map_err(Error::local("write", file.path()))?;
    Ok(file)
}

fn store_manifest(context: &Context<'_>, engine: &DuplicityEngine, text: &File) -> Result<()> {
    let name = FileName::new(FileKind::Manifest, context.set, engine.manifest_container());
    let key = context.key(&name)?;
    let mut source = text.try_clone().map_err(Error::local("read", "the manifest"))?;
    source
        .seek(io::SeekFrom::Start(0))
        .map_err(Error::local("read", "the manifest"))?;
    wrap_and_put(context, &key, source, true).map(drop)
}

/// The lengths of what is stored of a set before its manifest is.
struct Lens {
    volumes: BTreeMap<u32, u64>,
    signatures: u64,
}

impl Lens {
    /// The first file of the set that does not lie at the destination as it was stored.
    fn missing(&self, collection: &Collection, set: SetId) -> Option<String> {
        let mut unfinished = collection.incomplete.iter().chain(&collection.stray_signatures);
        let found = unfinished.find(|found| found.id == set);
        let differs = |file: Option<&Stored>, len: u64| file.is_none_or(|file| file.size != len);
        let volume = |number: u32| found.and_then(|found| found.volumes.get(&number));
        let lost = self
            .volumes
            .iter()
            .find(|(number, len)| differs(volume(**number), **len));
        if let Some((number, _)) = lost {
            return Some(format!("volume {number} of {set}"));
        }
        let signed = found.and_then(|found| found.signatures.as_ref());
        differs(signed, self.signatures).then(|| format!("the signature file of {set}"))
    }
}

/// Fails when somebody else has finished a set meanwhile, for with this one the chains would overlap; and when something of
/// this one is gone: another machine may take a set for dead that takes long, or that bears an old time.
fn refuse_company(engine: &DuplicityEngine, archive: &Archive, plan: &Plan, lens: &Lens) -> Result<()> {
    let collection = engine.collection()?;
    let expected = plan.latest;
    let found = collection.latest_set().map(|set| set.id);
    if found == expected {
        return match lens.missing(&collection, plan.set) {
            None => Ok(()),
            // What is left of it is for the next run to go on with, or to clear away.
            Some(object) => Err(Error::Removed {
                object,
                location: engine.blobs().location().to_owned(),
            }),
        };
    }
    settle::discard(engine, archive, plan.set)?;
    Err(Error::OtherWriter {
        what: found.map_or_else(|| "the removal".to_owned(), |set| format!("a new {set}")),
        location: engine.blobs().location().to_owned(),
    })
}

/// Gives the files of the archive folder their names.
fn keep(
    archive: &Archive,
    set: SetId,
    signatures: tempfile::NamedTempFile,
    manifest: tempfile::NamedTempFile,
) -> Result<()> {
    for (kind, file) in [(FileKind::Signatures, signatures), (FileKind::Manifest, manifest)] {
        let path = archive.path(kind, set, false);
        file.as_file().sync_data().map_err(Error::local("write", &path))?;
        file.persist(&path)
            .map_err(|error| Error::local("rename", &path)(error.error))?;
    }
    journal::clear(archive)?;
    crate::damage::forget(archive)?;
    archive.sync_names()
}
