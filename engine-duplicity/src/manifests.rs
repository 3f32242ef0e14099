//! Manifests and signature files as a reader needs them: from the storage, which is right where the archive folder is
//! not.

use std::io::Read;
use std::ops::ControlFlow;
use std::path::{Component, Path, PathBuf};

use crate::DuplicityEngine;
use crate::chain::{Set, Stored};
use crate::container::{Unwrapped, opening, unwrap};
use crate::error::{Error, Result};
use crate::format::{Manifest, SetId};
use crate::source::{Item, Lost, PartName, SetPlan, VolumePlan, Wanted, lost_item};
use crate::stored::StoredReader;
use crate::tar::TarReader;

/// Bytes of an unwrapped manifest at the most: room for the names of ten million files.
const MOST: u64 = 1 << 30;

/// Manifests that are read at once.
const AT_ONCE: usize = 4;

/// Reads the set's manifest.
pub(crate) fn load(engine: &DuplicityEngine, set: &Set) -> Result<Manifest> {
    let text = text(engine, set)?;
    let name = set
        .manifest
        .as_ref()
        .map(|stored| stored.key.to_string())
        .unwrap_or_default();
    Manifest::parse(&text).map_err(|why| Error::damaged(name, why))
}

/// Reads the manifests of several sets, a few at a time, for each may take its time to come; gives them in order.
pub(crate) fn load_all(engine: &DuplicityEngine, sets: &[&Set]) -> Vec<Result<Manifest>> {
    let mut manifests = Vec::new();
    for some in sets.chunks(AT_ONCE) {
        std::thread::scope(|scope| {
            let loading: Vec<_> = some.iter().map(|set| scope.spawn(|| load(engine, set))).collect();
            let loaded = loading
                .into_iter()
                .map(|one| one.join().unwrap_or(Err(Error::Interrupted)));
            manifests.extend(loaded);
        });
    }
    manifests
}

/// The text of the set's manifest.
pub(crate) fn text(engine: &DuplicityEngine, set: &Set) -> Result<Vec<u8>> {
    let stored = set.manifest.as_ref().ok_or_else(|| Error::Missing {
        object: format!("the manifest of {}", set.id),
    })?;
    let name = stored.key.to_string();
    let mut text = Vec::new();
    let read = content(engine, stored)?.take(MOST).read_to_end(&mut text);
    read.map_err(|error| failed(&name, error))?;
    Ok(text)
}

/// A stored file out of its container.
pub(crate) fn content<'e>(engine: &'e DuplicityEngine, stored: &'e Stored) -> Result<Unwrapped<'e>> {
    let reader = StoredReader::new(engine.blobs().as_ref(), stored);
    let cipher = engine.settings().encryption.as_deref();
    unwrap(&stored.key.to_string(), stored.container, Box::new(reader), cipher)
}

/// What a failure to read a stored file means: the storage's own errors stay what they are.
pub(crate) fn failed(name: &str, error: std::io::Error) -> Error {
    if error.kind() == std::io::ErrorKind::PermissionDenied {
        return opening(name, &error);
    }
    match error.downcast() {
        Ok(error) => Error::Store(error),
        Err(error) => Error::damaged(name, error.to_string()),
    }
}

/// The folder that a manifest says was saved, as an absolute path.
pub(crate) fn saved_folder(manifest: &Manifest) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    let dir = manifest.dir.as_deref().unwrap_or(b"/");
    let mut folder = PathBuf::from("/");
    for part in Path::new(std::ffi::OsStr::from_bytes(dir)).components() {
        match part {
            Component::Normal(name) => folder.push(name),
            Component::ParentDir => {
                folder.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    folder
}

/// What is to be read of a set, of which `wanted` says what is of interest.
pub(crate) fn plan(set: &Set, manifest: Manifest, wanted: &Wanted) -> Result<SetPlan> {
    if let Some(gap) = manifest.gaps().first() {
        let name = set.manifest.as_ref().map(|stored| stored.key.to_string());
        let why = format!("it says nothing of volume {gap}");
        return Err(Error::damaged(name.unwrap_or_default(), why));
    }
    let volumes = manifest.volumes.into_iter().filter(|(_, info)| wanted.in_volume(info));
    let plan = |(number, info)| VolumePlan {
        number,
        file: set.volumes.get(&number).cloned(),
        info,
    };
    Ok(SetPlan {
        set: set.id,
        volumes: volumes.map(plan).collect(),
    })
}

/// The signature files of a chain, for when volumes are lost.
pub(crate) struct Signatures<'e> {
    engine: &'e DuplicityEngine,
    sets: Vec<Set>,
}

impl<'e> Signatures<'e> {
    /// Those of these sets.
    pub(crate) const fn of(engine: &'e DuplicityEngine, sets: Vec<Set>) -> Self {
        Self { engine, sets }
    }
}

impl Lost for Signatures<'_> {
    fn items(&self, set: SetId, each: &mut dyn FnMut(Item) -> ControlFlow<()>) -> Result<()> {
        let set = self.sets.iter().find(|one| one.id == set);
        let stored = set
            .and_then(|set| set.signatures.as_ref())
            .ok_or_else(|| Error::Missing {
                object: "its signature file".to_owned(),
            })?;
        let name = stored.key.to_string();
        let damaged = |why: String| Error::damaged(name.clone(), why);
        let mut tar = TarReader::new(content(self.engine, stored)?);
        while let Some(header) = tar.next().map_err(|error| tar_failed(&name, error))? {
            let part = PartName::in_signatures(&header.name).map_err(damaged)?;
            if each(lost_item(part, header)).is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// What a failure to read a tar stream means.
pub(crate) fn tar_failed(name: &str, error: crate::tar::TarError) -> Error {
    match error {
        crate::tar::TarError::Read(error) => failed(name, error),
        error => Error::damaged(name, error.to_string()),
    }
}
