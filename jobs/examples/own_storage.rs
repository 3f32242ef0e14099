//! A storage of one's own: objects in this program's memory, put through the checks that every storage must pass, and then
//! given to an engine.
//!
//! `cargo run -p holdfast-jobs --example own_storage -- FOLDER…`

#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::collections::BTreeMap;
use std::io::Read;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine_api::{
    BackupRequest, BlobStore, Body, Capabilities, CheckRequest, Engine, Error, Key, ObjectMeta, PutMode, ReadData,
    Selection, Silent, Space, StoreError, StoreErrorKind,
};
use engine_restic::{Password, ResticEngine, Settings};

/// Objects by their names. A real storage would keep them where they outlive the program.
struct Memory {
    objects: Mutex<BTreeMap<Key, Arc<[u8]>>>,
    capabilities: Capabilities,
}

impl Memory {
    fn new() -> Self {
        Self {
            objects: Mutex::default(),
            // Said as data, and held to it: what is not promised here, no engine relies on.
            capabilities: Capabilities::minimal()
                .with_exclusive_create(true)
                .with_concurrency(4)
                .with_local(true),
        }
    }

    fn objects(&self) -> MutexGuard<'_, BTreeMap<Key, Arc<[u8]>>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, operation: &'static str, key: &Key, kind: StoreErrorKind) -> StoreError {
        StoreError {
            operation,
            object: key.to_string(),
            location: self.location().to_owned(),
            kind,
            source: format!("{kind:?}").into(),
        }
    }

    fn find(&self, operation: &'static str, key: &Key) -> Result<Arc<[u8]>, StoreError> {
        let found = self.objects().get(key).cloned();
        found.ok_or_else(|| self.failed(operation, key, StoreErrorKind::NotFound))
    }
}

impl BlobStore for Memory {
    fn location(&self) -> &'static str {
        "memory"
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn put(&self, key: &Key, body: Body<'_>, mode: PutMode) -> Result<(), StoreError> {
        let mut bytes = Vec::new();
        // Read whole before anything is seen of it: a body that ends early leaves nothing.
        let read = body.reader().read_to_end(&mut bytes);
        if read.is_err() || bytes.len() as u64 != body.len() {
            return Err(self.failed("write", key, StoreErrorKind::Other));
        }
        let mut objects = self.objects();
        if mode == PutMode::Create && objects.contains_key(key) {
            return Err(self.failed("write", key, StoreErrorKind::AlreadyExists));
        }
        objects.insert(key.clone(), bytes.into());
        Ok(())
    }

    fn get(&self, key: &Key) -> Result<Vec<u8>, StoreError> {
        self.find("read", key).map(|bytes| bytes.to_vec())
    }

    fn get_range(&self, key: &Key, offset: u64, buffer: &mut [u8]) -> Result<(), StoreError> {
        let bytes = self.find("read", key)?;
        let begin = usize::try_from(offset).unwrap_or(usize::MAX);
        let range = bytes.get(begin..).and_then(|rest| rest.get(..buffer.len()));
        let range = range.ok_or_else(|| self.failed("read", key, StoreErrorKind::Truncated))?;
        buffer.copy_from_slice(range);
        Ok(())
    }

    fn list(&self, folder: &str, each: &mut dyn FnMut(ObjectMeta) -> ControlFlow<()>) -> Result<(), StoreError> {
        // A copy of the names: whoever listens may put and remove meanwhile.
        let all: Vec<(Key, u64)> = {
            let objects = self.objects();
            objects
                .iter()
                .map(|(key, bytes)| (key.clone(), bytes.len() as u64))
                .collect()
        };
        for (key, size) in all {
            let rest = key.as_bytes().strip_prefix(folder.as_bytes());
            let is_below = folder.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"));
            if is_below && each(ObjectMeta { key, size }).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn remove(&self, key: &Key) -> Result<(), StoreError> {
        let removed = self.objects().remove(key);
        removed
            .map(drop)
            .ok_or_else(|| self.failed("remove", key, StoreErrorKind::NotFound))
    }

    fn stat(&self, key: &Key) -> Result<ObjectMeta, StoreError> {
        let size = self.find("look at", key)?.len() as u64;
        Ok(ObjectMeta { key: key.clone(), size })
    }

    fn space(&self) -> Result<Option<Space>, StoreError> {
        Ok(None)
    }
}

fn main() -> Result<(), Error> {
    let store = Arc::new(Memory::new());
    let summary = match backends::conformance::run(store.as_ref(), "trial") {
        Ok(summary) => summary,
        Err(broken) => {
            println!("the storage breaks its contract: {broken}");
            return Ok(());
        }
    };
    println!(
        "{} checks passed, {} do not apply",
        summary.passed.len(),
        summary.skipped.len()
    );

    let settings = Settings::new(Password::new("only in memory".to_owned()));
    let engine = ResticEngine::init(store, settings)?;
    let paths = std::env::args_os().skip(1);
    let request = BackupRequest {
        selection: Selection {
            includes: paths.map(|path| path.as_bytes().to_vec()).collect(),
            ..Selection::default()
        },
        host: "example".to_owned(),
        tags: Vec::new(),
        time: None,
        parent: None,
        force_read: false,
        dry_run: false,
        estimate: false,
    };
    let saved = engine.backup(&request, &Silent)?;
    let checked = engine.check(&CheckRequest { read: ReadData::All }, &Silent)?;
    println!("{} files, {} errors", saved.files.total(), checked.errors);
    Ok(())
}
