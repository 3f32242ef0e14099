//! What is going to be made: a full set or an increment, on what, at what time, and whether an interrupted run goes on.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use engine_api::{BackupRequest, Event, Progress, Timestamp};
use fstree::Walk;
use sha2::{Digest, Sha256};

use super::journal::Noted;
use super::segment::Mark;
use super::settle;
use crate::archive::Archive;
use crate::chain::{Chain, Collection, Set};
use crate::container::{opening, unwrap};
use crate::engine::DuplicityEngine;
use crate::error::{Error, Result};
use crate::format::quote::hex;
use crate::format::{FileKind, Manifest, Notes, SetId, SetTime, TreePath};
use crate::settings::{BackupMode, Settings};
use crate::sigtar::State;
use crate::stored::StoredReader;

/// What is going to be made.
pub struct Plan {
    pub set: SetId,
    /// What it is compared with; nothing for a full set.
    pub basis: Option<Basis>,
    pub damaged: BTreeSet<TreePath>,
    /// The head of its manifest.
    pub manifest: Manifest,
    pub resume: Option<Resume>,
    /// What decides whether a run can be gone on with, in short.
    pub fingerprint: String,
    /// The last complete set when it was made; it must be that still when the set is finished.
    pub latest: Option<SetId>,
}

/// The state that an increment is made on.
pub struct Basis {
    /// The last set of the chain.
    pub set: SetId,
    /// The signature files of the whole chain on this machine, oldest first.
    pub signatures: Vec<PathBuf>,
    /// What the last set's manifest says, where it can be read.
    pub manifest: Option<Manifest>,
}

impl Basis {
    /// When the state was begun to be saved: later changes may be in it or not.
    pub fn began(&self) -> SetTime {
        let noted = self.manifest.as_ref().and_then(|manifest| manifest.notes.state_of);
        noted.unwrap_or_else(|| self.set.end())
    }
}

/// A run that is gone on with.
pub struct Resume {
    pub noted: Noted,
}

impl Resume {
    /// How far it had got.
    pub fn mark(&self) -> Option<&Mark> {
        self.noted.volumes.last().map(|volume| &volume.mark)
    }

    /// The number of the volume it goes on with.
    pub fn next_volume(&self) -> u32 {
        u32::try_from(self.noted.volumes.len()).unwrap_or(u32::MAX - 1) + 1
    }
}

/// Decides, and brings the archive folder and what an interrupted run left in order.
pub fn make(
    engine: &DuplicityEngine,
    archive: &Archive,
    request: &BackupRequest,
    mode: BackupMode,
    progress: &dyn Progress,
) -> Result<Plan> {
    let settings = engine.settings();
    let mut collection = engine.collection()?;
    let fingerprint = fingerprint(settings, request);
    let resume = settle::run(
        engine,
        archive,
        &mut collection,
        &fingerprint,
        request.dry_run,
        progress,
    )?;
    let damaged = crate::damage::of_chain(engine, archive, collection.latest());
    if let Some(noted) = resume {
        let set = noted.set;
        let basis = match (set.is_full(), collection.latest()) {
            (false, Some(chain)) => basis(engine, archive, &collection, chain)?,
            _ => None,
        };
        if set.is_full() || basis.is_some() {
            let text = format!("{set}: goes on behind volume {}", noted.volumes.len());
            progress.event(Event::Notice(&text));
            return Ok(Plan {
                manifest: head(engine, request, basis.as_ref())?,
                set,
                basis,
                damaged,
                resume: Some(Resume { noted }),
                fingerprint,
                latest: collection.latest_set().map(|set| set.id),
            });
        }
        settle::discard(engine, archive, set)?;
    }
    let basis = wanted_basis(engine, archive, &collection, mode, progress)?;
    let now = time(&collection, request)?;
    let set = match &basis {
        None => SetId::Full(now),
        Some(basis) => SetId::Increment {
            start: basis.set.end(),
            end: now,
        },
    };
    Ok(Plan {
        manifest: head(engine, request, basis.as_ref())?,
        set,
        damaged: if basis.is_some() { damaged } else { BTreeSet::new() },
        basis,
        resume: None,
        fingerprint,
        latest: collection.latest_set().map(|set| set.id),
    })
}

impl Plan {
    /// The state that it is compared with; an empty one for a full set.
    pub fn state(&self, temp: &Path) -> Result<State<'static>> {
        match &self.basis {
            Some(basis) => State::of_files(&basis.signatures, temp),
            None => Ok(State::new(Vec::new())),
        }
    }

    /// The place where the interrupted run was to be gone on with does not do: an earlier one is tried, before the file
    /// that it was cut in; if there is none, the whole run is thrown away.
    pub fn step_back(
        &mut self,
        why: &str,
        engine: &DuplicityEngine,
        archive: &Archive,
        progress: &dyn Progress,
    ) -> Result<()> {
        let set = self.set;
        let Some(resume) = &mut self.resume else {
            return Err(Error::damaged(set.to_string(), why));
        };
        let cut = resume.mark().and_then(|mark| mark.cut.clone());
        let volumes = &mut resume.noted.volumes;
        match &cut {
            None => volumes.clear(),
            Some(cut) => {
                while volumes
                    .pop_if(|volume| volume.mark.cut.as_ref().is_some_and(|at| at.path == cut.path))
                    .is_some()
                {}
            }
        }
        let text = format!("{set}: cannot go on where it was interrupted, because {why}");
        progress.event(Event::Notice(&text));
        if volumes.is_empty() {
            self.resume = None;
            return settle::discard(engine, archive, set);
        }
        let kept = resume.next_volume();
        settle::remove_volumes(engine, set, kept)
    }
}

/// The chain that an increment goes on, with its signatures here; `None` when a full set is to be made.
fn wanted_basis(
    engine: &DuplicityEngine,
    archive: &Archive,
    collection: &Collection,
    mode: BackupMode,
    progress: &dyn Progress,
) -> Result<Option<Basis>> {
    let settings = engine.settings();
    let notice = |text: &str| progress.event(Event::Notice(text));
    let Some(chain) = collection.latest() else {
        archive.sync(engine, collection, &[])?;
        return Ok(None);
    };
    if mode == BackupMode::Full {
        archive.sync(engine, collection, &[])?;
        return Ok(None);
    }
    if let (Some(age), Some(start)) = (settings.full_if_older, chain.start())
        && start.timestamp() < age.before(Timestamp::now(), &settings.zone)
    {
        notice(&format!(
            "the last full backup is older than {age}: a full backup is made"
        ));
        archive.sync(engine, collection, &[])?;
        return Ok(None);
    }
    if collection
        .overlaps()
        .iter()
        .any(|(first, second)| *first == chain || *second == chain)
    {
        notice("two chains overlap in time: a full backup is made");
        return Ok(None);
    }
    let found = basis(engine, archive, collection, chain)?;
    if found.is_none() {
        notice("a signature file of the last chain is missing or damaged: a full backup is made");
    }
    Ok(found)
}

fn basis(engine: &DuplicityEngine, archive: &Archive, collection: &Collection, chain: &Chain) -> Result<Option<Basis>> {
    if !archive.sync(engine, collection, &chain.sets)? {
        return Ok(None);
    }
    chain.sets.last().map_or(Ok(()), |last| prove_key(engine, last))?;
    Ok(chain.sets.last().map(|last| Basis {
        set: last.id,
        signatures: signatures(archive, &chain.sets),
        manifest: manifest(archive, last.id),
    }))
}

/// Where the archive folder has the signatures of these sets.
pub fn signatures(archive: &Archive, sets: &[Set]) -> Vec<PathBuf> {
    let path = |set: &Set| archive.path(FileKind::Signatures, set.id, false);
    sets.iter().map(path).collect()
}

/// The set's manifest in the archive folder; `None` when it is not there or makes no sense.
fn manifest(archive: &Archive, set: SetId) -> Option<Manifest> {
    let text = std::fs::read(archive.path(FileKind::Manifest, set, false)).ok()?;
    Manifest::parse(&text).ok()
}

/// Opens what the last set's run stored: a chain that begins with one passphrase and goes on with another could be
/// restored with neither.
fn prove_key(engine: &DuplicityEngine, last: &Set) -> Result<()> {
    let cipher = engine
        .settings()
        .encryption
        .as_deref()
        .filter(|cipher| cipher.can_open());
    let Some(manifest) = last.manifest.as_ref().filter(|_| cipher.is_some()) else {
        return Ok(());
    };
    let name = manifest.key.to_string();
    let stored = StoredReader::new(engine.blobs().as_ref(), manifest);
    let mut content = unwrap(&name, manifest.container, Box::new(stored), cipher)?;
    let read = std::io::copy(&mut content, &mut std::io::sink());
    read.map(drop).map_err(|error| opening(&name, &error))
}

/// The time of the new set, which no other bears; waits for the clock if it must.
fn time(collection: &Collection, request: &BackupRequest) -> Result<SetTime> {
    const PATIENCE: i64 = 3;
    let last = collection.last_time();
    loop {
        let moment = request.time.unwrap_or_else(Timestamp::now);
        let unusable = || Error::Usage("the time of the backup lies outside what file names can say".to_owned());
        let now = SetTime::of(moment).ok_or_else(unusable)?;
        let ahead = last.map_or(-1, |last| last.seconds() - now.seconds());
        if ahead < 0 {
            return Ok(now);
        }
        if ahead > PATIENCE || request.time.is_some() {
            return Err(Error::ClockWentBack {
                now: now.to_string(),
                last: last.map_or_else(String::new, |last| last.to_string()),
            });
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// What of the settings and the request must be the same for a run to be gone on with.
fn fingerprint(settings: &Settings, request: &BackupRequest) -> String {
    let what = format!(
        "{:?} {:?} {:?} {:?} {} {} {} {:?} {:?} {} {:?}",
        request.selection,
        settings.source,
        settings.prefixes,
        settings.blocks,
        settings.extras,
        settings.blake2_signatures,
        settings.compression,
        settings.encryption.is_some(),
        settings.volume_size,
        request.host,
        request.tags,
    );
    let hash: [u8; 32] = Sha256::digest(what).into();
    hex(&hash)
}

/// The head of the new manifest.
fn head(engine: &DuplicityEngine, request: &BackupRequest, basis: Option<&Basis>) -> Result<Manifest> {
    let settings = engine.settings();
    let short = request.host.split('.').next().unwrap_or_default();
    let own = settings.source.as_os_str().as_encoded_bytes();
    let before = basis.and_then(|basis| basis.manifest.as_ref());
    let dir = match before.and_then(|before| before.dir.clone()) {
        Some(dir) if is_same_folder(&dir, &settings.source) => dir,
        Some(dir) if !settings.allow_source_mismatch => {
            return Err(mismatch("folder", &dir, own));
        }
        _ => own.to_vec(),
    };
    let host = before.and_then(|before| before.host.as_ref());
    if let Some(host) = host.filter(|host| !settings.allow_source_mismatch && !is_host(host, &request.host)) {
        return Err(mismatch("host", host, request.host.as_bytes()));
    }
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let notes = Notes {
        program: Some(concat!("holdfast ", env!("CARGO_PKG_VERSION")).to_owned()),
        user: text(&settings.user),
        tags: request.tags.clone(),
        ..Notes::default()
    };
    Ok(Manifest {
        host: text(short).map(String::into_bytes),
        dir: Some(dir),
        notes: if settings.extras { notes } else { Notes::default() },
        ..Manifest::default()
    })
}

fn is_host(stored: &[u8], host: &str) -> bool {
    let short = host.split('.').next().unwrap_or_default();
    stored == host.as_bytes() || stored == short.as_bytes()
}

/// A relative spelling is taken for the folder whose path ends so: from where it was meant nobody knows.
fn is_same_folder(stored: &[u8], source: &Path) -> bool {
    let stored = Path::new(std::ffi::OsStr::new(std::str::from_utf8(stored).unwrap_or_default()));
    source == stored || (stored.is_relative() && !stored.as_os_str().is_empty() && source.ends_with(stored))
}

fn mismatch(what: &str, stored: &[u8], own: &[u8]) -> Error {
    let (stored, own) = (String::from_utf8_lossy(stored), String::from_utf8_lossy(own));
    Error::Usage(format!("the chain is of {what} `{stored}`, not of `{own}`"))
}

/// Every include must lie below the source, or nothing of it could be named.
pub fn check_includes(walk: &Walk, settings: &Settings) -> Result<()> {
    match walk.includes().iter().find(|path| !path.starts_with(&settings.source)) {
        None => Ok(()),
        Some(path) => {
            let text = format!("{} does not lie below {}", path.display(), settings.source.display());
            Err(Error::Usage(text))
        }
    }
}
