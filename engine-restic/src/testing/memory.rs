use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use engine_api::{BlobStore, Body, Capabilities, Key, ObjectMeta, PutMode, Space, StoreError, StoreErrorKind};

use crate::repository::lock;

/// A storage in memory that counts its calls and fails from one of them on.
pub struct Memory {
    objects: Mutex<BTreeMap<Key, Vec<u8>>>,
    capabilities: Capabilities,
    calls: AtomicU64,
    /// Every call from this one on fails, counted from 1.
    dead_from: AtomicU64,
    kind: StoreErrorKind,
    /// Whether writes alone count and fail.
    writes_only: bool,
    /// An object that cannot be read.
    unreadable: Mutex<Option<String>>,
}

impl Memory {
    pub fn new() -> Self {
        Self {
            objects: Mutex::default(),
            capabilities: Capabilities::minimal()
                .with_exclusive_create(true)
                .with_concurrency(2)
                .with_local(true)
                .with_prompt_listings(true),
            calls: AtomicU64::new(0),
            dead_from: AtomicU64::new(u64::MAX),
            kind: StoreErrorKind::Vanished,
            writes_only: false,
            unreadable: Mutex::default(),
        }
    }

    /// The same objects in a storage of their own.
    pub fn copy(&self) -> Self {
        let objects = lock(&self.objects).clone();
        Self {
            objects: Mutex::new(objects),
            ..Self::new()
        }
    }

    /// Promises nothing of its listings.
    pub fn without_prompt_listings(mut self) -> Self {
        self.capabilities = self.capabilities.with_prompt_listings(false);
        self
    }

    /// Is said to be elsewhere.
    pub fn on_a_network(mut self) -> Self {
        self.capabilities = self.capabilities.with_local(false);
        self
    }

    /// Fails from the n-th call from now on.
    pub fn die_in(&self, n: u64) {
        self.dead_from.store(self.calls() + n, Ordering::SeqCst);
    }

    /// Fails to read this object, as a disk with a bad sector does.
    pub fn fail_to_read(&self, name: &str) {
        *lock(&self.unreadable) = Some(name.to_owned());
    }

    /// Works again.
    pub fn live(&self) {
        self.dead_from.store(u64::MAX, Ordering::SeqCst);
    }

    /// Refuses every write in this way.
    pub fn refusing_writes(mut self, kind: StoreErrorKind) -> Self {
        self.kind = kind;
        self.writes_only = true;
        self.die_in(1);
        self
    }

    /// Calls up to now.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    /// Whether a call has failed.
    pub fn has_died(&self) -> bool {
        self.calls() >= self.dead_from.load(Ordering::SeqCst)
    }

    /// The names of the objects that begin so.
    pub fn names(&self, folder: &str) -> Vec<String> {
        let objects = lock(&self.objects);
        let names = objects.keys().map(ToString::to_string);
        names.filter(|name| name.starts_with(folder)).collect()
    }

    /// Bytes of all objects.
    pub fn bytes(&self) -> u64 {
        lock(&self.objects).values().map(|bytes| bytes.len() as u64).sum()
    }

    /// Bytes of an object.
    pub fn size(&self, name: &str) -> usize {
        lock(&self.objects)[&Key::new(name).unwrap()].len()
    }

    /// Copies an object from another storage.
    pub fn take_from(&self, other: &Self, name: &str) {
        let key = Key::new(name).unwrap();
        let bytes = lock(&other.objects)[&key].clone();
        lock(&self.objects).insert(key, bytes);
    }

    /// Changes an object; with `None` it goes.
    pub fn change(&self, name: &str, change: impl FnOnce(Vec<u8>) -> Option<Vec<u8>>) {
        let mut objects = lock(&self.objects);
        let key = Key::new(name).unwrap();
        let bytes = objects.remove(&key).unwrap();
        if let Some(bytes) = change(bytes) {
            objects.insert(key, bytes);
        }
    }

    /// Writes everything to a directory, for the real restic.
    pub fn export(&self, dir: &Path) {
        for folder in ["data", "index", "keys", "locks", "snapshots"] {
            std::fs::create_dir_all(dir.join(folder)).unwrap();
        }
        for (key, bytes) in lock(&self.objects).iter() {
            let path = dir.join(key.to_string());
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
    }

    /// The storage that a directory holds.
    pub fn import(dir: &Path) -> Self {
        let store = Self::new();
        let mut folders = vec![dir.to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let key = Key::new(path.strip_prefix(dir).unwrap().to_str().unwrap()).unwrap();
                    lock(&store.objects).insert(key, std::fs::read(path).unwrap());
                }
            }
        }
        store
    }

    fn pass(&self, operation: &'static str, object: &str, writes: bool) -> Result<(), StoreError> {
        if self.writes_only && !writes {
            return Ok(());
        }
        let number = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        if number >= self.dead_from.load(Ordering::SeqCst) {
            return Err(error(operation, object, self.kind));
        }
        Ok(())
    }

    fn read<T>(
        &self,
        operation: &'static str,
        key: &Key,
        read: impl FnOnce(&[u8]) -> Result<T, StoreErrorKind>,
    ) -> Result<T, StoreError> {
        let name = key.to_string();
        self.pass(operation, &name, false)?;
        if lock(&self.unreadable).as_ref() == Some(&name) {
            return Err(error(operation, &name, StoreErrorKind::Other));
        }
        let objects = lock(&self.objects);
        let bytes = objects.get(key);
        let bytes = bytes.ok_or_else(|| error(operation, &name, StoreErrorKind::NotFound))?;
        read(bytes).map_err(|kind| error(operation, &name, kind))
    }
}

fn error(operation: &'static str, object: &str, kind: StoreErrorKind) -> StoreError {
    StoreError {
        operation,
        object: object.to_owned(),
        location: "memory".to_owned(),
        kind,
        source: "in a test".into(),
    }
}

impl BlobStore for Memory {
    fn location(&self) -> &str {
        "memory"
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn put(&self, key: &Key, body: Body<'_>, mode: PutMode) -> Result<(), StoreError> {
        let name = key.to_string();
        self.pass("write", &name, true)?;
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut body.reader(), &mut bytes).unwrap();
        let mut objects = lock(&self.objects);
        if mode == PutMode::Create && objects.contains_key(key) {
            return Err(error("write", &name, StoreErrorKind::AlreadyExists));
        }
        objects.insert(key.clone(), bytes);
        Ok(())
    }

    fn get(&self, key: &Key) -> Result<Vec<u8>, StoreError> {
        self.read("read", key, |bytes| Ok(bytes.to_vec()))
    }

    fn get_range(&self, key: &Key, offset: u64, buffer: &mut [u8]) -> Result<(), StoreError> {
        self.read("read", key, |bytes| {
            let begin = usize::try_from(offset).unwrap();
            let part = bytes.get(begin..begin + buffer.len());
            buffer.copy_from_slice(part.ok_or(StoreErrorKind::Truncated)?);
            Ok(())
        })
    }

    fn list(&self, folder: &str, each: &mut dyn FnMut(ObjectMeta) -> ControlFlow<()>) -> Result<(), StoreError> {
        self.pass("list", folder, false)?;
        let prefix = format!("{folder}/");
        for (key, bytes) in lock(&self.objects).iter() {
            let meta = ObjectMeta {
                key: key.clone(),
                size: bytes.len() as u64,
            };
            if key.to_string().starts_with(&prefix) && each(meta).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn remove(&self, key: &Key) -> Result<(), StoreError> {
        let name = key.to_string();
        self.pass("remove", &name, true)?;
        let removed = lock(&self.objects).remove(key);
        removed
            .map(drop)
            .ok_or_else(|| error("remove", &name, StoreErrorKind::NotFound))
    }

    fn stat(&self, key: &Key) -> Result<ObjectMeta, StoreError> {
        self.read("look at", key, |bytes| {
            Ok(ObjectMeta {
                key: key.clone(),
                size: bytes.len() as u64,
            })
        })
    }

    fn space(&self) -> Result<Option<Space>, StoreError> {
        Ok(None)
    }
}
