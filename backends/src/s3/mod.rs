//! An S3 bucket: Amazon's, or anybody's who speaks the protocol (MinIO, Ceph, Wasabi, Garage, rclone).
//!
//! Objects lie in the bucket under restic's names, below the prefix if there is one. A large object goes up in parts, and
//! is there when the last step says so and not before; what fails is aborted, and what a killed program left is aborted by
//! a later upload. Over plain HTTP the server checks every body against a signed digest; over TLS the connection protects
//! it.
//!
//! A bucket in another region is followed there when it is opened. Objects can be put under a lock, save those that are
//! removed within hours.

mod endpoint;
mod errors;
mod leftovers;
mod listing;
mod multipart;
mod open;
mod request;
mod sign;
mod upload;

#[cfg(test)]
mod tests;

pub use endpoint::Style;
pub use open::open;

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use engine_api::{BlobStore, Body, Capabilities, Key, ObjectMeta, PutMode, Space, StoreError, StoreErrorKind};

use self::endpoint::Endpoint;
use crate::Secret;
use crate::http::{self, Client, Failure, Place, Trust};

/// As many as restic itself uses.
const CONCURRENCY: usize = 5;

/// Which bucket, and who asks.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The server: `s3.example.org`, with a port or `http://` or `https://` before it if need be. What it has after a
    /// slash goes before the bucket, as in restic's addresses.
    pub host: String,
    /// The bucket.
    pub bucket: String,
    /// The folder in it; empty for the bucket itself.
    pub prefix: String,
    /// The public half of the key.
    pub access_key: String,
    /// The secret half.
    pub secret_key: Secret,
    /// The bucket's region; found out when empty.
    pub region: String,
    /// How the bucket is addressed.
    pub style: Style,
    /// The class that new objects get; the bucket's own when empty.
    pub storage_class: String,
    /// The lock that new objects get; none when missing.
    pub object_lock: Option<ObjectLock>,
    /// Whom to believe that it is the server.
    pub trust: Trust,
    /// Whether the bucket is made when it is not there.
    pub create: bool,
    /// How the network is used.
    pub http: http::Options,
}

/// Keeps objects from being changed or removed for a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectLock {
    /// `GOVERNANCE` or `COMPLIANCE`.
    pub mode: String,
    /// For how many days from the upload.
    pub days: u32,
}

struct S3 {
    client: Client,
    endpoint: Endpoint,
    access_key: String,
    secret_key: Secret,
    storage_class: String,
    object_lock: Option<ObjectLock>,
    location: String,
    capabilities: Capabilities,
    /// Whether the server takes `If-None-Match`; some say that they do not know it.
    conditional: AtomicBool,
    /// Whether the server wants a digest beside every body.
    checks: AtomicBool,
    /// Whether what interrupted uploads left has been looked for.
    swept: AtomicBool,
}

impl S3 {
    fn place(&self, operation: &'static str) -> Place<'_> {
        Place {
            operation,
            location: &self.location,
        }
    }

    /// The full name of `key` in the bucket.
    fn name(&self, key: &Key) -> Vec<u8> {
        [self.endpoint.prefix.as_bytes(), key.as_bytes()].concat()
    }

    fn size(&self, name: &[u8]) -> Result<u64, Failure> {
        let answer = self.request("HEAD", name).send()?;
        let size = answer.length();
        answer.finish()?;
        size.ok_or_else(|| Failure::Nonsense("the server does not say how long it is".to_owned()))
    }

    fn exists(&self, name: &[u8]) -> Result<bool, Failure> {
        match self.size(name) {
            Ok(_) => Ok(true),
            Err(failure) if failure.kind() == StoreErrorKind::NotFound => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    fn read_range(&self, key: &Key, offset: u64, buffer: &mut [u8]) -> Result<(), Failure> {
        let name = self.name(key);
        http::range(
            offset,
            buffer,
            || self.size(&name),
            |offset, length| self.request("GET", &name).range(offset, length).send_any(),
        )
    }

    /// The server has nothing against removing what is not there, so somebody must look.
    fn delete(&self, key: &Key) -> Result<(), Failure> {
        let name = self.name(key);
        self.size(&name)?;
        self.request("DELETE", &name).send()?.finish()
    }

    fn is_checked(&self) -> bool {
        self.checks.load(Ordering::Relaxed)
    }

    fn is_conditional(&self) -> bool {
        self.conditional.load(Ordering::Relaxed)
    }
}

impl BlobStore for S3 {
    fn location(&self) -> &str {
        &self.location
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn put(&self, key: &Key, body: Body<'_>, mode: PutMode) -> Result<(), StoreError> {
        upload::put(self, &self.name(key), body, mode).map_err(|failure| self.place("write").object(key, failure))
    }

    fn get(&self, key: &Key) -> Result<Vec<u8>, StoreError> {
        let bytes = self
            .request("GET", &self.name(key))
            .send()
            .and_then(http::Answer::bytes);
        bytes.map_err(|failure| self.place("read").object(key, failure))
    }

    fn get_range(&self, key: &Key, offset: u64, buffer: &mut [u8]) -> Result<(), StoreError> {
        self.read_range(key, offset, buffer)
            .map_err(|failure| self.place("read").object(key, failure))
    }

    fn list(&self, folder: &str, each: &mut dyn FnMut(ObjectMeta) -> ControlFlow<()>) -> Result<(), StoreError> {
        listing::list(self, folder.trim_end_matches('/'), each)
            .map_err(|failure| self.place("list").folder(folder, failure))
    }

    fn remove(&self, key: &Key) -> Result<(), StoreError> {
        self.delete(key)
            .map_err(|failure| self.place("remove").object(key, failure))
    }

    fn discard(&self, key: &Key) -> Result<(), StoreError> {
        let sent = self.request("DELETE", &self.name(key)).send();
        match sent.and_then(http::Answer::finish) {
            Err(failure) if failure.kind() != StoreErrorKind::NotFound => {
                Err(self.place("remove").object(key, failure))
            }
            _ => Ok(()),
        }
    }

    fn stat(&self, key: &Key) -> Result<ObjectMeta, StoreError> {
        let size = self.size(&self.name(key));
        let size = size.map_err(|failure| self.place("look at").object(key, failure))?;
        Ok(ObjectMeta { key: key.clone(), size })
    }

    fn space(&self) -> Result<Option<Space>, StoreError> {
        Ok(None)
    }
}
